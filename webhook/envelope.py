"""What Pub/Sub delivers: bytes become what Gmail told us, or why they cannot be read. Pure (docs/google.md#push)."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import msgspec

LARGEST_HISTORY_ID = 2**64 - 1
URL_SAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class Told:
    address: str
    history_id: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    because: str  # a word for the metric


def read(body: bytes) -> Told | Unreadable:
    """Wrapped (`message.data`, Pub/Sub's default) or unwrapped (Gmail's own JSON). Whatever else comes along is passed over."""
    outer = _json(body)
    if not isinstance(outer, dict):
        return Unreadable("not json")
    if "message" not in outer:
        return _told(outer)
    message = outer["message"]
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, str):
        return Unreadable("no data")
    inner = _unbase64(data)
    if inner is None:
        return Unreadable("not base64")
    return _told(_json(inner))


def _told(payload: Any) -> Told | Unreadable:
    if not isinstance(payload, dict):
        return Unreadable("not json")
    address, history_id = payload.get("emailAddress"), _history_id(payload.get("historyId"))
    if not isinstance(address, str) or not address.strip():
        return Unreadable("no address")
    if history_id is None:
        return Unreadable("no history id")
    return Told(address, history_id)


def _history_id(value: Any) -> int | None:
    """Google documents a string and sends a number; a float would lose digits above 2^53, so it is refused."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 40:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LARGEST_HISTORY_ID:
        return None
    return value


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _unbase64(data: str) -> bytes | None:
    """Standard or URL-safe alphabet, with or without padding."""
    raw = data.encode("ascii", "replace").translate(URL_SAFE).rstrip(b"=")
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except binascii.Error:
        return None
