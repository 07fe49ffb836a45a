"""The RSA keys that sign Google's tokens: made once, kept on disk, served as X.509 certificates and as a JWK set."""

import base64
import datetime
import hashlib
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

KEY_BITS = 2048
SIGNED = (padding.PKCS1v15(), hashes.SHA256())


class Keys:
    """The newest key signs; older ones stay published, as after a rotation at Google."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._keys = [_read(path) for path in sorted(folder.glob("*.pem"))]
        if not self._keys:
            self.rotate()
        self._kid = _kid(self._keys[-1])

    def rotate(self) -> str:
        """A new key signs from now on. Returns its kid."""
        key = rsa.generate_private_key(65537, KEY_BITS)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = self._folder / f"{len(self._keys):04d}.pem"
        unfinished = path.with_suffix(".new")
        unfinished.touch(0o600)
        unfinished.write_bytes(pem)
        unfinished.rename(path)
        self._keys.append(key)
        self._kid = _kid(key)
        return self._kid

    def kid(self) -> str:
        """Of the key that signs."""
        return self._kid

    def sign(self, claims: dict[str, Any]) -> str:
        head = {"alg": "RS256", "kid": self._kid, "typ": "JWT"}
        signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (head, claims))
        return (signed + b"." + _base64url(self._keys[-1].sign(signed, *SIGNED))).decode()

    def certificates(self) -> dict[str, str]:
        return {_kid(key): _certificate(key) for key in self._keys[-2:]}

    def jwks(self) -> dict[str, Any]:
        return {"keys": [_jwk(key) for key in self._keys[-2:]]}


def _read(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path} holds no RSA key")
    return key


def _kid(key: rsa.RSAPrivateKey) -> str:
    return hashlib.sha1(_whole(key.public_key().public_numbers().n), usedforsecurity=False).hexdigest()


def _jwk(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    shown = {"n": _base64url(_whole(numbers.n)).decode(), "e": _base64url(_whole(numbers.e)).decode()}
    return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": _kid(key), **shown}


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federated-signon.system.gserviceaccount.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int(_kid(key)[:15], 16))
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2049, 1, 1, tzinfo=datetime.UTC))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _whole(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
