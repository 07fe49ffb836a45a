"""E-mail addresses as keys: two spellings of one address give one key. Pure."""

import re
import unicodedata
from collections.abc import Collection

import idna

LONGEST = 320  # 64 for the local part, @, 255 for the domain: RFC 5321, 4.5.3.1
GOOGLE_MAIL = frozenset({"gmail.com", "googlemail.com"})
# Domains at which anybody may have an address: the big providers', and those that hand one out with a line. Never a firm or a client.
FREE_MAIL = GOOGLE_MAIL | frozenset(
    """
    126.com 163.com aim.com aol.co.uk aol.com aol.de aol.fr att.net bellsouth.net bigpond.com bigpond.net.au bk.ru bluewin.ch bol.com.br
    btinternet.com charter.net comcast.net cox.net daum.net earthlink.net email.com fastmail.com fastmail.fm foxmail.com free.fr freenet.de
    gmx.at gmx.ch gmx.co.uk gmx.com gmx.de gmx.fr gmx.net gmx.us hanmail.net hetnet.nl hey.com home.nl hotmail.be hotmail.ca hotmail.ch
    hotmail.co.uk hotmail.com hotmail.com.au hotmail.com.br hotmail.de hotmail.es hotmail.fr hotmail.it hotmail.nl hotmail.se icloud.com
    inbox.ru interia.pl kpnmail.nl laposte.net libero.it list.ru live.be live.ca live.co.uk live.com live.com.au live.de live.fr live.it
    live.nl mac.com mail.com mail.de mail.ru mailbox.org me.com msn.com naver.com ntlworld.com o2.pl onet.pl optusnet.com.au orange.fr
    outlook.at outlook.be outlook.co.uk outlook.com outlook.com.au outlook.com.br outlook.de outlook.es outlook.fr outlook.in outlook.it
    planet.nl pm.me posteo.de posteo.net proton.me protonmail.ch protonmail.com qq.com rediffmail.com rocketmail.com rogers.com
    sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com sympatico.ca t-online.de talktalk.net telus.net terra.com.br tiscali.it tuta.com
    tuta.io tutanota.com tutanota.de uol.com.br verizon.net virgilio.it virginmedia.com wanadoo.fr web.de wp.pl xs4all.nl ya.ru yahoo.at
    yahoo.be yahoo.ca yahoo.ch yahoo.co.id yahoo.co.in yahoo.co.jp yahoo.co.nz yahoo.co.uk yahoo.co.za yahoo.com yahoo.com.ar yahoo.com.au
    yahoo.com.br yahoo.com.hk yahoo.com.mx yahoo.com.sg yahoo.com.tr yahoo.com.tw yahoo.de yahoo.dk yahoo.es yahoo.fr yahoo.gr yahoo.ie
    yahoo.in yahoo.it yahoo.nl yahoo.no yahoo.pl yahoo.ro yahoo.se yandex.com yandex.ru ymail.com ziggo.nl zoho.com zohomail.com
    """.split()  # noqa: SIM905  # one name a line would fill three pages
)
FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f<>(),;:\\\"\[\]]")


def key_of(address: str) -> str | None:
    """The key of an address as it was written: case folded, domain in its ASCII form, Google's own dots left out.

    None for what is no address. `Pat.Example@GoogleMail.com` and `patexample@gmail.com` have one key, and so have `x@bücher.example`
    and `x@xn--bcher-kva.example`. A plus-tag is kept: see `untagged`.
    """
    local, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    local = _unquoted(local)
    if not at or not local or len(address) > LONGEST or FORBIDDEN.search(local):
        return None
    ascii_domain = domain_key(domain)
    if ascii_domain is None:
        return None
    local = local.casefold()
    if ascii_domain in GOOGLE_MAIL:
        before, plus, tag = local.partition("+")
        local, ascii_domain = before.replace(".", "") + plus + tag, "gmail.com"
    return f"{local}@{ascii_domain}" if local else None


def untagged(key: str) -> str:
    """The key without its plus-tag: `pat+tax@example.com` gives `pat@example.com`; a key without one is returned as it is."""
    local, _, domain = key.rpartition("@")
    before = local.partition("+")[0]
    return f"{before}@{domain}" if before else key


def domain_key(domain: str) -> str | None:
    """A domain in lower-case ASCII, international ones in their `xn--` form. None for what is no domain."""
    domain = domain.strip().rstrip(".")
    if not domain or FORBIDDEN.search(domain) or ".." in domain or domain.startswith("."):
        return None
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None


def is_among(key: str, patterns: Collection[str]) -> bool:
    """Whether an address key is listed: itself, without its plus-tag, or by its domain. `patterns` are address keys and domain keys; a
    domain stands for what is at it, not for what is below it."""
    return key in patterns or untagged(key) in patterns or key.rpartition("@")[2] in patterns


def _unquoted(local: str) -> str:
    """`"pat"@example.com` is pat@example.com; quotes around what needs them make an address that we do not know."""
    return local[1:-1] if len(local) > 2 and local[0] == local[-1] == '"' else local
