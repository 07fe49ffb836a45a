"""Where candidates are named: by name, by number, by domain, and by words that only one of their names has. Pure."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from models.evidence import Known

LONGEST_TEXT = 8000  # characters of a mail's text that are looked at
SHORTEST = 3  # characters of a word that can name anybody
SHORTEST_NAME = 2  # characters of a whole name that can, in capital letters: 3M
MOST_WORDS = 12  # of a name, within which other names are looked for
JOINED = 8  # characters of a name that is known even where its words are written as one
JOTTED = 4  # words of a subject that may be written without capitals
LONGEST_PREFIX = 3  # "Fwd": what mail programs write says nothing of the writer's capitals
FAINT = 0.35  # "the harbour", where the client is called Harbour
WITHIN = 0.6  # a name that lies within another candidate's: who says Smith may mean Smith Holdings
# Legal forms, and words that stand between others: no part of a name, but for who has nothing else to be told by.
GENERIC = frozenset(
    """
    ab ag and aps as bv co corp corporation cie da das de dei del der di die du eg et ev for gbr gmbh inc incorporated kft kg kgaa la le les
    limited llc llp ltd ltda mbh nv of ohg oy oyj plc pty sa sarl sas sl spa srl the ug und van von y zoo
    """.split()  # noqa: SIM905  # one word a line would fill a page
)
# In a name they count, but none of them names anybody alone.
COMMON = frozenset(
    """
    account accounting accounts associates audit bank bookkeeping bros brothers business company consulting fils freres gesellschaft group
    gruppe holding holdings international invoice management meeting new office partner partners partnership payroll project service
    services sohn sohne solutions sons tax team trading trust verein verwaltung year
    """.split()  # noqa: SIM905
)
WORD = re.compile(r"[^\W_]+")
INTRODUCED = r"(?:#|\b(?:account|client|kunde|mandant|no|nr|number|nummer|ref|reference)\b)[\s.:#]*"


@dataclass(frozen=True, slots=True)
class Passage:
    """A text as it is compared: folded, cut into words, and which of these have a capital letter somewhere. `is_cased`: whether small
    letters mean anything, as in a sentence ("at the harbour"), and not as in a subject that is jotted down ("harbour vat")."""

    text: str
    words: frozenset[str]
    capitals: frozenset[str]
    is_cased: bool


@dataclass(frozen=True, slots=True)
class Mention:
    """`strength`: 1 for a whole name, a number, a domain; less for a part of the name. `what` goes before "is in the subject"."""

    strength: float
    what: str


@dataclass(frozen=True, slots=True)
class _Term:
    """Something to look for: `pattern` has one group. `client`: None where it is several candidates', and tells nothing."""

    written: str
    pattern: str
    client: int | None
    what: str
    strength: float = 1
    in_small_letters: float = 1  # how much of that counts where it has no capital: it may be an ordinary word

    @property
    def first(self) -> str:
        """What must stand in a text in which it is found."""
        return self.written.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Names:
    """Of all candidates together: what stands in a text is the longest name that fits, and no other within it."""

    terms: tuple[_Term, ...]
    pattern: re.Pattern[str]
    words: Mapping[int, tuple[tuple[str, str], ...]]  # that only this candidate's name has; folded, and as it is written

    def mentions(self, passage: Passage, ignoring: frozenset[str] = frozenset()) -> dict[int, Mention]:
        """Of each candidate that is named the strongest. `ignoring`: words and domains that stand there anyway."""
        found: dict[int, Mention] = {}
        for client, said in (*self._whole(passage, ignoring), *self._parts(passage, ignoring)):
            if client not in found or said.strength > found[client].strength:
                found[client] = said
        return found

    def _whole(self, passage: Passage, ignoring: frozenset[str]) -> Iterator[tuple[int, Mention]]:
        may_be = any(term.first in passage.text for term in self.terms)  # a thirtieth of the search
        for match in self.pattern.finditer(passage.text) if may_be else ():
            term = self.terms[(match.lastindex or 1) - 1]
            if term.client is not None and term.written not in ignoring:
                small = term.written not in passage.capitals and (passage.is_cased or not term.in_small_letters)
                counts = term.in_small_letters if small else 1
                yield term.client, Mention(term.strength * counts, term.what)

    def _parts(self, passage: Passage, ignoring: frozenset[str]) -> Iterator[tuple[int, Mention]]:
        for client, words in self.words.items():
            found = [(word, as_is) for word, as_is in words if word in passage.words and word not in ignoring]
            if found:
                faint = passage.is_cased and not any(word in passage.capitals or as_is.islower() for word, as_is in found)
                strength = (1 + len(found) / len(words)) / 2 * (FAINT if faint else 1)
                yield client, Mention(strength, f"“{' '.join(as_is for _, as_is in found)}”, from the client's name,")


