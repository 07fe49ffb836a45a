"""One account's mail: what is in it, its history, and every way it changes."""

import re
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile

from sandbox.chance import draw, number
from sandbox.clock import DAY
from sandbox.rfc822 import Shaped
from sandbox.state import SYSTEM_LABELS, Account, Change, Message

HISTORY_KEPT = 7 * DAY  # "typically valid for at least a week"
WIDEST_GAP = 60  # history ids of one mailbox rise by 1 to this much
IN_THREAD = re.compile(r"<[^<>\s]+>")
REPLY = re.compile(r"(?i)^\s*((re|fwd?|aw|wg)\s*(\[\d+\])?\s*:\s*)+")

Notice = Callable[["Mailbox", list[str]], None]
Lateness = Callable[["Mailbox"], int]
Keep = Callable[[str, str, object], None]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail on its way in; `order` tells apart mails of one millisecond."""

    raw: bytes
    shaped: Shaped
    order: int


class Mailbox:
    """`keep` writes a record down, `changed` is told of every change with the labels it touches, `late` says by how many ms
    a change comes late into the listed history."""

    def __init__(self, account: Account, seed: int, keep: Keep, changed: Notice, late: Lateness) -> None:
        self.account = account
        self.messages: dict[str, Message] = {}
        self.changes: list[Change] = []
        self.in_order: list[tuple[int, int, str]] = []
        self.threads_by_message_id: dict[str, list[Message]] = {}
        self._seed, self._keep, self._changed, self._late = seed, keep, changed, late

    # what it remembers

    def restore(self, messages: Iterable[Message], changes: Iterable[Change]) -> None:
        for message in messages:
            self._index(message)
        self.changes = sorted(changes, key=lambda change: change.turn)

    def since(self, history_id: int) -> list[Change]:
        """Every change after that one, oldest first."""
        return self.changes[bisect_right(self.changes, history_id, key=lambda change: change.history_id) :]

    def newest_first(self) -> list[Message]:
        return [self.messages[id] for _, _, id in reversed(self.in_order)]

    def label_id(self, name: str) -> str:
        """The id of a label, made if it is new."""
        if name in SYSTEM_LABELS or name in self.account.user_labels:
            return name
        known = next((id for id, given in self.account.user_labels.items() if given == name), None)
        if known is None:
            known = f"Label_{len(self.account.user_labels) + 1}"
            self.account.user_labels[known] = name
            self._keep_account()
        return known

    def expires_before(self, now: int) -> int:
        """Starts below this history id answer 404."""
        old = 0
        for _ in takewhile(lambda change: change.made_at < now - HISTORY_KEPT, self.changes):
            old += 1
        for change in self.changes[:old]:
            self._keep("change", self._place(change), None)
        if old:
            self.account.floor = max(self.account.floor, self.changes[old - 1].history_id)
            del self.changes[:old]
            self._keep_account()
        return self.account.floor

    # how it changes

    def deliver(self, mail: Mail, labels: list[str], now: int, *, internal_date: int | None = None, thread_id: str = "") -> Message:
        """`internal_date`: of an old mail. `thread_id`: where it is put, as a draft's successor is; otherwise References decide."""
        history_id = self._next_history_id()
        id = self._new_id()
        shaped, root = mail.shaped, mail.shaped.root
        message = Message(
            id=id,
            thread_id=thread_id,
            labels=[self.label_id(label) for label in dict.fromkeys(labels)],
            internal_date=now if internal_date is None else internal_date,
            history_id=history_id,
            size=len(mail.raw),
            snippet=shaped.snippet,
            message_id=root.header("message-id").strip(),
            sender=shaped.searched("from").lower(),
            to=shaped.searched("to").lower(),
            cc=shaped.searched("cc").lower(),
            bcc=shaped.searched("bcc").lower(),
            subject=shaped.searched("subject"),
            has_attachment=shaped.has_attachment,
            arrived_at=now,
            order=mail.order,
        )
        referred = IN_THREAD.findall(root.header("references") + root.header("in-reply-to"))
        message.thread_id = thread_id or self._thread(message, referred) or id
        self._keep("raw", f"{self.account.sub}/{id}", mail.raw)
        self._index(message)
        self._record("messagesAdded", [message], [], now, history_id)
        return message

    def relabel(self, ids: list[str], add: list[str], remove: list[str], now: int) -> None:
        """Changes that change nothing leave no trace. Several messages changed at once share one history id."""
        messages = [self.messages[id] for id in ids]
        for kind, given in (("labelsAdded", add), ("labelsRemoved", remove)):
            labels = [self.label_id(label) for label in given]
            touched = [m for m in messages if any((label in m.labels) != (kind == "labelsAdded") for label in labels)]
            if not touched:
                continue
            for message in touched:
                rest = [label for label in message.labels if label not in labels]
                message.labels = rest + labels if kind == "labelsAdded" else rest
            self._record(kind, touched, labels, now, self._next_history_id())

    def delete(self, id: str, now: int, history_id: int | None = None) -> None:
        """Gone for good."""
        message = self.messages.pop(id)
        self.account.drafts = {draft: held for draft, held in self.account.drafts.items() if held != id}
        self.in_order.remove((message.internal_date, message.order, id))
        same = self.threads_by_message_id.get(message.message_id, [])
        if message in same:
            same.remove(message)
        place = f"{self.account.sub}/{id}"
        self._record("messagesDeleted", [message], [], now, history_id or self._next_history_id())
        self._keep("message", place, None)
        self._keep("raw", place, None)

    def save_draft(self, draft_id: str | None, mail: Mail, now: int) -> tuple[str, Message]:
        """A draft keeps its own id; its message is replaced by a new one at each save."""
        draft_id = draft_id or f"r{number(self._draw(), 10**18)}"
        replaced = self.messages.get(self.account.drafts.get(draft_id, ""))
        message = self.deliver(mail, ["DRAFT"], now, thread_id=replaced.thread_id if replaced else "")
        if replaced:
            self.delete(replaced.id, now, message.history_id)
        self.account.drafts[draft_id] = message.id
        self._keep_account()
        return draft_id, message

    def schedule_draft(self, draft_id: str, now: int) -> Message:
        """It waits to be sent: `send_draft` once its time has come."""
        draft = self.messages[self.account.drafts[draft_id]]
        self.relabel([draft.id], ["SCHEDULED"], ["DRAFT"], now)
        return draft

    def send_draft(self, draft_id: str, mail: Mail, now: int, *, same_id: bool = False) -> Message:
        """As a new message; or, with `same_id`, as the draft's own, which keeps its bytes and its internalDate."""
        draft = self.messages[self.account.drafts.pop(draft_id)]
        if same_id:
            self.relabel([draft.id], ["SENT"], [label for label in ("DRAFT", "SCHEDULED") if label in draft.labels], now)
            return draft
        self.delete(draft.id, now)
        return self.deliver(mail, ["SENT"], now, thread_id=draft.thread_id)

    def forget_history(self) -> None:
        """Every start known so far is expired from now on."""
        self.account.floor = self._next_history_id()
        for change in self.changes:
            self._keep("change", self._place(change), None)
        self.changes.clear()
        self._keep_account()

    # how it writes that down

    def _record(self, kind: str, messages: list[Message], labels: list[str], now: int, history_id: int) -> None:
        for message in messages:
            message.history_id = history_id
            self.account.records += 1
            told = None if kind == "messagesAdded" and number(self._draw(), 8) == 0 else list(message.labels)  # "commonly present"
            change = Change(
                self.account.records, history_id, kind, message.id, message.thread_id, told, labels, now, visible_at=now + self._late(self)
            )
            self.changes.append(change)
            self._keep("change", self._place(change), change)
            self._keep("message", f"{self.account.sub}/{message.id}", message)
        self._keep_account()
        self._changed(self, [label for message in messages for label in message.labels] + labels)

    def _place(self, change: Change) -> str:
        return f"{self.account.sub}/{change.turn:012d}"

    def _keep_account(self) -> None:
        self._keep("account", self.account.sub, self.account)

    def _index(self, message: Message) -> None:
        self.messages[message.id] = message
        insort(self.in_order, (message.internal_date, message.order, message.id))
        if message.message_id:
            self.threads_by_message_id.setdefault(message.message_id, []).append(message)

    def _thread(self, message: Message, referred: list[str]) -> str | None:
        """Gmail joins a thread when the mail refers to one of its mails and has the same subject."""
        wanted = subject_of_thread(message.subject)
        for message_id in reversed(referred):
            for earlier in self.threads_by_message_id.get(message_id, []):
                if subject_of_thread(earlier.subject) == wanted:
                    return earlier.thread_id
        return None

    def _next_history_id(self) -> int:
        self.account.head += 1 + number(self._draw(), WIDEST_GAP)
        return self.account.head

    def _new_id(self) -> str:
        while True:
            id = f"19{number(self._draw(), 1 << 56):014x}"
            if id not in self.messages:
                return id

    def _draw(self) -> bytes:
        self.account.draws += 1
        return draw(self._seed, self.account.sub, self.account.draws)


def subject_of_thread(subject: str) -> str:
    return REPLY.sub("", subject).strip().lower()
