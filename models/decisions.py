"""What people decide about e-mails. Each decision is one transaction, holds only if the e-mail is as it was seen, and is audited.

Acts, as the audit and `history_of` name them: *approved* (the guess, or what is filed, is right), *reassigned* (the question was answered
with another client), *moved* (from one client to another), *filed* (what had been dismissed), *added*, *dismissed*, *undone*; *inherited*
where a mail followed its thread. All raise `NotThere` and `Overtaken`, and nothing is changed then.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from models import threads, undoing
from models.audit_log import Act, history_of
from models.database import Connection, transaction
from models.deciding import Mail, Voice, also_filed, dismissed, filed, of_thread
from models.firms import User
from models.staff import staff_of
from models.standings import claim, lock_thread, read, write
from models.verdicts import (
    Bulk,
    Decided,
    NoSuchClient,
    NoSuchColleague,
    NotDecided,
    NothingToUndo,
    NotReceived,
    NotThere,
    Overtaken,
    Seen,
    TooLate,
)
from telemetry import metrics

__all__ = [
    "Act", "Bulk", "Decided", "NoSuchClient", "NoSuchColleague", "NotDecided", "NotReceived", "NotThere", "NothingToUndo",
    "Overtaken", "Seen", "TooLate", "also_under", "dismiss", "file_under", "history_of", "several", "undo", "whole_thread",
]  # fmt: skip

Decide = Callable[[Mail], tuple[str, Mail] | None]  # the act's name, and what becomes of the e-mail; None for nothing


async def file_under(by: User, seen: Seen, client_id: int, now: datetime, *, instead_of: int | None = None) -> Decided:
    """Answers the question, or moves what is filed under `instead_of` (without it: under whatever the e-mail is). Open questions of the
    thread that can be this client's follow. What was dismissed can be filed until it is erased. Raises `NoSuchClient`, `TooLate`."""
    given = None if instead_of is None else (instead_of,)
    return await _decide(by, seen, now, client_id, lambda mail: filed(mail, client_id, _voice(by, now), given), apart=())


async def also_under(by: User, seen: Seen, client_id: int, now: datetime) -> Decided:
    """One more client. A candidate of the open question answers it: it is the guess's and this one's. Raises `NoSuchClient`, `TooLate`."""
    return await _decide(by, seen, now, client_id, lambda mail: also_filed(mail, client_id, _voice(by, now)))


async def dismiss(by: User, seen: Seen, now: datetime, *, client_id: int | None = None) -> Decided:
    """No client's mail; or only not this client's: then the next candidate is the guess, and with the last client the whole e-mail is
    dismissed. Raises `NoSuchClient` where it is not shown there, or nowhere."""
    return await _decide(by, seen, now, None, lambda mail: dismissed(mail, client_id, _voice(by, now)))


async def undo(by: User, seen: Seen, now: datetime) -> Decided:
    """Takes back the last decision, whoever made it, with what followed in the thread (`settled`). An undo cannot be undone: decide anew.
    Raises `NothingToUndo`, also where something else has happened since, and `TooLate`."""

    async def work(held: Connection) -> tuple[Decided, int]:
        return await undoing.take_back(held, by, seen, now)

    decided, opened = await transaction(work)
    metrics.ANSWERS.labels("undone").inc(opened)
    return decided


async def several(
    by: User, seens: Sequence[Seen], act: Literal["approve", "file_under", "dismiss"], client_id: int | None, now: datetime
) -> Bulk:
    """Each in a transaction of its own. `approve`: each under its own best guess; a forged mail is not, it wants a look of its own. What
    follows in threads leaves these e-mails alone: each was meant itself."""
    done: list[Decided] = []
    overtaken = gone = 0
    apart = [seen.email_id for seen in seens]
    for seen in dict.fromkeys(seens):
        try:
            done.append(await _one_of_several(by, seen, act, client_id, apart, now))
        except Overtaken:
            overtaken += 1
        except NotDecided:
            gone += 1
    return Bulk(tuple(done), overtaken, gone)


