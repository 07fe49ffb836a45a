"""Pub/Sub: a mailbox's change becomes a signed POST to the push endpoint, again and again until it is acknowledged.

Gmail publishes at most one notification a second for a mailbox and drops the rest. Pub/Sub takes 102, 200, 201, 202 and 204
for an acknowledgement; anything else, or no answer in time, is sent again after a pause that doubles.
"""

import asyncio
import base64
from typing import Any

import aiohttp
import msgspec

from sandbox.chance import draw, number
from sandbox.clock import DAY, SECOND, iso
from sandbox.mailbox import Mailbox
from sandbox.state import Push
from sandbox.world import World

ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})
RETENTION = 7 * DAY
TOKEN_LIFE = 3600  # seconds
TOKEN_REUSED = 300  # seconds
PUSHES_KEPT = 5_000
AT_ONCE = 200
ISSUER = "https://accounts.google.com"


class Pusher:
    """Started and stopped with the server; pushes that were under way when it stopped go on when it starts again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[str, Push] = {}
        self._token: tuple[str, int, str] = ("", 0, "")
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self._world.settings.push_deadline)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=AT_ONCE))
        self._world.publish = self.publish
        for push in self._world.pushes.values():
            if push.status == "pending":
                self._go([push])

    async def stop(self) -> None:
        self.forget()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def forget(self) -> None:
        """Nothing that is under way is sent any more."""
        self._held.clear()
        for task in self._tasks:
            task.cancel()

    def release(self) -> None:
        """What a push_reordered fault holds back is sent now."""
        held, self._held = self._held, {}
        for push in held.values():
            self._go([push])

    def publish(self, mailbox: Mailbox) -> None:
        """As Gmail would: dropped when the last notification of that mailbox is less than a second old."""
        account, now = mailbox.account, self._world.now()
        if now - account.notified_at < self._world.settings.push_interval * SECOND:
            account.pushes_dropped += 1
            self._world.store.put("account", account.sub, account)
            return
        account.notified_at = now
        self._world.store.put("account", account.sub, account)
        self.send(mailbox, account.head)

    def send(self, mailbox: Mailbox, history_id: int) -> Push:
        """A notification whatever the rate; faults apply."""
        world, sub = self._world, mailbox.account.sub
        push = self._new(mailbox.account.address, history_id)
        if not world.subscription.endpoint:
            push.status = "unheard"
        elif world.faults.strikes("push_lost", sub):
            push.status = "lost"
        elif sub not in self._held and world.faults.strikes("push_reordered", sub):
            self._held[sub] = push
        else:
            delayed = world.faults.strike("push_delayed", sub) or {"s": 0}
            repeated = world.faults.strike("push_repeated", sub) or {"n": 1}
            held = self._held.pop(sub, None)
            self._go([push, held] if held else [push], delayed["s"])
            for _ in range(repeated["n"] - 1):
                self._go([push], delayed["s"])
        return push

    def _new(self, address: str, history_id: int) -> Push:
        world = self._world
        world.root.pushes += 1
        world.store.put("root", "", world.root)
        drawn = draw(world.root.seed, "push", world.root.pushes)
        push = Push(f"{10**15 + world.root.pushes * 10_000 + number(drawn, 10_000)}", address, history_id, world.now())
        world.pushes[push.message_id] = push
        world.store.put("push", push.message_id, push)
        if len(world.pushes) > PUSHES_KEPT:
            oldest = next((id for id, old in world.pushes.items() if old.status != "pending"), push.message_id)
            world.forget("push", world.pushes, oldest)
        return push

    def _go(self, pushes: list[Push], delay: float = 0) -> None:
        task = asyncio.create_task(self._deliver(pushes, delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, pushes: list[Push], delay: float) -> None:
        """One after the other; a refused one does not keep the next waiting."""
        if delay:
            await asyncio.sleep(delay)
        for push in pushes:
            if not await self._attempt(push):
                self._again(push)
        self._world.store.flush()

    def _again(self, push: Push) -> None:
        if push.status == "delivered":  # meanwhile, by a repetition
            return
        if self._world.now() - push.published_at > RETENTION:
            push.status = "expired"
            self._world.store.put("push", push.message_id, push)
            return
        first, longest = self._world.settings.push_backoff
        self._go([push], min(longest, first * 2.0 ** min(push.attempts - 1, 30)))

    async def _attempt(self, push: Push) -> bool:
        push.attempts += 1
        push.last_answer = await self._post(push)
        acknowledged = push.last_answer in ACKNOWLEDGED
        if acknowledged:
            push.status = "delivered"
        if push.message_id in self._world.pushes:
            self._world.store.put("push", push.message_id, push)
        return acknowledged

    async def _post(self, push: Push) -> int:
        endpoint = self._world.subscription.endpoint
        headers = {
            "Authorization": f"Bearer {self._signed()}",
            "Content-Type": "application/json",
            "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
        }
        body = msgspec.json.encode(envelope(push, self._world.settings.project))
        if self._session is None:
            raise RuntimeError("start() first")
        try:
            async with self._session.post(endpoint, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0

    def _signed(self) -> str:
        """One token serves for a few minutes, as long as audience and key stay."""
        world, now = self._world, self._world.clock.real_seconds()
        audience = world.subscription.audience or world.subscription.endpoint
        mark = f"{audience} {world.keys.kid()}"
        if self._token[0] != mark or now - self._token[1] > TOKEN_REUSED:
            self._token = (mark, now, world.keys.sign(claims(audience, world.settings.service_account, now)))
        return self._token[2]


def claims(audience: str, service_account: str, now: int) -> dict[str, Any]:
    """Of the token that comes with a push; `now` in seconds of real time."""
    subject = str(10**20 + number(draw(0, service_account, 0), 10**18))
    times = {"iat": now, "exp": now + TOKEN_LIFE}
    return {"aud": audience, "azp": subject, "email": service_account, "email_verified": True, "iss": ISSUER, "sub": subject, **times}


def envelope(push: Push, project: str) -> dict[str, Any]:
    """The wrapped body. Live deliveries carry the history id as a JSON number."""
    data = msgspec.json.encode({"emailAddress": push.mailbox, "historyId": push.history_id})
    published = iso(push.published_at)
    ids = {"messageId": push.message_id, "message_id": push.message_id, "publishTime": published, "publish_time": published}
    return {"message": {"data": base64.b64encode(data).decode(), **ids}, "subscription": f"projects/{project}/subscriptions/gmail-push"}
