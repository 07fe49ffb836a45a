"""E-mail addresses as keys: two spellings of one address give one key. Pure."""

import re
import unicodedata

import idna

LONGEST = 320  # 64 for the local part, @, 255 for the domain: RFC 5321, 4.5.3.1
GOOGLE_MAIL = frozenset({"gmail.com", "googlemail.com"})
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


def _unquoted(local: str) -> str:
    """`"pat"@example.com` is pat@example.com; quotes around what needs them make an address that we do not know."""
    return local[1:-1] if len(local) > 2 and local[0] == local[-1] == '"' else local
