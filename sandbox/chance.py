"""Randomness that a seed decides: the n-th draw of a stream is always the same, whatever other streams drew meanwhile."""

import base64
import hashlib


def draw(seed: int, stream: str, turn: int) -> bytes:
    """32 bytes; `stream` is for instance a mailbox, `turn` counts the draws that it has made."""
    return hashlib.blake2b(f"{seed}\n{stream}\n{turn}".encode(), digest_size=32).digest()


def number(drawn: bytes, below: int) -> int:
    return int.from_bytes(drawn[:8], "big") % below


def token(drawn: bytes) -> str:
    return base64.urlsafe_b64encode(drawn).decode().rstrip("=")
