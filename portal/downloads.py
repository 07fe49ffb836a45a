"""The name under which a browser keeps what it downloads, whatever a sender wrote (RFC 6266). Pure."""

import re
import unicodedata
from urllib.parse import quote

from portal.links import straight

LONGEST = 100  # characters before the ending

# What separates folders on any system, and what would end a header.
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\/:*?"<>|]+')


def attached(words: str, ending: str) -> str:
    """A Content-Disposition: the words as a file name, in ASCII for old readers, in full for all others."""
    name = " ".join(_NOT_IN_NAMES.sub(" ", straight(words)).split()).strip(". ")[:LONGEST].strip(". ") or "e-mail"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = " ".join(re.sub(r"[^A-Za-z0-9 ._()-]+", " ", plain).split()).strip(". ") or "e-mail"
    return f"attachment; filename=\"{plain}{ending}\"; filename*=UTF-8''{quote(name + ending, safe='')}"
