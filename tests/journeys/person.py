"""Somebody of a firm, signed in: what they read on the pages."""

from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag

from postroom.newcomer import Newcomer
from tests.postroom.waiting import eventually


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a list of mails."""

    activity: int
    subject: str
    marks: tuple[str, ...]  # "for review", "Received by Robin and Sam"; files are counted elsewhere


@dataclass(frozen=True, slots=True)
class Message:
    """The page of one mail: the facts by their words ("From", "Received by", "Filed here"), and all its text in one line."""

    facts: dict[str, str]
    text: str


class Person:
    """`address` signs in; `account` is how Google spells the address of their mailbox."""

    def __init__(self, address: str, account: str, browser: Newcomer) -> None:
        self.address, self.account, self.browser = address, account, browser

    async def page(self, path: str) -> BeautifulSoup:
        """Raises `Lost` where there is none for this person."""
        return BeautifulSoup(await self.browser.page(path), "html.parser")

    async def mails_of(self, client: str) -> list[Listed]:
        """The client's activities, newest first."""
        found = (await self.page(f"/clients?q={client}")).select('main a[href$="/activities"]')
        addresses = [str(link["href"]) for link in found if _words(link.select_one(".line")) == client]
        assert len(addresses) == 1, f"{client} is there {len(addresses)} times"
        return [_listed(row) for row in (await self.page(addresses[0])).select("main .mail-row")]

    async def subjects_of(self, client: str) -> list[str]:
        return [mail.subject for mail in await self.mails_of(client)]

    async def finds(self, client: str, subject: str, marks: tuple[str, ...] = ()) -> int:
        """The one activity with this subject and these marks on the client's page, once it is there."""

        async def found() -> list[int]:
            return [mail.activity for mail in await self.mails_of(client) if (mail.subject, mail.marks) == (subject, marks)]

        activities = await eventually(found, f"{client} has the mail {subject!r}, marked {marks}")
        assert (await self.subjects_of(client)).count(subject) == 1
        return activities[0]

    async def message(self, activity: int) -> Message:
        main = (await self.page(f"/activities/{activity}")).select_one("main")
        assert main is not None
        names = [_words(term) for term in main.select("dl.people dt")]
        return Message(dict(zip(names, [_words(fact) for fact in main.select("dl.people dd")], strict=True)), _words(main))


@dataclass(frozen=True, slots=True)
class Colleagues:
    """The people of the firm in which most stories happen."""

    sam: Person  # admin
    robin: Person
    kit: Person


def _listed(row: Tag) -> Listed:
    link = row.select_one('a[href^="/activities/"]')
    assert link is not None
    marks = [words for mark in row.select(".tag") if not (words := _words(mark)).endswith((" file", " files"))]
    marks += [words for told in row.select(".beneath span") if (words := _words(told))]
    return Listed(int(str(link["href"]).rpartition("/")[2]), _words(link.select_one(".strong")), tuple(marks))


def _words(tag: Tag | None) -> str:
    assert tag is not None
    return " ".join(tag.get_text(" ").split())
