"""Two firms for tests that walk the route table: one with everything that a page may show, and strangers who hold its ids."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis

from models.activities import Activity
from models.client_file import read
from models.database import connection
from models.decisions import dismiss
from models.directory import Client, ClientContact
from models.emails import Attachment
from models.firms import Firm, User
from models.import_drafts import hand_in
from models.importing import import_entries
from models.mailboxes import Mailbox
from models.never_file import NeverFile, OwnDomain
from models.people import AllowedAddress
from models.privacy import make_private
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.office import seen
from tests.portal.mails import NOW, an_attachment, file_mail

MARK = "Zirkonia"  # in every word of the firm that a page could show
HTML = f"<p>Hours <b>as agreed</b>, {MARK}.</p><blockquote>Were they?</blockquote>"


@dataclass
class Premises:
    """`ids`: the firm's, by name, for addresses and forms. Sam received all its mail; Kit is a colleague, Robin the admin."""

    firm: Firm
    sam: User
    kit: User
    robin: User
    leaver: User
    strangers: tuple[User, User]  # staff and admin of another firm
    ids: dict[str, int]


async def furnished() -> Premises:
    """A firm with clients, mail that is filed, edited, asked about, dismissed, private; with rules, and somebody who left."""
    firm = await a_firm(f"{MARK} and Partners")
    sam, kit = await a_user(firm, f"sam@{MARK}.test"), await a_user(firm, f"kit@{MARK}.test")
    robin, leaver = await a_user(firm, f"robin@{MARK}.test", "admin"), await a_user(firm, f"lee@{MARK}.test")
    other = await a_firm("Another Firm")
    strangers = await a_user(other, "una@another.test"), await a_user(other, "ugo@another.test", "admin")
    await a_client(other, "Elsewhere Ltd", "pat@elsewhere.test")
    box, kits = await a_mailbox(sam, at=NOW - timedelta(days=9)), await a_mailbox(kit, at=NOW - timedelta(days=9))
    clients = [await a_client(firm, f"{MARK} {name}", f"pat@{name}.{MARK}.test") for name in ("Bakery", "Joinery", "Dairy")]
    ids = await _mails(box, sam, clients) | await _rules(firm, sam) | await _of(clients[0], box, kits) | await _imports(robin)
    return Premises(firm, sam, kit, robin, leaver, strangers, ids | {"kit": kit.id, "other_client": clients[2].id})


async def _mails(box: Mailbox, sam: User, clients: list[Client]) -> dict[str, int]:
    first, second, third = clients
    words = {"text": f"Hours as agreed, says {MARK}.", "sender": (f"Pat {MARK}", f"pat@bakery.{MARK}.test"), "html": HTML}
    attached = (an_attachment(f"{MARK}.pdf"), an_attachment(f"{MARK}.png", "image/png", 900))

    async def mail(subject: str, *places: Client, doubt: tuple[Client, ...] = (), private: bool = False, **more: Any) -> Activity:
        filed = await file_mail(box, *places, doubt=doubt, subject=f"{subject} of {MARK}", **words | more)
        if private:
            await make_private(sam, await seen(filed.email_id), filed.id, True, NOW)
        return filed

    filed = await mail("Payroll", first, attachments=attached, cc=((f"Bea {MARK}", f"bea@{MARK}.test"),))
    asked, private = await mail("Lease", doubt=(first, second)), await mail("Divorce", first, private=True, attachments=attached)
    doubted, gone = await mail("Will", doubt=(second, third), private=True), await mail("Lunch", doubt=(first, second))
    await Activity.filter(id=filed.id).update(title=f"March, for {MARK}", note=f"Ask {MARK}.", text=f"Edited for {MARK}.", edition=1)
    await dismiss(sam, await seen(gone.email_id), NOW)
    files = {owner: await Attachment.filter(email_id=owner.email_id).order_by("id").first() for owner in (filed, private)}
    return {
        "activity": filed.id,
        "mail": filed.email_id,
        "asked": asked.email_id,
        "asked_activity": asked.id,
        "private": private.id,
        "private_mail": private.email_id,
        "private_asked": doubted.email_id,
        "gone": gone.email_id,
        "gone_version": 1,
        "version": 0,
        **{name: found.id for name, found in zip(("file", "private_file"), files.values(), strict=True) if found},
    }


async def _rules(firm: Firm, sam: User) -> dict[str, int]:
    own = await NeverFile.create(firm=firm, user=sam, pattern=f"own.{MARK.lower()}.test", added_by=sam, added_at=NOW)
    firms = await NeverFile.create(firm=firm, pattern=f"all.{MARK.lower()}.test", added_by=sam, added_at=NOW)
    domain = await OwnDomain.create(firm=firm, domain=f"{MARK.lower()}.test")
    alias = f"accounts@{MARK}.test"
    allowed = await AllowedAddress.create(firm=firm, user=sam, address=alias, address_key=alias.lower())
    return {"own_listed": own.id, "listed": firms.id, "domain": domain.id, "allowed": allowed.id, "person": sam.id}


async def _imports(robin: User) -> dict[str, int]:
    """One that was done, and one that waits, with a line that is broken."""
    done = read(f"client_id,client_name,address\n8,{MARK} Mill,mill@{MARK}.test\n")
    imported = await import_entries(robin.firm_id, done.entries, NOW, robin.id)
    draft = await hand_in(robin, f"{MARK}.csv", f"client_id,client_name,address\n9,{MARK} New,new@{MARK}.test\n10,{MARK} Old,none\n", NOW)
    return {"imported": imported.entry, "draft": draft}


async def _of(client: Client, box: Mailbox, kits: Mailbox) -> dict[str, int]:
    link = await ClientContact.filter(client_id=client.id).prefetch_related("contact__addresses").first()
    assert link is not None
    return {
        "client": client.id,
        "contact": link.contact.id,
        "client_contact": link.id,
        "contact_address": link.contact.addresses[0].id,  # type: ignore[attr-defined]
        "mailbox": box.id,
        "kits_mailbox": kits.id,
        "epoch": box.epoch,
    }


async def digest(firm: Firm) -> dict[str, str]:
    """What the database holds for the firm, table by table. Rows that name no firm, directly or by a user, are all counted: no stranger has
    any, and nobody who was refused makes one."""
    async with connection() as held:
        columns = await held.fetch(
            """
            SELECT t.tablename AS name, array_agg(c.column_name::text) AS columns FROM pg_tables t
            JOIN information_schema.columns c ON c.table_schema = 'public' AND c.table_name = t.tablename
            WHERE t.schemaname = 'public' AND t.tablename <> 'tortoise_migrations' GROUP BY 1
            """
        )
        looks = " UNION ALL ".join(
            f"SELECT '{row['name']}' AS name, md5(coalesce(string_agg(t::text, ';' ORDER BY t::text), '')) AS rows "
            f'FROM "{row["name"]}" t WHERE {_of_firm(row["name"], row["columns"])}'
            for row in columns
        )
        return {row["name"]: row["rows"] for row in await held.fetch(looks, firm.id)}


def _of_firm(table: str, columns: list[str]) -> str:
    if table == "firm":
        return "id = $1"
    if "firm_id" in columns:
        return "firm_id = $1"
    return "user_id IN (SELECT id FROM app_user WHERE firm_id = $1)" if "user_id" in columns else "$1 = $1"


def jobs(valkey: redis.Redis) -> dict[str, int]:
    """What was queued, by queue."""
    return {str(key): int(str(valkey.hlen(key))) for key in valkey.keys("dramatiq:*.msgs")}
