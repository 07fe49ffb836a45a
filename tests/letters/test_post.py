"""Post: over SMTP to a real receiver. What the server says decides whether a letter is tried again."""

import asyncio
import datetime
import ipaddress
import ssl
import time
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from letters.compose import compose
from letters.post import Refused, Unreachable, post
from letters.samples import LAPSE, NOW
from settings import Settings
from tests.letters.letterbox import Letterbox, mail_settings

HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress")


@pytest.fixture
def letter(settings: Settings):
    return compose(LAPSE, settings, NOW)


async def test_a_letter_arrives_as_it_was_composed(letter, posted: Settings, letterbox: Letterbox) -> None:
    await post(letter, posted.mail)
    (taken,) = letterbox.taken
    assert (taken.sender, taken.readers) == ("postroom@sample.test", ("sam@sample.test",))
    assert {name: taken.message[name] for name in HEADERS} == {name: letter[name] for name in HEADERS}
    assert [part.get_content() for part in taken.message.iter_parts()] == [part.get_content() for part in letter.iter_parts()]
    assert taken.raw.isascii()
    assert max(map(len, taken.raw.split(b"\r\n"))) <= 998  # RFC 5322, 2.1.1


@pytest.mark.parametrize(
    ("code", "words", "at"),
    [
        (550, "5.1.1 nobody@secret.test is not here", "rcpt"),
        (553, "no", "rcpt"),
        (554, "secret.test says no", "data"),
        (552, "5.3.4 too big", "data"),
    ],
)
async def test_what_the_server_never_wants_is_refused_for_good(letter, posted, letterbox, code, words, at) -> None:
    """Scenario 98."""
    letterbox.refuse(code, words, at)
    with pytest.raises(Refused, match=f"^{code}$"):
        await post(letter, posted.mail)
    assert letterbox.taken == []


@pytest.mark.parametrize(
    ("code", "words", "at"),
    [
        (451, "secret.test is busy", "rcpt"),
        (450, "4.2.0 greylisted", "rcpt"),
        (452, "full", "data"),
        (421, "going down", "mail"),
        (550, "5.7.1 relaying denied", "rcpt"),
        (530, "5.7.0 authentication required", "rcpt"),
        (530, "authentication required", "rcpt"),
        (554, "5.7.1 the sender's domain is not signed", "data"),
        (550, "5.1.8 the sender's domain is unknown", "mail"),
    ],
)
async def test_what_passes_or_is_the_operators_to_mend_is_tried_again(letter, posted, letterbox, code, words, at) -> None:
    """Scenario 98."""
    letterbox.refuse(code, words, at)
    with pytest.raises(Unreachable, match=f"^answer {code}$"):
        await post(letter, posted.mail)
    letterbox.refuse(None)
    await post(letter, posted.mail)
    assert len(letterbox.taken) == 1


async def test_a_server_that_is_away_is_unreachable(letter, posted, letterbox) -> None:
    """Scenario 98."""
    letterbox.close()
    with pytest.raises(Unreachable, match=r"^connection$"):
        await post(letter, posted.mail)


async def test_a_server_that_never_answers_is_waited_for_no_longer_than_said(letter, posted, letterbox) -> None:
    """Scenario 98."""
    letterbox.stay_silent()
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"^timeout$"):
        await post(letter, posted.mail, limit=0.1)
    assert time.monotonic() - began < 2


async def test_whoever_stops_the_sender_stops_it(letter, posted, letterbox) -> None:
    letterbox.stay_silent()
    sending = asyncio.create_task(post(letter, posted.mail))
    await asyncio.sleep(0.05)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_a_user_signs_in_with_the_password(letter, posted, letterbox) -> None:
    await post(letter, posted.mail.model_copy(update={"smtp_user": "postroom", "smtp_password": "right"}))
    assert [taken.login for taken in letterbox.taken] == ["postroom:right"]


async def test_a_wrong_password_is_the_operators_to_mend(letter, posted, letterbox) -> None:
    with pytest.raises(Unreachable, match=r"^login$"):
        await post(letter, posted.mail.model_copy(update={"smtp_user": "postroom", "smtp_password": "wrong"}))
    assert letterbox.taken == []


# Addresses that are not ASCII


async def test_an_address_that_is_not_ascii_is_written_to_where_the_server_knows_how(settings, posted, letterbox) -> None:
    letter = compose(replace(LAPSE, email="zoë@bücher.example"), settings, NOW)
    await post(letter, posted.mail)
    (taken,) = letterbox.taken
    assert taken.readers == ("zoë@xn--bcher-kva.example",)
    assert taken.message["To"].addresses[0].username == "zoë"


async def test_elsewhere_it_is_refused(settings) -> None:
    old = Letterbox(utf8=False)
    letter = compose(replace(LAPSE, email="zoë@bücher.example"), settings, NOW)
    with pytest.raises(Refused, match=r"^not ascii$"):
        await post(letter, mail_settings(settings.mail, old.port))
    old.close()


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    """One for 127.0.0.1, which nobody has signed; and its key."""
    key, folder = ec.generate_private_key(ec.SECP256R1()), tmp_path_factory.mktemp("tls")
    name, began = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "letterbox.test")]), datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(began - datetime.timedelta(hours=1))
        .not_valid_after(began + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(pem), str(secret)


@pytest.fixture
def context(certificate) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certificate)
    return made


@pytest.mark.parametrize("kind", ["tls", "starttls"])
async def test_over_tls_to_a_server_whose_certificate_holds(letter, settings, certificate, context, kind, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])  # where a system's own certificates are kept
    box = Letterbox(**{kind: context})
    await post(letter, mail_settings(settings.mail, box.port, smtp_tls=kind))
    assert [taken.over_tls for taken in box.taken] == [True]
    box.close()


@pytest.mark.parametrize("kind", ["tls", "starttls"])
async def test_a_certificate_that_nobody_signed_gets_no_letter(letter, settings, context, kind) -> None:
    box = Letterbox(**{kind: context})
    with pytest.raises(Unreachable, match=r"^tls$"):
        await post(letter, mail_settings(settings.mail, box.port, smtp_tls=kind))
    assert box.taken == []
    box.close()


async def test_where_tls_is_wanted_and_not_offered_nothing_goes_in_the_clear(letter, posted, letterbox) -> None:
    with pytest.raises(Unreachable, match=r"^tls$"):
        await post(letter, posted.mail.model_copy(update={"smtp_tls": "starttls", "smtp_user": "postroom", "smtp_password": "right"}))
    assert letterbox.taken == []
