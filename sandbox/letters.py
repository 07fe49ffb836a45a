"""The letters that came by SMTP, kept and read."""

from typing import Any

from sandbox.refusals import Misused
from sandbox.rfc822 import readable, shape
from sandbox.state import Letter
from sandbox.world import World

KEPT = 1_000


def keep(world: World, to: str, sender: str, raw: bytes, *, elsewhere: bool) -> None:
    """The newest KEPT are remembered."""
    world.root.letters += 1
    world.store.put("root", "", world.root)
    letter = Letter(world.root.letters, to, sender, raw, world.now(), elsewhere)
    key = f"{letter.number:09d}"
    world.letters[key] = letter
    world.store.put("letter", key, letter)
    if len(world.letters) > KEPT:
        world.forget("letter", world.letters, next(iter(world.letters)))


def known(world: World, number: str) -> Letter:
    """Raises Misused where there is none of that number."""
    letter = world.letters.get(number.zfill(9))
    if letter is None:
        raise Misused(404, f"there is no letter {number}")
    return letter


def told(letter: Letter) -> dict[str, Any]:
    """As the control API shows it: `from` is what the reader sees, `sender` the envelope's; of a header that is repeated, the first."""
    shaped = shape(letter.raw)
    return {
        "number": letter.number,
        "at": letter.at,
        "to": letter.to,
        "sender": letter.sender,
        "elsewhere": letter.elsewhere,
        "from": shaped.searched("from"),
        "subject": shaped.searched("subject"),
        "text": shaped.text("text/plain"),
        "html": shaped.text("text/html"),
        "headers": {name: readable(value) for name, value in reversed(shaped.root.headers)},
    }
