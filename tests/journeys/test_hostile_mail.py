"""Mail as nobody should write it: it is filed as far as it can be read, and the next mail does not wait for it."""

import pytest

from tests.builders import a_mail
from tests.journeys.house import House
from tests.journeys.person import Colleagues

CLIENT = "Oddly Encoded"


def raw(subject: str, rest: str | bytes, date: str = "Mon, 02 Mar 2026 09:30:00 +0000") -> bytes:
    """A mail from the client's contact: `rest` is whatever follows these headers."""
    head = f"From: Gil Oddly <gil@oddly.example>\r\nTo: sam@sample.test\r\nSubject: {subject}\r\nDate: {date}\r\n".encode()
    return head + (rest if isinstance(rest, bytes) else rest.encode()).replace(b"\n", b"\r\n")


def nested(depth: int) -> bytes:
    inner = b"Content-Type: text/plain\n\nat the bottom"
    for _ in range(depth):
        inner = b"Content-Type: message/rfc822\n\n" + inner
    return inner


HOSTILE: dict[str, str | bytes] = {
    "NUL bytes": b"Content-Type: text/plain\n\nbefore\0after\0\0",
    "A charset that is none": "Content-Type: text/plain; charset=no-such-charset\n\nwords",
    "Bytes that are not UTF-8": b"Cc: \xff\xfe <a@b.example>\nContent-Type: text/plain; charset=utf-8\n\n\xff\xfe",
    "A name that is none": "Cc: =?utf-8?b?//8=?= <a@b.example>, =?utf-8?q? <c@d.example>\n\nwords",
    "Base64 that is none": "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!! not base64 ~~~ ===",
    "Quoted-printable cut short": "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nhalf a char=C3=\n=",
    "A boundary that is missing": "Content-Type: multipart/mixed\n\n--no\n\nboundary\n--no--",
    "A boundary that never ends": 'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nopen',
    "Mails within mails": nested(60),
    "Nothing at all": "\n\n",
    "Text only in HTML": "Content-Type: text/html\n\n<p>shown</p><script>alert(1)</script><img src=x onerror=alert(1)>",
    "A header of a hundred thousand characters": "X-Long: " + "x" * 100_000 + "\nContent-Type: text/plain\n\nshort",
    "A file name that climbs": 'Content-Type: application/pdf; name="../../etc/passwd\0.pdf"\nContent-Disposition: attachment\n\n%PDF',
    "Four hundred recipients": "Cc: " + ",\n ".join(f"guest{n}@party.example" for n in range(400)) + "\nContent-Type: text/plain\n\nhi",
}
DATES: dict[str, str] = {"A date that is none": "yesterday, about noon", "A date in the year 9999": "Fri, 31 Dec 9999 23:59:59 +0000"}


@pytest.fixture(scope="module")
async def odd(house: House, firm: Colleagues) -> list[str]:
    """The subjects of all hostile mails, which were delivered; behind them comes a mail like any other."""
    house.told |= HOSTILE.keys() | DATES.keys() | {"before\0after", "at the bottom", "boundary\r\n", "alert(1)"}
    for subject, rest in HOSTILE.items():
        await house.deliver(firm.sam, raw(subject, rest))
    for subject, date in DATES.items():
        await house.deliver(firm.sam, raw(subject, "\nwords", date))
    await house.deliver(firm.sam, a_mail("gil@oddly.example", "sam@sample.test", "Sorry about all those"))
    return [*HOSTILE, *DATES]


async def test_the_next_mail_is_filed(house: House, firm: Colleagues, odd: list[str]) -> None:
    page = await firm.sam.message(await firm.sam.finds(CLIENT, "Sorry about all those"))
    assert "Please find the figures below." in page.text


async def test_the_hostile_mails_are_filed_and_their_pages_are_there(house: House, firm: Colleagues, odd: list[str]) -> None:
    for subject in odd:
        page = await firm.sam.message(await firm.sam.finds(CLIENT, subject))
        assert page.facts["From"] == "Gil Oddly <gil@oddly.example> Google says nothing about who sent this."
