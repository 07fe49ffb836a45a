"""A letter as a person's mail program shows it."""

from email.message import EmailMessage

from bs4 import BeautifulSoup


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def shown(html: str) -> str:
    """What stands on the page, in one line; a link is followed by where it leads, as in the text."""
    page = BeautifulSoup(html, "html.parser")
    for link in page.find_all("a"):
        link.append(f": {link['href']}")
    for item in page.find_all("li"):
        item.insert(0, "- ")
    assert page.body is not None
    return in_one_line(page.body.get_text())


def in_one_line(text: str) -> str:
    return " ".join(text.split())
