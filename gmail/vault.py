"""Tokens at rest: sealed with the first of the deployment's keys, opened with any of them.

VaultTrouble
├── WrongKey(key_id)    none of the configured keys sealed this: give the old key back, behind the new one
└── Tampered            this was not sealed by a vault, or was changed since
"""

import base64
import hashlib
import re
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT = "k1"
KEY_ID = re.compile(r"[0-9a-f]{8}")  # a hash, which may be told to anybody


class VaultTrouble(Exception):
    """A sealed text that cannot be opened. Never carries it, nor a key."""


class WrongKey(VaultTrouble):
    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"sealed with key {key_id}, which is not among app.secret_keys: put the old key back, behind the new one, "
            "then run `postroom key rotate`"
        )
        self.key_id = key_id


class Tampered(VaultTrouble):
    """Not what a vault has written."""


class Vault:
    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` are long random secrets (32 characters or more): the first seals, all of them open."""
        if not keys or not all(keys):
            raise ValueError("a vault needs a key")
        self._boxes = {_key_id(secret): Fernet(_derived(secret)) for secret in reversed(keys)}
        self.current = _key_id(keys[0])

    def seal(self, text: str) -> str:
        """`k1:<key id>:<ciphertext>`, another one each time."""
        return f"{self.mark}{self._boxes[self.current].encrypt(text.encode()).decode()}"

    def open(self, sealed: str) -> str:
        """Raises `WrongKey` or `Tampered`; never hands back what was not sealed."""
        form, _, rest = sealed.partition(":")
        key_id, _, ciphertext = rest.partition(":")
        if form != FORMAT or not ciphertext or not KEY_ID.fullmatch(key_id):
            raise Tampered("not a sealed text")
        if key_id not in self._boxes:
            raise WrongKey(key_id)
        try:
            return self._boxes[key_id].decrypt(ciphertext.encode()).decode()
        except (InvalidToken, ValueError):
            raise Tampered("a sealed text was changed") from None

    @property
    def key_ids(self) -> frozenset[str]:
        """The keys that this vault opens with."""
        return frozenset(self._boxes)

    @property
    def mark(self) -> str:
        """What every text begins with that the first key sealed."""
        return f"{FORMAT}:{self.current}:"

    def is_current(self, sealed: str) -> bool:
        """Whether the first key sealed it; otherwise open it and seal it again."""
        return sealed.startswith(self.mark)


def _derived(secret: str) -> bytes:
    return base64.urlsafe_b64encode(HKDF(hashes.SHA256(), 32, salt=None, info=b"postroom tokens at rest").derive(secret.encode()))


def _key_id(secret: str) -> str:
    return hashlib.sha256(b"postroom key id" + _derived(secret)).hexdigest()[:8]
