"""What an operator does with the keys that tokens are sealed with: changes them, and copes with the loss of one. Key ids are hashes."""

import json
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from postroom.command import AsJson, counted_as, fail, in_database, plainly, tell
from postroom.local import located

if TYPE_CHECKING:
    from gmail.vault import Vault
    from postroom.rotation import Forgotten, Survey

key_app = typer.Typer(no_args_is_help=True, help="The keys that tokens are sealed with: docs/keys.md.")


@key_app.command("rotate")
@plainly
def rotate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False, as_json: AsJson = False
) -> None:
    """Seal with the first of app.secret_keys what the others sealed. Everything may run meanwhile; safe to repeat."""
    from gmail.vault import Vault

    vault = Vault(located().keys)
    seen, done, left = in_database(lambda: _rotate(vault, dry_run))
    if seen.unreadable:
        _refuse(seen, as_json)
    facts = {"reencrypted": done, "current": seen.current, "left": left, "dry_run": dry_run}
    verb = "would be" if dry_run else "were" if done != 1 else "was"
    said = f"{counted_as(seen.old if dry_run else done, 'text')} {verb} sealed anew; {seen.current:,} had the first key already."
    tell(facts, said + ("" if left else _conclusion(vault)), as_json)
    if left and not dry_run:
        fail(
            f"{counted_as(left, 'text')} came meanwhile that another key sealed, so the old key cannot go yet: a process runs with other "
            "app.secret_keys. Start all roles again with these, then run `postroom key rotate` again."
        )


def _conclusion(vault: "Vault") -> str:
    return " The old key can go: take it out of app.secret_keys and start all roles again." if len(vault.key_ids) > 1 else ""


def _refuse(seen: "Survey", as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps({"unreadable": seen.unreadable, "missing": dict(seen.missing), "broken": seen.broken}))
    wrong, todo = [], []
    if seen.missing:
        ids = sorted(seen.missing)
        wrong += [
            f"{counted_as(seen.missing[key_id], 'text')} sealed with key {key_id}, which is not among app.secret_keys" for key_id in ids
        ]
        todo += [f"Put the missing key back, behind the new one; if it is lost for good, `postroom key forget {' '.join(ids)}`."]
    if seen.broken:
        wrong += [f"{counted_as(seen.broken, 'text')} that no key can open: changed, or never sealed"]
        todo += ["What no key can open is given up by `postroom key forget --broken`."]
    fail(f"Nothing was changed. There is {'; and '.join(wrong)}. {' '.join(todo)}")


@key_app.command("forget")
@plainly
def forget(
    key_ids: Annotated[list[str] | None, typer.Argument(help="Ids of keys that are lost, as `postroom key rotate` names them.")] = None,
    broken: Annotated[bool, typer.Option("--broken", help="Also what no key can open.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give up the tokens that a lost key sealed: their mailboxes lapse, and their people are asked to connect again."""
    from gmail.vault import Vault

    if not (key_ids or broken):
        fail("Name the ids of the keys that are lost: `postroom key rotate` tells them.")
    vault = Vault(located().keys)
    if ours := vault.key_ids & set(key_ids or ()):
        fail(f"Key {', '.join(sorted(ours))} is not lost: it is among app.secret_keys.")
    gone = in_database(lambda: _forget(key_ids or [], broken, vault))
    said = f"{counted_as(gone.texts, 'text')} given up, {counted_as(gone.lapsed, 'mailbox')} lapsed; no mail is lost."
    letters = " Letters ask their people to connect again; many at once wait for `postroom letters release`." if gone.lapsed else ""
    tell({"texts": gone.texts, "lapsed": gone.lapsed}, said + letters, as_json)


async def _rotate(vault: "Vault", dry_run: bool) -> "tuple[Survey, int, int]":
    """What was found, how many texts were sealed anew, and how many are left."""
    from gmail.vault import VaultTrouble
    from postroom.rotation import left, rotate, survey

    seen = await survey(vault)
    if seen.unreadable or dry_run:
        return seen, 0, seen.old
    try:
        return seen, await rotate(vault), await left(vault)
    except VaultTrouble:
        fail(
            "A text came meanwhile that none of app.secret_keys opens: run `postroom key rotate` again, and it tells which key is missing."
        )


async def _forget(key_ids: list[str], broken: bool, vault: "Vault") -> "Forgotten":
    from models.database import database_clock
    from models.notices import Schedule
    from postroom.rotation import forget

    sweep = located().sweep
    return await forget(key_ids, broken, vault, Schedule(sweep.letter_wait, sweep.notice_days), await database_clock())
