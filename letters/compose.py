"""Compose: a letter that is owed becomes a mail, as text and as HTML, which say the same. Pure."""

import re
import textwrap
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import parseaddr

from letters.facts import Facts, facts
from letters.words import Block, Words, filled, in_one_line, plain, words
from models.address import domain_key, key_of
from models.outbox import Letter
from settings import Settings

WIDTH = 72  # of the text
# Python loses a name's quotes where it folds the header, and what stood between them becomes addresses.
NOT_IN_NAMES = re.compile(r'[()<>\[\]:;@\\,"]|=\?')


class NoAddress(ValueError):
    """Nobody can be written to there."""


def compose(letter: Letter, settings: Settings, now: datetime, *, link: str = "") -> EmailMessage:
    """The same letter has the same Message-ID at every try. `link`: the one-time link of a sign-in.

    Raises `Broken` for a template that cannot be filled in, and `NoAddress`.
    """
    told = facts(letter, settings, now, link)
    said = words(letter.kind, told, settings.mail.templates)
    sender, reader = _address(*parseaddr(settings.mail.sender)), _address(letter.name, letter.email)
    message = EmailMessage(policy=SMTP if reader.addr_spec.isascii() and sender.addr_spec.isascii() else SMTPUTF8)
    message["From"] = sender
    message["To"] = reader
    message["Subject"] = said.subject
    message["Date"] = now
    message["Message-ID"] = f"<{letter.message_id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    message.set_content(as_text(said, told), cte="quoted-printable")
    message.add_alternative(as_html(said, told, settings.mail.templates), subtype="html", cte="quoted-printable")
    return message


def as_text(said: Words, told: Facts) -> str:
    """Raises nothing."""
    parts = [in_one_line(f"Postroom for {told['firm']}"), said.subject]
    return "\n\n".join([*(textwrap.fill(part, WIDTH, break_long_words=False, break_on_hyphens=False) for part in parts),
                        *(_in_text(block, told["link"]) for block in said.blocks)]) + "\n"  # fmt: skip


def _in_text(block: Block, link: str) -> str:
    lines = [plain(line) for line in block.lines]
    if block.kind == "button":
        return f"{lines[0]}:\n{link}"
    first, then = ("- ", "  ") if block.kind == "list" else ("", "")
    return "\n".join(
        textwrap.fill(line, WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False)
        for line in lines
    )


def as_html(said: Words, told: Facts, folder: str) -> str:
    """In the look of letter.html, ours or the one in `folder`. Raises `Broken`."""
    return filled("letter.html", told | {"subject": said.subject, "blocks": said.blocks}, folder)[1]


def _address(name: str, address: str) -> Address:
    local, _, domain = address.strip().rpartition("@")
    if key_of(address) is None or not local.isprintable() or '"' in local:
        raise NoAddress
    return Address(in_one_line(NOT_IN_NAMES.sub(" ", name)), local, domain_key(domain) or domain)