def passage_of(text: str) -> Passage:
    text = unicodedata.normalize("NFC", text[:LONGEST_TEXT]).replace("_", " ")
    folded = {word: folded_of(word) for word in set(WORD.findall(text))}
    return Passage(
        text=folded_of(text),
        words=frozenset(folded.values()),
        capitals=frozenset(fold for word, fold in folded.items() if not word.islower()),
        is_cased=len(folded) > JOTTED or any(word.istitle() and len(word) > LONGEST_PREFIX for word in folded),
    )


def folded_of(text: str) -> str:
    """Upper and lower case, accents, and Unicode's other spellings of one letter are all the same."""
    if text.isascii():
        return text.replace("_", " ").lower()
    plain = unicodedata.normalize("NFKD", text.replace("_", " ").casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


@lru_cache(maxsize=512)  # one contact's candidates are the same in mail after mail
def names_of(known: tuple[Known, ...]) -> Names:
    """What tells these candidates from one another: what two of them share tells nothing."""
    terms = sorted((*_names(known), *_numbers(known), *_domains(known)), key=lambda term: (-len(term.written), term.written, term.what))
    words = {each.client_id: [word for word in _words(each.name) if word[0] not in GENERIC] for each in known}
    used = Counter(word for each in words.values() for word, _ in each)
    telling = {client: tuple(word for word in each if used[word[0]] == 1 and _tells(word[0])) for client, each in words.items()}
    return Names(
        tuple(terms),
        re.compile("|".join(term.pattern for term in terms)),
        {client: each for client, each in telling.items() if each},
    )


def _names(known: Iterable[Known]) -> Iterator[_Term]:
    """Each name in full, and without legal form. Whose full name it is goes before those who are also called so."""
    full, short, within = (defaultdict[str, set[int]](set) for _ in range(3))
    for each in known:
        words = [word for word, _ in _words(each.name)]
        said = [word for word in words if word not in GENERIC]
        full[" ".join(words)].add(each.client_id)
        short[" ".join(said)].add(each.client_id)
        for begin, end in combinations(range(min(len(said), MOST_WORDS) + 1), 2):
            within[" ".join(said[begin:end])].add(each.client_id)
    small = {word for each in known for word, as_is in _words(each.name) if as_is.islower()}
    for phrase, clients in {**short, **full}.items():
        if " " in phrase or _tells(phrase, SHORTEST_NAME):
            between = r"[\W_]*" if len(phrase) >= JOINED else r"[\W_]+"
            pattern = rf"{between}(?:(?:and|und|et|y)[\W_]+)?".join(map(re.escape, phrase.split()))
            strength = WITHIN if within[phrase] - clients else 1
            counts = 1 if " " in phrase or phrase in small else FAINT if _tells(phrase) else 0
            yield _Term(phrase, rf"\b({pattern})\b", _only(clients), "the client's name", strength, counts)


def _numbers(known: Iterable[Known]) -> Iterator[_Term]:
    """As a word of its own, and no part of an amount or a longer number. What may be a year or a count is a client's number only where it
    is called a number."""
    whose, written = defaultdict[str, set[int]](set), {folded_of(each.number.strip()): each.number.strip() for each in known}
    for each in known:
        whose[folded_of(each.number.strip())].add(each.client_id)
    for number, clients in whose.items():
        if number:
            vague = number.isdecimal() and (len(number) < SHORTEST or re.fullmatch(r"(19|20)\d\d", number))
            before = INTRODUCED if vague else r"(?<!\w)(?<!\d[.,/-])(?<![£$€])(?<![£$€] )"
            after = r"(?!\w|[.,/-]\d| ?[£$€%]| (?:eur|usd|gbp|chf)\b)"
            yield _Term(number, f"{before}({re.escape(number)}){after}", _only(clients), f"its number {written[number]}")


def _domains(known: Iterable[Known]) -> Iterator[_Term]:
    whose = defaultdict[str, set[int]](set)
    for each in known:
        for domain in each.domains:
            whose[domain].add(each.client_id)
    for domain, clients in whose.items():
        yield _Term(domain, rf"(?<![\w-])({re.escape(domain)})(?![\w-]|\.\w)", _only(clients), f"its domain {domain}")


def _only(clients: set[int]) -> int | None:
    return next(iter(clients)) if len(clients) == 1 else None


def _words(name: str) -> tuple[tuple[str, str], ...]:
    """Each once, folded and as written."""
    words = WORD.findall(unicodedata.normalize("NFC", name).replace("_", " "))
    return tuple({folded_of(word): word for word in words}.items())


def _tells(word: str, shortest: int = SHORTEST) -> bool:
    return len(word) >= shortest and word not in COMMON | GENERIC and not word.isdecimal()
