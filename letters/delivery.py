"""Delivery: what is owed goes out, once. Claimed before it is sent, marked after the mail server has taken it; whoever dies in between is
followed by another, who sends it again with the same Message-ID."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import cache
from typing import Literal
from urllib.parse import quote

from letters.compose import NoAddress, compose
from letters.post import Refused, Unreachable, post
from letters.words import Broken
from models import outbox
from models.firms import User
from models.outbox import Letter
from models.sessions import SignInLink
from settings import Mail, Settings
from telemetry import metrics
from telemetry.logs import fault, log

Clock = Callable[[], Awaitable[datetime]]
Post = Callable[[EmailMessage, Mail], Awaitable[None]]
Outcome = Literal["sent", "refused", "postponed", "unreachable", "broken", "given up", "over"]

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)  # after a try that failed: doubles each time
MENDING = timedelta(minutes=10)  # at least, after words that could not be filled in: somebody has to change them
TRIES = 125  # with these waits about five days: for so long mail servers are usually tried
LONGEST_ROUND = timedelta(minutes=1)  # a server that takes letters slowly must not hold up what comes after
SIGN_IN_TRIES = 7  # about an hour: whoever still wants to sign in has asked again


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a round did. `failed`: tries that did not end with a letter sent. `held`: some kinds wait for an operator, or for Google."""

    sent: int
    failed: int
    held: bool


async def deliver(settings: Settings, clock: Clock, post: Post = post, most: int = 50) -> Delivered:
    """One round: letters that are due, until there are no more, `most` were tried, or the mail server is away. Safe to run beside itself.

    A letter that cannot be composed stops none of the others. Without a mail server nothing is claimed: what is owed stays owed.
    """
    now = await clock()
    await outbox.hold_in_a_surge(settings.sweep.surge_limit, now)
    await outbox.drop_what_is_over(now)
    if settings.mail.smtp_host:
        became = await _round(settings, clock, post, most)
    else:
        became = []
        _warn_of_no_server()
    state = await outbox.state_of(await clock())
    metrics.LETTERS_DUE.set(state.due)
    metrics.LETTERS_HELD.set(state.held)
    held = state.held_at is not None or state.client_refused_at is not None
    return Delivered(became.count("sent"), len(became) - became.count("sent") - became.count("over"), held)


async def _round(settings: Settings, clock: Clock, post: Post, most: int) -> list[Outcome]:
    """Where the server is away the others keep their due time, and their tries."""
    became, until = list[Outcome](), await clock() + LONGEST_ROUND
    while len(became) < most and (now := await clock()) <= until and (letter := await outbox.claim_letter(now)):
        became.append(await _send(letter, settings, clock, post))
        if became[-1] in ("unreachable", "given up"):
            break
    return became


async def _send(letter: Letter, settings: Settings, clock: Clock, post: Post) -> Outcome:
    outcome = await _try(letter, settings, clock, post)
    metrics.LETTERS.labels(letter.kind, outcome).inc()
    log.info("letter", notice=letter.id, kind=letter.kind, outcome=outcome, tries=letter.tries)
    return outcome


async def _try(letter: Letter, settings: Settings, clock: Clock, post: Post) -> Outcome:
    if letter.kind == "digest" and not letter.absent:
        await outbox.given_up(letter, "over", await clock())
        return "over"
    try:
        now = await clock()
        link = await _sign_in_link(letter, settings, now) if letter.kind == "sign_in" else ""
        await post(compose(letter, settings, now, link=link), settings.mail)
    except Unreachable as away:
        log.warning("mail server did not take a letter", notice=letter.id, because=away.because)
        return await _later(letter, "postponed" if away.of_this_letter else "unreachable", timedelta(0), await clock())
    except (Refused, NoAddress) as refused:
        log.warning("letter refused", notice=letter.id, because=getattr(refused, "code", "no address"))
        await outbox.given_up(letter, "refused", await clock())
        return "refused"
    except Exception as error:
        template = f"{error.file}:{error.line}" if isinstance(error, Broken) else None
        fault("letter cannot be composed", error, notice=letter.id, kind=letter.kind, template=template)
        return await _later(letter, "broken", MENDING, await clock())
    await outbox.sent(letter, await clock())
    return "sent"


async def _sign_in_link(letter: Letter, settings: Settings, now: datetime) -> str:
    """Made when it is sent: it is valid from then on, and no secret of it is kept. `letter.by`: where to go after sign-in."""
    user = await User.get(id=letter.user_id)
    token = await SignInLink.issue(user, timedelta(minutes=settings.portal.sign_in_link_minutes), now, mailed=True)
    return f"{settings.app.base_url.rstrip('/')}/sign-in/{token}" + (f"?next={quote(letter.by)}" if letter.by else "")


async def _later(letter: Letter, because: Literal["postponed", "unreachable", "broken"], least: timedelta, now: datetime) -> Outcome:
    if letter.tries >= (SIGN_IN_TRIES if letter.kind == "sign_in" else TRIES):
        await outbox.given_up(letter, because, now)
        return "given up"
    await outbox.try_again(letter, now + max(least, wait(letter.tries)))
    return because


def wait(tries: int) -> timedelta:
    """Until the next try, after so many."""
    doublings = min(tries - 1, 10)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


@cache
def _warn_of_no_server() -> None:
    """Once a process."""
    log.warning("no mail server is set (mail.smtp_host): letters stay owed")
