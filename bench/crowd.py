"""A firm of any size, written straight into the database: people and mailboxes, clients and contacts, mails and questions.

The shape is a busy firm's: half of all mails are one client's, a thread has three, every fifth mail has a file, every question two
candidates. Made with SQL's own series, so that 100,000 mails take seconds; the words are few and plainly made up: `rare` stands in one mail
of ten thousand, `figures` in every second.
"""

from dataclasses import dataclass

from models.database import Connection

PEOPLE = """
    INSERT INTO app_user (firm_id, email, email_key, name, role, active, created_at)
    SELECT $1::bigint, 'p' || n || '@firm' || $1::bigint || '.test', 'p' || n || '@firm' || $1::bigint || '.test', 'Person ' || n,
    CASE WHEN n = 1 THEN 'admin' ELSE 'staff' END, true, now() FROM generate_series(1, $2::int) n
"""
MAILBOXES = """
    INSERT INTO mailbox (firm_id, user_id, google_sub, address, address_key, state, epoch, cursor, history_at, started_at,
    connected_at, stopped_at, watch_due_at, audit_at)
    SELECT $1::bigint, id, 'sub-' || id, email, email_key, 'paused', 1, 1, now(), now() - interval '9 years', now(), now(),
    now() + interval '1 day', now() + interval '1 day' FROM app_user WHERE firm_id = $1::bigint
"""
CLIENTS = """
    INSERT INTO client (firm_id, external_id, name, number, created_at)
    SELECT $1::bigint, n::text, 'Client ' || n || ' Ltd', 'C' || n, now() FROM generate_series(1, $2::int) n
"""
CONTACTS = """
    WITH person AS (INSERT INTO contact (firm_id, name) SELECT firm_id, 'Contact of ' || name FROM client WHERE firm_id = $1::bigint
    RETURNING id, name), theirs AS (INSERT INTO client_contact (client_id, contact_id, nominated)
    SELECT c.id, p.id, false FROM person p JOIN client c ON c.firm_id = $1::bigint AND p.name = 'Contact of ' || c.name)
    INSERT INTO contact_address (firm_id, contact_id, address, address_key)
    SELECT $1::bigint, id, 'c' || id || '@client.example', 'c' || id || '@client.example' FROM person
"""
MAILS = """
    INSERT INTO email (firm_id, identity, message_id, thread_root, outgoing, subject, text, headers, sent_at, filed_at, names)
    SELECT $1::bigint, 'mail-' || n, '<' || n || '@client.example>', '<' || n / 3 || '@client.example>', n % 4 = 0,
    'Matter ' || n / 3 || CASE WHEN n % 10000 = 7 THEN ' rare' ELSE '' END,
    repeat('Hours and invoices as agreed for ' || n || '. ', 25) || CASE WHEN n % 2 = 0 THEN 'figures' ELSE 'papers' END,
    '[["Subject", "Matter"]]', now() - n * interval '13 minutes', now() - n * interval '13 minutes',
    'Contact ' || n % 97 || ' c' || n % 97 || '@client.example' FROM generate_series(1, $2::int) n
"""
PARTS = (
    """
    INSERT INTO participant (email_id, header, position, name, address, key)
    SELECT id, h, 0, CASE h WHEN 'from' THEN 'Contact ' || id % 97 ELSE '' END, 'c' || id % 97 || '@client.example',
    'c' || id % 97 || '@client.example' FROM email, unnest(ARRAY['from', 'to']) h WHERE firm_id = $1::bigint
    """,
    """
    INSERT INTO receipt (email_id, mailbox_id, gmail_id, gmail_thread_id, received_at)
    SELECT e.id, m.id, 'g' || e.id, 't' || e.id / 3, e.sent_at FROM email e
    JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS of FROM mailbox WHERE firm_id = $1::bigint) m
    ON m.place = e.id % m.of WHERE e.firm_id = $1::bigint
    """,
    """
    INSERT INTO attachment (email_id, part_id, filename, mime_type, size)
    SELECT id, '1', 'papers-' || id || '.pdf', 'application/pdf', 120000 FROM email WHERE firm_id = $1::bigint AND id % 5 = 0
    """,
)
ACTIVITIES = """
    WITH own AS (SELECT array_agg(id ORDER BY id) AS ids FROM client WHERE firm_id = $1::bigint),
    placed AS (SELECT e.id, e.sent_at, e.filed_at, row_number() OVER (ORDER BY e.sent_at DESC) AS place FROM email e
    WHERE firm_id = $1::bigint),
    question AS (INSERT INTO review (firm_id, email_id, candidates, asked_at)
    SELECT $1::bigint, p.id, jsonb_build_array(
    jsonb_build_object('client', own.ids[2], 'reasons', jsonb_build_array('The subject names it')),
    jsonb_build_object('client', own.ids[3], 'reasons', '[]'::jsonb)), p.filed_at FROM placed p, own WHERE p.place <= $2::int)
    INSERT INTO activity (firm_id, email_id, client_id, status, how, reason, sent_at, filed_at)
    SELECT $1::bigint, p.id, CASE WHEN p.place <= $2::int THEN own.ids[2] WHEN p.id % 2 = 0 THEN own.ids[1]
    ELSE own.ids[1 + p.id / 6 % cardinality(own.ids)] END, CASE WHEN p.place <= $2::int THEN 'review' ELSE 'filed' END,
    CASE WHEN p.place <= $2::int THEN 'guess' ELSE 'certain' END, 'c@client.example is a contact of this client', p.sent_at, p.filed_at
    FROM placed p, own
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many of each."""

    people: int
    clients: int
    mails: int
    questions: int


async def fill(held: Connection, firm_id: int, crowd: Crowd) -> None:
    """Into a firm that is there and has no mail yet. `held`: without a time limit."""
    await held.execute(PEOPLE, firm_id, crowd.people)
    await held.execute(MAILBOXES, firm_id)
    await held.execute(CLIENTS, firm_id, crowd.clients)
    await held.execute(CONTACTS, firm_id)
    await held.execute(MAILS, firm_id, crowd.mails)
    for part in PARTS:
        await held.execute(part, firm_id)
    await held.execute(ACTIVITIES, firm_id, crowd.questions)
    await held.execute("ANALYZE")
