"""Letters by SMTP: each is kept, and lies in the mailbox of whoever has its address here, as if it had come from the net."""

import asyncio
import socket
from datetime import UTC, datetime
from email.utils import format_datetime
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox import letters
from sandbox.clock import SECOND
from sandbox.world import World

HOST = "mx.sandbox.test"
ARRIVED = ["INBOX", "UNREAD"]


class Catcher:
    """Started and stopped with the server; it listens nowhere without a socket. As a relay it takes letters for anybody."""

    def __init__(self, world: World, listening: socket.socket | None) -> None:
        self._world, self._listening = world, listening
        self._server: asyncio.Server | None = None
        self._calls: WeakSet[SMTP] = WeakSet()

    @property
    def address(self) -> str:
        """`host:port`, "" if it listens nowhere."""
        if self._listening is None:
            return ""
        host, port = self._listening.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self) -> None:
        if self._listening is not None:
            self._server = await asyncio.get_running_loop().create_server(self._called, sock=self._listening)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for call in self._calls:
            if call.transport is not None:
                call.transport.close()

    def _called(self) -> asyncio.Protocol:
        down = self._world.faults.strikes("smtp_down", None)
        self._world.settle()
        if down:
            return HungUp()
        call = SMTP(self, hostname=HOST, ident="simulated Google", enable_SMTPUTF8=True, loop=asyncio.get_running_loop())
        self._calls.add(call)
        return call

    # what aiosmtpd calls, by these names

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        world = self._world
        mailbox = world.receiver(address)
        refusal = world.faults.strike("smtp_refuses", mailbox.account.sub if mailbox else None)
        world.settle()
        if refusal:
            return f"{refusal['code']} {refusal.get('message', 'Refused, as it was ordered')}"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, call: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802
        world = self._world
        if late := world.faults.strike("timeout", None, method="smtp"):
            await asyncio.sleep(late["s"])
        sender = (envelope.mail_from or "").strip("<>")  # of a mail that must not be answered it is <>
        for address in envelope.rcpt_tos:
            self._arrived(address, sender, envelope.original_content or b"")
        unanswered = world.faults.strikes("smtp_unanswered", None)
        world.settle()
        if unanswered and call.transport is not None:
            call.transport.close()
            await asyncio.Event().wait()  # until the end of the connection ends this too
        return "250 2.0.0 OK"

    def _arrived(self, to: str, sender: str, raw: bytes) -> None:
        world = self._world
        mailbox = world.receiver(to)
        letters.keep(world, to, sender, raw, elsewhere=mailbox is None)
        if mailbox is not None:
            mailbox.deliver(world.mail(delivered(to, sender, raw, world.now())), ARRIVED, world.now())


class HungUp(asyncio.Protocol):
    """A connection that ends before a word."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def delivered(to: str, sender: str, raw: bytes, now: int) -> bytes:
    """With the headers that Gmail puts on top. `now` in milliseconds."""
    date = format_datetime(datetime.fromtimestamp(now / SECOND, UTC))
    top = (f"Delivered-To: {to}", f"Return-Path: <{sender}>", f"Received: by {HOST} with SMTP; {date}")
    return "".join(f"{line}\r\n" for line in top).encode() + raw
