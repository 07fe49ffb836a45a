"""Pictures that came with a mail and stand in its HTML (`cid:`), read from where files are kept. They are written into the page itself:
its frame has no origin, and asks us for nothing."""

import base64
import re
from collections.abc import Iterable
from typing import Protocol
from urllib.parse import unquote

from models.emails import Attachment

LARGEST = 2_000_000  # bytes of one picture
LARGEST_TOGETHER = 8_000_000  # bytes of all pictures of a mail
LONGEST_MAGIC = 12  # bytes
_NAMED = re.compile(r"cid:([^\s\"'<>]{1,500})", re.IGNORECASE)
MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF87a": "gif", b"GIF89a": "gif"}


class Files(Protocol):
    """Where attachments are kept."""

    async def read(self, stored_as: str, limit: int) -> bytes | None:
        """None for what is not there, or longer than `limit` bytes."""


async def inline_pictures(files: Files | None, attachments: Iterable[Attachment], source: str) -> dict[str, str]:
    """By their content id, as data: addresses. What is no picture by its own first bytes, or too large, is left out."""
    found, left = dict[str, str](), LARGEST_TOGETHER
    named = {unquote(name) for name in _NAMED.findall(source)}
    for kept in attachments:
        if files is None or kept.content_id not in named - found.keys() or not kept.stored_as or kept.size > min(LARGEST, left):
            continue
        data = await files.read(kept.stored_as, min(LARGEST, left))
        if data and kept.content_id and (kind := kind_of(data)):
            left -= len(data)
            found[kept.content_id] = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return found


def kind_of(data: bytes) -> str | None:
    """What the bytes are, whatever the mail calls them. None for all that browsers do more with than paint: SVG above all."""
    head = data[:LONGEST_MAGIC]
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)
