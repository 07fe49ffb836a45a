"""The sandbox as a process of its own, for tests: started on a free port, killed, restarted, driven through its control API."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

CHECKOUT = Path(__file__).parent.parent
CLIENT_ID, CLIENT_SECRET = "sandbox-client", "sandbox-secret"
PATIENCE = 20  # seconds


class SandboxRefused(Exception):
    """The control API answered with an error: `code`, and what it said."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"{code}: {said}")
        self.code = code


class SandboxServer:
    """`SandboxServer(folder, push_endpoint, client_id=…, seed=…)`: options as of `python -m sandbox`, with underscores.

    Runs from the moment it is made. `kill` is SIGKILL; `restart` comes back on the same ports with what it remembered.
    Every method of the control API exists twice: as it is, and awaited on `.aio`.
    `smtp=True`: it takes letters at 127.0.0.1 and `smtp_port`.
    """

    def __init__(self, data_dir: Path, push_endpoint: str = "", *, smtp: bool = False, **options: Any) -> None:
        self._options = {"data": data_dir, "push_endpoint": push_endpoint, **options}
        self._process: subprocess.Popen[str] | None = None
        self._smtp, self.smtp_port = smtp, 0
        self.url = ""
        self.aio = AsyncControl(self)
        self.start("127.0.0.1:0")

    def start(self, bind: str) -> None:
        argv = [sys.executable, "-m", "sandbox", "--bind", bind]
        if self._smtp:
            argv += ["--smtp-bind", f"127.0.0.1:{self.smtp_port}"]
        for name, value in self._options.items():
            argv += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else (value,))]
        self._process = subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        ready = re.fullmatch(r"sandbox ready on (\S+?)(?:, smtp on 127\.0\.0\.1:(\d+))?\n", line)
        assert ready, f"the sandbox did not start: {line!r}"
        self.url, self.smtp_port = ready[1], int(ready[2] or 0)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Starts it again where it was; stops it before, if it still runs."""
        self.stop()
        self.start(self.url.removeprefix("http://"))

    def _end(self, how: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        self._process = None
        process.send_signal(how)
        code = process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # the control API

    def account(self, address: str, name: str = "", **more: Any) -> dict[str, Any]:
        """`aliases=[…]`. `hosted=False`: on a domain that is no Workspace's. `verified=False`: email_verified is false."""
        return self._call(*_account(address, name, more))

    def mail(self, mailbox: str, raw: bytes, labels: str = "INBOX,UNREAD", **more: Any) -> dict[str, Any]:
        """`internal_date=` milliseconds makes an old mail. → id, threadId, historyId."""
        return self._call(*_mail(mailbox, raw, labels, more))

    def delete(self, mailbox: str, id: str) -> dict[str, Any]:
        return self._call(*_delete(mailbox, id))

    def labels(self, mailbox: str, id: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> dict[str, Any]:
        return self._call(*_labels(mailbox, id, add, remove))

    def draft(self, mailbox: str, raw: bytes, draft: str | None = None) -> dict[str, Any]:
        """Saves a draft, anew or again. → draft, and id, threadId, historyId of its message."""
        return self._call(*_draft(mailbox, raw, draft))

    def send_draft(self, mailbox: str, draft: str) -> dict[str, Any]:
        return self._call(*_post(f"drafts/{urllib.parse.quote(mailbox)}/{draft}/send", {}))

    def fault(self, kind: str, **params: Any) -> dict[str, Any]:
        return self._call(*_post("faults", {"kind": kind, **params}))

    def clear_faults(self) -> dict[str, Any]:
        return self._call("DELETE", "faults", None)

    def state(self, mailbox: str | None = None) -> dict[str, Any]:
        return self._call(*_state(mailbox))

    def consent(self, mailbox: str, **more: Any) -> dict[str, Any]:
        """`scopes=[…]`: only those stay ticked. `deny=True`: Cancel. `no_refresh_token=True`: the tokens come without one."""
        return self._call(*_post("consent", {"mailbox": mailbox, **more}))

    def clock(self, advance_s: float) -> dict[str, Any]:
        return self._call(*_post("clock", {"advance_s": advance_s}))

    def revoke(self, mailbox: str) -> dict[str, Any]:
        return self._call(*_revoke(mailbox))

    def rename(self, mailbox: str, to: str) -> dict[str, Any]:
        return self._call(*_rename(mailbox, to))

    def remove(self, mailbox: str) -> dict[str, Any]:
        """The account is deleted."""
        return self._call(*_remove(mailbox))

    def letters(self, to: str = "") -> list[dict[str, Any]]:
        """What came by SMTP, newest last: number, at, to, sender, elsewhere, from, subject, text, html, headers."""
        return list(self._ask(*_letters(to)))

    def forget_letters(self) -> dict[str, Any]:
        return self._call("DELETE", "letters", None)

    def post(self, path: str, **told: Any) -> dict[str, Any]:
        """Any other control: `post("subscription", endpoint=…)`, `post("reset", seed=2)`, `post("push", mailbox=…)`."""
        return self._call(*_post(path, told))

    def _call(self, verb: str, path: str, body: bytes | None) -> dict[str, Any]:
        return dict(self._ask(verb, path, body))

    def _ask(self, verb: str, path: str, body: bytes | None) -> Any:
        request = urllib.request.Request(f"{self.url}/sandbox/{path}", data=body, method=verb, headers={"Content-Type": "message/rfc822"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                raise SandboxRefused(refused.code, refused.read().decode()) from None


class AsyncControl:
    """The same methods, awaited."""

    def __init__(self, server: SandboxServer) -> None:
        self._server = server

    async def account(self, address: str, name: str = "", **more: Any) -> dict[str, Any]:
        return await self._call(*_account(address, name, more))

    async def mail(self, mailbox: str, raw: bytes, labels: str = "INBOX,UNREAD", **more: Any) -> dict[str, Any]:
        return await self._call(*_mail(mailbox, raw, labels, more))

    async def delete(self, mailbox: str, id: str) -> dict[str, Any]:
        return await self._call(*_delete(mailbox, id))

    async def labels(self, mailbox: str, id: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> dict[str, Any]:
        return await self._call(*_labels(mailbox, id, add, remove))

    async def draft(self, mailbox: str, raw: bytes, draft: str | None = None) -> dict[str, Any]:
        """Saves a draft, anew or again. → draft, and id, threadId, historyId of its message."""
        return await self._call(*_draft(mailbox, raw, draft))

    async def send_draft(self, mailbox: str, draft: str) -> dict[str, Any]:
        return await self._call(*_post(f"drafts/{urllib.parse.quote(mailbox)}/{draft}/send", {}))

    async def fault(self, kind: str, **params: Any) -> dict[str, Any]:
        return await self._call(*_post("faults", {"kind": kind, **params}))

    async def clear_faults(self) -> dict[str, Any]:
        return await self._call("DELETE", "faults", None)

    async def state(self, mailbox: str | None = None) -> dict[str, Any]:
        return await self._call(*_state(mailbox))

    async def consent(self, mailbox: str, **more: Any) -> dict[str, Any]:
        return await self._call(*_post("consent", {"mailbox": mailbox, **more}))

    async def clock(self, advance_s: float) -> dict[str, Any]:
        return await self._call(*_post("clock", {"advance_s": advance_s}))

    async def revoke(self, mailbox: str) -> dict[str, Any]:
        return await self._call(*_revoke(mailbox))

    async def rename(self, mailbox: str, to: str) -> dict[str, Any]:
        return await self._call(*_rename(mailbox, to))

    async def remove(self, mailbox: str) -> dict[str, Any]:
        return await self._call(*_remove(mailbox))

    async def letters(self, to: str = "") -> list[dict[str, Any]]:
        return list(await self._ask(*_letters(to)))

    async def forget_letters(self) -> dict[str, Any]:
        return await self._call("DELETE", "letters", None)

    async def post(self, path: str, **told: Any) -> dict[str, Any]:
        return await self._call(*_post(path, told))

    async def _call(self, verb: str, path: str, body: bytes | None) -> dict[str, Any]:
        return dict(await self._ask(verb, path, body))

    async def _ask(self, verb: str, path: str, body: bytes | None) -> Any:
        async with aiohttp.ClientSession() as session, session.request(verb, f"{self._server.url}/sandbox/{path}", data=body) as answer:
            if answer.status != 200:
                raise SandboxRefused(answer.status, await answer.text())
            return await answer.json()


Request = tuple[str, str, bytes | None]


def _post(path: str, told: dict[str, Any]) -> Request:
    return "POST", path, json.dumps(told).encode()


def _account(address: str, name: str, more: dict[str, Any]) -> Request:
    return _post("accounts", {"address": address, "name": name, **more})


def _mail(mailbox: str, raw: bytes, labels: str, more: dict[str, Any]) -> Request:
    return "POST", f"mail?{urllib.parse.urlencode({'mailbox': mailbox, 'labels': labels, **more})}", raw


def _draft(mailbox: str, raw: bytes, draft: str | None) -> Request:
    return "POST", f"drafts?{urllib.parse.urlencode({'mailbox': mailbox, **({'draft': draft} if draft else {})})}", raw


def _rename(mailbox: str, to: str) -> Request:
    return _post("accounts/rename", {"mailbox": mailbox, "to": to})


def _remove(mailbox: str) -> Request:
    return "DELETE", f"accounts/{urllib.parse.quote(mailbox)}", None


def _letters(to: str) -> Request:
    return "GET", f"letters?{urllib.parse.urlencode({'to': to})}", None


def _delete(mailbox: str, id: str) -> Request:
    return "DELETE", f"mail/{urllib.parse.quote(mailbox)}/{id}", None


def _labels(mailbox: str, id: str, add: tuple[str, ...], remove: tuple[str, ...]) -> Request:
    return _post("labels", {"mailbox": mailbox, "id": id, "add": list(add), "remove": list(remove)})


def _state(mailbox: str | None) -> Request:
    return "GET", f"state?{urllib.parse.urlencode({'mailbox': mailbox})}" if mailbox else "state", None


def _revoke(mailbox: str) -> Request:
    return "POST", f"revoke?{urllib.parse.urlencode({'mailbox': mailbox})}", b""
