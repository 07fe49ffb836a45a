"""What was decided about a mail, in words: who, when, and what was before. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from models.activities import SHOWN
from models.audit_log import POSTROOM, Act, Placed
from models.emails import Email
from portal.rendering import listed


@dataclass(frozen=True, slots=True)
class Line:
    """`words`: names in them are escaped, and kept from turning what stands around them."""

    at: datetime
    words: Markup


def lines(acts: Sequence[Act], beginning: Line) -> list[Line]:
    """In their order, and how it began last. Under which client something was edited is said where it was under several."""
    several = len({act.under for act in acts if act.edited}) > 1
    return [*(Line(act.at, Markup("{} {}").format(_isolated(act.who or POSTROOM), _did(act, several))) for act in acts), beginning]


def beginning(email: Email) -> Line:
    """What was done when the e-mail came; `email` with its question."""
    review = email.review
    if review is None:
        return Line(email.filed_at, Markup("Postroom filed it"))
    followed = review.outcome == "inherited" and review.decided_at == review.asked_at
    return Line(review.asked_at, Markup("Postroom filed it with its thread" if followed else "Postroom asked whose it is"))  # noqa: S704


def _did(act: Act, several: bool) -> Markup:
    if act.edited:
        fields = listed([f"the {field}" for field in act.edited])
        return (
            Markup("edited {}, under {}").format(fields, _isolated(act.under.client))
            if several and act.under
            else Markup("edited {}").format(fields)
        )
    was, now, asked = _in(act.before, SHOWN), _in(act.after, SHOWN), _named(_in(act.after, ("review",)))
    left = _named({client: name for client, name in was.items() if client not in now})
    come = _named({client: name for client, name in now.items() if client not in was})
    return _said(act, left, come, _named(now), asked)


def _said(act: Act, left: Markup, come: Markup, now: Markup, asked: Markup) -> Markup:
    """`left`, `come`: the clients under which it is no more, or newly; `now`: of those whose place has changed, all; `asked`: the guess."""
    match act.act:
        case "approved":
            return Markup("agreed that it is {}’s").format(now) if now else Markup("agreed with where it is filed")
        case "reassigned" if left and come:
            return Markup("filed it under {}, and not under {} as guessed").format(come, left)
        case "moved" if left and come:
            return Markup("moved it from {} to {}").format(left, come)
        case "reassigned" | "moved" if left:
            return Markup("took it away from {}, as it is filed under another client").format(left)
        case "added":
            return Markup("filed it under {}, too").format(come) if come else Markup("agreed that it is {}’s").format(now)
        case "inherited":
            return Markup("followed the thread, and filed it under {}").format(now) if now else Markup("followed the thread")
        case "dismissed" if act.nobodys:
            return Markup("said that it is not a client’s mail")
        case "dismissed":
            guess = Markup("; the guess is {} now").format(asked) if asked else Markup()
            return Markup("said that it is not {}’s").format(left) + guess
        case "undone":
            return _taken_back(now, asked)
        case "handed over" if act.holder:
            return Markup("handed the question to {}").format(_isolated(act.holder))
        case "archived" | "merged" | "removed":
            return _directory(act.act, left, come)
    return OTHERS[act.act] if act.act in OTHERS else Markup("filed it under {}").format(now) if now else escape(act.act)


OTHERS = {
    "private": Markup("made it private"),
    "shared": Markup("shared it with everybody again"),
    "handed over": Markup("handed the question over"),
    "taken back": Markup("gave the question back to who received the mail"),
}


def _taken_back(now: Markup, asked: Markup) -> Markup:
    if asked:
        return Markup("took that back: it waits for an answer again, and the guess is {}").format(asked)
    return Markup("took that back: it is under {} again").format(now) if now else Markup("took that back")


def _directory(act: str, left: Markup, come: Markup) -> Markup:
    """What became of it when a client went."""
    because = {"archived": "a client was archived", "merged": "two clients were merged", "removed": "a client was removed"}[act]
    if come:
        return Markup("put it under {}, as {}").format(come, because)
    return Markup("took it away from {}, as {}").format(left, because) if left else Markup("saw that {}").format(because)


def _in(places: Sequence[Placed], statuses: Sequence[str]) -> dict[int, str]:
    return {place.client_id: place.client for place in places if place.status in statuses}


def _named(clients: Mapping[int, str]) -> Markup:
    return Markup(" and ").join(_isolated(name) for name in clients.values())


def _isolated(name: str) -> Markup:
    return Markup("<bdi>{}</bdi>").format(name)
