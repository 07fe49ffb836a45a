"""Where a link in a mail really leads, and whether its words say something else. Pure, and linear in what a sender wrote.

Read as browsers do (the URL standard, https://url.spec.whatwg.org/): `\\` is `/`, what stands before an `@` is no host, percent signs and
full-width letters in a host are decoded, other scripts have an `xn--` form.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

import idna

TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])  # characters that turn text round
UNSEEN = TURNING | dict.fromkeys([0xAD, 0x61C, *range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF])
AFTER = ".,;:!?)]}>»”’…\"'"  # what follows an address in a sentence
LONGEST_HOST = 253  # characters: RFC 1035
LONGEST_WORDS = 2000  # characters of a link's text that are looked at
FILES = frozenset("pdf doc docx xls xlsx csv ppt pptx txt zip png jpg jpeg gif eml ics xml html htm md py js odt ods rtf".split())  # noqa: SIM905

_IGNORED = re.compile(r"[\t\r\n]")
_WEB = re.compile(r"(https?):[/\\]*([^/\\?#]*)(.*)\Z", re.IGNORECASE | re.DOTALL)
_MAIL = re.compile(r"mailto:([^?]*)", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\]")
_PORT = re.compile(r":([0-9]{0,5})\Z")
_NAMED = re.compile(r"https?:[/\\]+([^\s/\\?#<>\"']+)|\b(www\.[^\s/\\?#<>\"']+)", re.IGNORECASE)
_BARE = re.compile(r"(?:[^\s@/]+@)?((?:[^\s@/.:]+\.)+([^\W\d_]{2,24}|xn--[a-z0-9-]+))(?::\d+)?(?:/\S*)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Link:
    address: str  # as it is written into the page: the host in ASCII
    leads_to: str  # the host, or for a mail whose it is
    pretends: bool = False  # the address itself is made to look like another one

    @property
    def hint(self) -> str:
        """What a click does."""
        verb = {"mail": "Writes to", "tel:": "Calls"}.get(self.address[:4].lower(), "Leads to")
        return f"{verb} {self.leads_to}"


def link_of(written: str) -> Link | None:
    """None for what leads nowhere that we know: a scheme that is not the web's, mail's or the telephone's, a host that is none."""
    bare = _IGNORED.sub("", written).strip("".join(map(chr, range(33))))
    if web := _WEB.match(bare):
        return _web(web[1].lower(), web[2], web[3])
    if mail := _MAIL.match(bare):
        readers = straight(unquote(mail[1])).strip()
        return Link(bare, readers, pretends=not readers.isascii()) if readers else None
    return Link(bare, straight(bare[4:])) if bare[:4].lower() == "tel:" and len(bare) > 4 else None


def says_another(words: str, link: Link) -> bool:
    """Whether the words look like an address that is not the one to which the link leads."""
    shown = " ".join(words.translate(UNSEEN).split())[:LONGEST_WORDS]
    if link.address[:7].lower() == "mailto:":
        return "@" in shown and " " not in shown and shown.strip("<>.,;:").lower() != link.leads_to.lower()
    hosts = [ascii_host((found[1] or found[2]).rstrip(AFTER)) for found in _NAMED.finditer(shown)] or _bare(shown)
    return link.address[:4].lower() == "http" and any(not _within(link.leads_to, host) for host in hosts)


def warning(words: str, link: Link) -> str | None:
    """What to say beside a link whose words, or whose address, say something else than what it does."""
    return f"⚠ {link.hint.lower()}" if link.pretends or says_another(words, link) else None


def straight(text: str) -> str:
    """Without the characters that turn what stands around them round."""
    return text.translate(TURNING)


def ascii_host(authority: str) -> str | None:
    """The host of `user@host:port` as the network writes it; None for what is none."""
    host = _PORT.sub("", unquote(authority.rpartition("@")[2]))
    if len(host) > LONGEST_HOST:
        return None
    try:
        plain = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    return plain.rstrip(".") or None if _HOST.fullmatch(plain) else None


def _web(scheme: str, authority: str, rest: str) -> Link | None:
    host = ascii_host(authority)
    if host is None:
        return None
    user, at, place = authority.rpartition("@")
    port = _PORT.search(place)
    address = f"{scheme}://{quote(user, safe=':%!$&()*+,;=-._~') + at}{host}{port[0] if port and port[1] else ''}"
    return Link(address + (rest if rest[:1] in "/\\?#" else f"/{rest}"), host, pretends=bool(at) or "xn--" in host)


def _bare(shown: str) -> list[str | None]:
    """`bank.example/login` alone, and no file's name."""
    alone = _BARE.match(shown.strip("<([→› " + AFTER))
    return [ascii_host(alone[1])] if alone and alone[2].lower() not in FILES else []


def _within(host: str, told: str | None) -> bool:
    """It is that host, or one below it."""
    told = (told or "?").removeprefix("www.")
    return host.removeprefix("www.") == told or host.endswith(f".{told}")
