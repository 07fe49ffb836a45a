"""What of a mail's text was written earlier, and only stands below or between its author's own words. Pure, and linear in the text.

Quoted lines are marked with `>`, or stand below "On … wrote:", "-----Original Message-----" or a block of From, Sent and To. What is
forwarded is no quotation: it is what the reader is to see.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

FEWEST = 3  # lines that are worth folding
MOST_LINES = 20_000  # lines that are looked at; what stands below them is shown as it is
LONGEST_LINE = 400  # characters of a line that are looked at
LONGEST_NAME = 80  # characters before "wrote:"
LONGEST_BLOCK = 6  # lines of a block of headers that are looked at

_WROTE = re.compile(r"\b(?:wrote|schrieb|a écrit|ha scritto|escribió|escreveu|schreef|skrev)\b", re.IGNORECASE)
_ON = re.compile(r"(?:on|am|le|il|el|op|em|den) ", re.IGNORECASE)
_SEPARATOR = re.compile(
    r"-{2,} ?(?:original message|ursprüngliche nachricht|originalnachricht|message d.origine|messaggio originale|mensaje original)"
    r" ?-{2,}\Z",
    re.IGNORECASE,
)
_AUTHOR = re.compile(r"\*?(?:from|von|de|da|van)\s?:\*? .*\S", re.IGNORECASE)
_FIELD = re.compile(r"\*?(?:sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|à|objet|inviato|a|oggetto)\s?:\*? ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    text: str
    folded: bool  # written earlier, and not needed to understand what is new

    @property
    def lines(self) -> int:
        return sum(1 for line in self.text.split("\n") if line.strip(" >\t"))


def passages(text: str) -> list[Passage]:
    """In pieces: joined with line ends they are all of it. What is nothing but quotation, or stands between answers, is open."""
    lines = text.split("\n", MOST_LINES)
    runs = _runs(_quoted(lines))
    at, out = 0, list[Passage]()
    for number, (quoted, count) in enumerate(runs):
        passage = Passage("\n".join(lines[at : at + count]), folded=False)
        folds = quoted and passage.lines >= FEWEST and foldable([kind for kind, _ in runs], number)
        out.append(Passage(passage.text, folds))
        at += count
    return out if any(_says(passage) for passage in out if not passage.folded) else [Passage(text, folded=False)]


def foldable(kinds: Sequence[bool], number: int) -> bool:
    """Of the author's own pieces (False) and the quoted ones (True), in order: where answers stand between, what they answer stays open."""
    between = sum(kinds) > 1
    return not between or not any(not quoted for quoted in kinds[number + 1 :])


def is_attribution(line: str, below: str = ">") -> bool:
    """`On Tuesday, 3 March, Pat wrote:`; and `Pat wrote:`, where what stands below it is marked as quoted."""
    bare = line.strip()
    wrote = _WROTE.search(bare) if bare.endswith(":") and len(bare) < LONGEST_LINE else None
    if wrote is None:
        return False
    dated = _ON.match(bare) is not None and any(sign.isdigit() for sign in bare)
    return dated or "@" in bare[: wrote.start()] or (below.lstrip().startswith(">") and len(bare) < LONGEST_NAME)


def opens_quotation(words: str) -> bool:
    """A block of From, Sent and To, as Outlook sets it above what is answered."""
    return bool(_AUTHOR.match(words.lstrip()[:LONGEST_LINE]))


def _says(passage: Passage) -> bool:
    """Something that is not itself the front of a quotation."""
    return any(line.strip() and not line.lstrip().startswith(">") and not is_attribution(line) for line in passage.text.split("\n"))


def _quoted(lines: Sequence[str]) -> list[bool]:
    """Line by line. Empty lines go with what is before them, and to the author where nothing is."""
    out, at = list[bool](), 0
    while at < len(lines):
        front = _front(lines, at)
        below = _next_words(lines, at + front) if front else at
        if front and below < len(lines) and not lines[below].lstrip().startswith(">"):
            return [*out, *[True] * (len(lines) - at)]
        goes_on = bool(out) and out[-1] and not lines[at].strip()
        marked = lines[at].lstrip().startswith(">") or goes_on or at < below < len(lines)
        count = max(front, 1) if marked else 1
        out += [marked] * count
        at += count
    return _with_blanks(lines, out)


def _front(lines: Sequence[str], at: int) -> int:
    """How many lines here say that a quotation follows."""
    bare, below = lines[at].strip()[:LONGEST_LINE], next(iter(lines[at + 1 : at + 2]), "")
    if is_attribution(bare, below or next(iter(lines[at + 2 : at + 3]), "")):
        return 1
    if _ON.match(bare) and is_attribution(f"{bare} {below.strip()}"):
        return 2
    if _SEPARATOR.match(bare):
        return 1 + _block(lines, _next_words(lines, at + 1)) if lines[at + 1 :] else 0
    return _block(lines, at)


def _block(lines: Sequence[str], at: int) -> int:
    """The lines of a block of headers that begins here; 0 for none."""
    if not _AUTHOR.match(lines[at].strip()[:LONGEST_LINE] if at < len(lines) else ""):
        return 0
    fields = [bool(_FIELD.match(line.strip()[:LONGEST_LINE])) for line in lines[at + 1 : at + LONGEST_BLOCK]]
    return 1 + max(here for here, field in enumerate(fields, 1) if field) if sum(fields) > 1 else 0


def _next_words(lines: Sequence[str], at: int) -> int:
    return next((here for here in range(at, len(lines)) if lines[here].strip()), len(lines))


def _with_blanks(lines: Sequence[str], quoted: list[bool]) -> list[bool]:
    """Empty lines at the end of a quotation go to the author's words that follow."""
    for at in reversed(range(len(lines) - 1)):
        if not lines[at].strip():
            quoted[at] = quoted[at] and quoted[at + 1]
    return quoted


def _runs(quoted: Sequence[bool]) -> list[tuple[bool, int]]:
    return [(kind, len(list(run))) for kind, run in groupby(quoted)]