async def _one_of_several(by: User, seen: Seen, act: str, client_id: int | None, apart: Sequence[int], now: datetime) -> Decided:
    voice = _voice(by, now)
    match act, client_id:
        case "dismiss", _:
            return await dismiss(by, seen, now)
        case "file_under", int():
            return await _decide(by, seen, now, client_id, lambda mail: filed(mail, client_id, voice), apart=apart)
        case "approve", _:
            return await _decide(by, seen, now, None, lambda mail: _approved(mail, voice), apart=apart)
    raise NoSuchClient


def _approved(mail: Mail, voice: Voice) -> tuple[str, Mail] | None:
    sure = mail.is_open and mail.guess and mail.trust != "forged"
    return filed(mail, min(mail.guess), voice) if sure else None


async def whole_thread(by: User, seen: Seen, client_id: int | None, now: datetime) -> list[Decided]:
    """After a decision, with the version that it returned: the same for the other mails of the thread that no person decided about, if
    somebody who is no staff is on both. With a client: they are filed there, in the place of the clients from which this e-mail was moved;
    a forged one is not. With None: they are dismissed. Each in a transaction of its own; safe to repeat. Raises `NoSuchClient`."""

    async def look(held: Connection) -> Mail:
        await claim(held, by, seen, now, rises=0)
        return (await read(held, [seen.email_id]))[seen.email_id]

    said = await transaction(look)
    voice = _voice(by, now)

    def same(mail: Mail) -> tuple[str, Mail] | None:
        if client_id is None:
            return dismissed(mail, None, voice) if mail.shown else None
        return None if mail.trust == "forged" else of_thread(mail, said, client_id, voice)

    followed: list[Decided] = []
    for other in await threads.undecided(by.firm_id, seen.email_id, await staff_of(by.firm_id)):
        try:
            followed.append(await _decide(by, other, now, client_id, same))
        except (NotThere, Overtaken, TooLate):
            continue  # private, decided by somebody meanwhile, or so already
    return followed


def _voice(by: User, now: datetime) -> Voice:
    return Voice(by.id, by.name, now)


async def _decide(
    by: User, seen: Seen, now: datetime, client_id: int | None, decide: Decide, *, apart: Collection[int] | None = None
) -> Decided:
    """`client_id`: must be a living client of the firm. `apart`: the thread follows, but for these; None: it does not."""
    staff = await staff_of(by.firm_id) if apart is not None else ()

    async def work(held: Connection) -> tuple[Decided, Mail, Mail]:
        if apart is not None:
            await lock_thread(held, by.firm_id, seen.email_id)
        await claim(held, by, seen, now)
        mail = (await read(held, [seen.email_id]))[seen.email_id]
        found = decide(mail)
        if found is None:
            raise NotThere
        act, after = found
        if client_id is not None:
            await _ensure_living(held, by.firm_id, client_id, mail)
        settled: dict[int, int] = {}
        if apart is not None:
            chosen = client_id if client_id is not None else min(mail.guess)
            settled = await threads.settle(held, by, after, chosen, staff, apart, now)
        more = {"settled": settled} if settled else None
        await write(held, by, by.id, act, replace(mail, version=seen.version), after, now, more)
        return Decided(mail.id, mail.version, after.shown, len(settled)), mail, after

    decided, before, after = await transaction(work)
    if before.is_open and after.answer:
        metrics.ANSWERS.labels(after.answer.outcome).inc()
    metrics.ANSWERS.labels("inherited").inc(decided.settled)
    return decided


async def _ensure_living(held: Connection, firm_id: int, client_id: int, mail: Mail) -> None:
    """It is the firm's and stays so until this is written. An archived one gets nothing new; what it has may be confirmed."""
    client = await held.fetchrow("SELECT archived_at FROM client WHERE id = $1 AND firm_id = $2 FOR KEY SHARE", client_id, firm_id)
    if client is None or (client["archived_at"] and client_id not in mail.shown):
        raise NoSuchClient
