"""Bytes and headers of any sender become text that a page can show and PostgreSQL can store. Nothing here raises; all is linear."""

import base64
import codecs
import quopri
import re

import charset_normalizer

LONGEST_LINE = 64 * 1024  # characters of a header that are looked at
SHORT = 64  # bytes
SAMPLE = 32 * 1024  # bytes that the charset is guessed from

# What senders write, and what they mean; a superset where the superset is what they meant.
MEANT = {
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "windows-874": "cp874",
    "iso-8859-8-i": "iso-8859-8",
    "utf8mb4": "utf-8",
}
NOT_CHARSETS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ufeff]")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?")


def storable(text: str) -> str:
    """Without NUL (PostgreSQL refuses it) and lone surrogates (UTF-8 cannot say them)."""
    return _UNSTORABLE.sub("", text)


def one_line(text: str) -> str:
    """For subjects, names and file names: one line, no control characters, none that turn the text's direction."""
    return " ".join(_CONTROLS.sub(" ", storable(text)).split())


def readable(value: str) -> str:
    """A header's text with its RFC 2047 words decoded, whatever is wrong with them."""
    return one_line("".join(_decoded(value[:LONGEST_LINE])))


def _decoded(value: str) -> list[str]:
    """Neighbouring words of one charset are joined as bytes first: senders cut characters in two."""
    out: list[str] = []
    held, held_charset, at = b"", "", 0
    while (word := _WORD.search(value, at)) and (end := value.find("?=", word.end())) >= 0:
        between = value[at : word.start()]
        charset = word[1].partition("*")[0].lower()
        if between.strip() or charset != held_charset or not held:
            out += [decoded(held, held_charset), between if between.strip() else ""]
            held = b""
        held += _word_bytes(word[2], value[word.end() : end])
        held_charset, at = charset, end + 2
    return [*out, decoded(held, held_charset), value[at:]]


def _word_bytes(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    return unbase64(raw) if encoding in "bB" else quopri.decodestring(raw, header=True)


def unbase64(data: bytes) -> bytes:
    """Base64 of either alphabet; foreign characters are skipped, and a broken end is left out."""
    clean = re.sub(rb"[^A-Za-z0-9+/]", b"", data.replace(b"-", b"+").replace(b"_", b"/"))
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return base64.b64decode(clean + b"=" * (-len(clean) % 4))


def decoded(data: bytes, charset: str) -> str:
    """Text of bytes. UTF-8 comes first: it is hardly ever valid by accident, and Gmail converts bodies but not what they declare."""
    return decoding(data, charset)[0]


def decoding(data: bytes, charset: str) -> tuple[str, bool]:
    """The text, and whether the declared charset (or UTF-8) held."""
    wanted = MEANT.get(charset.strip("\"' ").lower(), charset.strip("\"' ").lower())
    wide = b"\x00" in data and wanted.startswith(("utf-16", "utf-32"))
    plain = data.isascii() and bool(wanted)  # ISO-2022-JP, UTF-7 and HZ hide in ASCII
    order = [wanted, "utf-8"] if wide or plain else ["utf-8", wanted]
    for name in order:
        text = _strictly(data, name)
        if text is not None:
            return text, True
    return _guessed(data), False


def _strictly(data: bytes, charset: str) -> str | None:
    try:
        if codecs.lookup(charset).name in NOT_CHARSETS:
            return None
        return data.decode(charset)
    except (LookupError, ValueError):  # UnicodeError is a ValueError; a NUL in the name is one too
        return None


def _guessed(data: bytes) -> str:
    """A short text tells too little: there the commonest charset is the better guess."""
    if len(data) < SHORT and (western := _strictly(data, "cp1252")) is not None:
        return western
    best = charset_normalizer.from_bytes(data[:SAMPLE]).best()
    text = _strictly(data, best.encoding) if best else None
    return text if text is not None else data.decode("utf-8", "replace")
