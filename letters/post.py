"""Post: a letter is handed to the mail server, which has then taken it, or has not.

    NotTaken
    ├── Refused(code)           for ever: the server says that this reader, or this letter, is not wanted
    └── Unreachable(because)    for now: the server is away, busy, or set up wrongly here; the letter is tried again

Neither carries an address or text of the server's.
"""

import asyncio
import contextlib
import re
import ssl
from email.headerregistry import Address
from email.message import EmailMessage

import aiosmtplib

from settings import Mail

LIMIT = 30.0  # seconds for all of it: the letters behind it wait
OURS_TO_MEND = re.compile(r"\s*5\.7\.\d+")  # RFC 3463: not the reader, but we are not allowed: relaying, authentication, policy


class NotTaken(Exception):
    """The base: the server has not taken the letter, or has not said so."""


class Refused(NotTaken):
    """`code`: the server's, such as 550, or a word of ours."""

    def __init__(self, code: int | str) -> None:
        super().__init__(str(code))
        self.code = str(code)


class Unreachable(NotTaken):
    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because

    @property
    def of_this_letter(self) -> bool:
        """The server is well, and wants this one later: its reader's mailbox is full, or it is greylisted. 421 is its own goodbye."""
        return self.because.startswith("answer 4") and self.because != "answer 421"


async def post(message: EmailMessage, mail: Mail, limit: float = LIMIT) -> None:
    """Returns once the server has taken the letter. Raises `Refused` or `Unreachable`, the latter after `limit` seconds at most.

    Where an answer does not come, the server may have taken it: it is sent again, with the same Message-ID.
    """
    try:
        async with asyncio.timeout(limit):
            await _post(message, mail)
    except NotTaken:
        raise
    except TimeoutError:  # aiosmtplib's own timeouts are such, too
        raise Unreachable("timeout") from None
    except aiosmtplib.SMTPNotSupported:
        raise Refused("not ascii") from None
    except aiosmtplib.SMTPRecipientsRefused as refused:
        raise _answer(refused.recipients[0]) from None
    except aiosmtplib.SMTPDataError as refused:
        raise _answer(refused) from None
    except aiosmtplib.SMTPAuthenticationError:
        raise Unreachable("login") from None
    except aiosmtplib.SMTPResponseException as refused:  # greeting, EHLO, our own address as sender: of no reader's doing
        raise Unreachable(f"answer {refused.code}") from None
    except (aiosmtplib.SMTPException, OSError) as trouble:
        raise Unreachable("tls" if _is_tls(trouble) else "connection") from None


async def _post(message: EmailMessage, mail: Mail) -> None:
    sender, reader = _only(message, "From"), _only(message, "To")
    client = aiosmtplib.SMTP(
        hostname=mail.smtp_host,
        port=mail.smtp_port,
        use_tls=mail.smtp_tls == "tls",
        start_tls=mail.smtp_tls == "starttls",  # demanded: never in the clear where it was asked for
        username=mail.smtp_user or None,
        password=mail.smtp_password or None,
        local_hostname=sender.domain,
        timeout=LIMIT,
    )
    try:
        await client.connect()
        await client.send_message(message, sender=sender.addr_spec, recipients=[reader.addr_spec])
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):  # it has been taken
            await client.quit()
    finally:
        client.close()


def _only(message: EmailMessage, header: str) -> Address:
    addresses: tuple[Address, ...] = message[header].addresses
    (address,) = addresses
    return address


def _answer(refused: aiosmtplib.SMTPResponseException) -> NotTaken:
    if 500 <= refused.code < 600 and refused.code not in (530, 535, 538) and not OURS_TO_MEND.match(refused.message):
        return Refused(refused.code)
    return Unreachable(f"answer {refused.code}")


def _is_tls(trouble: BaseException | None) -> bool:
    while trouble:
        if isinstance(trouble, ssl.SSLError) or "TLS" in str(trouble):
            return True
        trouble = trouble.__cause__ or trouble.__context__
    return False
