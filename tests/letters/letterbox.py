"""A mail server that takes letters, or does not: on loopback, in a thread of its own, so that a test which waits never keeps it waiting."""

import asyncio
import email
import ssl
import threading
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTPUTF8
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from settings import Mail


@dataclass(frozen=True, slots=True)
class Taken:
    """A letter as it came: what the envelope said, and its bytes."""

    sender: str
    readers: tuple[str, ...]
    raw: bytes
    over_tls: bool
    login: str  # user:password, "" for none

    @property
    def message(self) -> EmailMessage:
        headers, _, body = self.raw.decode().replace("\r\n", "\n").partition("\n\n")
        unfolded = headers.replace(":\n ", ": ")  # Python may fold right after the colon, and would read a blank there
        return email.message_from_string(f"{unfolded}\n\n{body}", policy=SMTPUTF8)


class Letterbox:
    """Listens from the moment it is made until `close`. `taken` and `letters` grow in the order in which letters come.

    `refuse(451)` answers that to every reader (or at="data", at="mail") until `refuse(None)`; `stay_silent` answers nothing any more.
    """

    def __init__(self, *, utf8: bool = True, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None) -> None:
        self.taken: list[Taken] = []
        self._answer: tuple[str, str] | None = None
        self._silent = threading.Event()
        self._loop = asyncio.new_event_loop()

        def a_session() -> SMTP:
            return SMTP(
                self,
                enable_SMTPUTF8=utf8,
                tls_context=starttls,
                loop=self._loop,
                hostname="letterbox.test",
                authenticator=self._authenticated,
                auth_require_tls=False,
            )

        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._run(self._loop.create_server(a_session, "127.0.0.1", 0, ssl=tls))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def letters(self) -> list[EmailMessage]:
        return [taken.message for taken in self.taken]

    def refuse(self, code: int | None, words: str = "not now", at: str = "rcpt") -> None:
        self._answer = None if code is None else (at, f"{code} {words}")

    def stay_silent(self) -> None:
        self._silent.set()

    def close(self) -> None:
        async def ended() -> None:
            self._server.close()
            here = asyncio.current_task()
            for task in (others := [task for task in asyncio.all_tasks() if task is not here]):
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.01)  # transports close in the loop's next rounds

        if self._loop.is_closed():
            return
        self._run(ended())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    # What aiosmtpd calls:

    async def handle_MAIL(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if answer := await self._said("mail"):
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802
        if answer := await self._said("rcpt"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if answer := await self._said("data"):
            return answer
        assert isinstance(envelope.original_content, bytes)
        login = b":".join((session.auth_data.login, session.auth_data.password)).decode() if session.auth_data else ""
        over_tls = server.transport is not None and server.transport.get_extra_info("ssl_object") is not None
        self.taken.append(Taken(envelope.mail_from or "", tuple(envelope.rcpt_tos), envelope.original_content, over_tls, login))
        return "250 OK"

    async def _said(self, at: str) -> str | None:
        while self._silent.is_set():
            await asyncio.sleep(0.01)
        return self._answer[1] if self._answer and self._answer[0] == at else None

    def _authenticated(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"right", handled=False, auth_data=data)


def mail_settings(mail: Mail, port: int, **changes: object) -> Mail:
    """Settings that lead to a letterbox."""
    return mail.model_copy(update={"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_tls": "none", **changes})
