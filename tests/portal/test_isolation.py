"""The route table, walked by everybody: whose page is whose, with the ids of one firm in the hands of all others.

A new page needs a line in `RULES`, or these tests name it.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import aiohttp
import pytest
import redis

from models.people import leave
from portal.access import Page, Who
from portal.app import PAGES, create
from tests.portal.browser import Browser
from tests.portal.browser import Page as Shown
from tests.portal.premises import MARK, Premises, digest, furnished, jobs
from tests.portal.site import Site


@dataclass(frozen=True)
class Rule:
    """`at`: path parameters by name; `form`: fields, and for GET the query. Both name ids of `Premises` in braces: `"{client}"`.

    What is answered: `sam` to who received the mail and holds the mailbox, `robin` to the firm's admin (0: as to Sam), `stranger` to people
    of another firm who name this firm's ids (0: 404 where the address holds one, else as to Sam). `private`: what `at` says for a mail
    that is private to Sam, and 404 to Robin and Kit.
    """

    sam: int = 0  # 0: 200 to GET, 303 to POST
    robin: int = 0
    stranger: int = 0
    at: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    private: dict[str, str] = field(default_factory=dict)


def of(name: str, private: str = "", sam: int = 0, robin: int = 0) -> Rule:
    """A page at `{id}`."""
    return Rule(sam, robin, at={"id": f"{{{name}}}"}, private={"id": f"{{{private}}}"} if private else {})


def sends(base: Rule, **form: str) -> Rule:
    """The same address, with these fields."""
    return Rule(base.sam, base.robin, base.stranger, base.at, form, base.private)


CLIENT, PERSON, ACTIVITY = of("client"), of("person"), of("activity", "private")
CONTACT = Rule(at={"id": "{client}", "contact": "{contact}", "address": "{contact_address}"})
MAIL, ASKED = of("mail", "private_mail"), of("asked", "private_asked")
SEEN = {"version": "{version}", "back": "everyone"}
GONE = SEEN | {"version": "{gone_version}"}

RULES: dict[str, Rule] = {
    "GET /sign-in": Rule(),
    "POST /sign-in/google": Rule(),
    "POST /sign-in/link": Rule(200, form={"address": "nobody@nowhere.test"}),
    "GET /sign-in/link": Rule(303),
    "GET /sign-in/{token}": Rule(410, stranger=410, at={"token": "unknown"}),
    "POST /sign-in/{token}": Rule(410, stranger=410, at={"token": "unknown"}),
    "GET /oauth/callback": Rule(400, form={"state": "unknown", "code": "unknown"}),
    "POST /sign-out": Rule(),
    "POST /sign-out/everywhere": Rule(),
    "GET /": Rule(form={"queue": "everyone", "said": "{asked}"}),
    "GET /questions/new": Rule(form={"after": "0", "queue": "everyone"}),
    "GET /mail": Rule(form={"q": "bakery"}),
    "GET /clients": Rule(form={"q": "bakery"}),
    "GET /clients/{id:int}/activities": CLIENT,
    "GET /activities/{id:int}": ACTIVITY,
    "GET /activities/{id:int}/html": ACTIVITY,
    "GET /clients/new": Rule(),
    "POST /clients/new": Rule(form={"name": "Quay Ltd", "external_id": "77"}),
    "GET /clients/import": Rule(),
    "POST /clients/import": Rule(form={"pasted": "client_id,client_name\n9,Quay Ltd\n"}),
    "GET /clients/import/template.csv": Rule(),
    "GET /clients/import/preview": Rule(stranger=303),
    "GET /clients/import/lines-to-mend.csv": Rule(stranger=404),
    "POST /clients/import/discarding": Rule(form={"draft": "{draft}"}),
    "POST /clients/imports": Rule(stranger=409, form={"draft": "{draft}"}),
    "GET /clients/imports/{entry:int}": Rule(at={"entry": "{imported}"}),
    "GET /clients/{id:int}": CLIENT,
    "POST /clients/{id:int}": sends(CLIENT, name="Renamed", number="", seen_name=f"{MARK} Bakery", seen_number=""),
    "POST /clients/{id:int}/archive": CLIENT,
    "POST /clients/{id:int}/restoration": CLIENT,
    "GET /clients/{id:int}/merge": sends(CLIENT, into="{other_client}"),
    "POST /clients/{id:int}/merge": sends(CLIENT, into="{other_client}"),
    "GET /clients/{id:int}/removal": CLIENT,
    "POST /clients/{id:int}/removal": sends(CLIENT, sure="yes"),
    "POST /clients/{id:int}/contacts": sends(CLIENT, name="Lee", addresses="lee@quay.test"),
    "POST /clients/{id:int}/contacts/{contact:int}/addresses": sends(CONTACT, address="more@quay.test"),
    "POST /clients/{id:int}/contacts/{contact:int}/addresses/{address:int}/removal": CONTACT,
    "POST /clients/{id:int}/contacts/{contact:int}/nomination": sends(CONTACT, nominated="yes"),
    "POST /clients/{id:int}/contacts/{contact:int}/removal": CONTACT,
    "GET /activities/{id:int}/edit": ACTIVITY,
    "POST /activities/{id:int}/edit": sends(ACTIVITY, edition="1", title="New", note="New", text="New"),
    "GET /activities/{id:int}/original": ACTIVITY,
    "GET /activities/{id:int}/original.eml": of("activity", "private", sam=303),
    "GET /activities/{id:int}/reconstructed.eml": ACTIVITY,
    "GET /mails/{id:int}/clients": MAIL,
    "GET /mails/{id:int}/hand-over": ASKED,
    "POST /mails/{id:int}/decision": sends(ASKED, act="file", client="{client}", **SEEN),
    "POST /mails/{id:int}/undo": sends(of("gone", "private_mail"), **GONE),
    "POST /mails/{id:int}/thread": sends(of("gone", "private_mail"), **GONE),
    "POST /mails/{id:int}/hand-over": sends(ASKED, to="{kit}", **SEEN),
    "POST /mails/{id:int}/privacy": sends(of("mail", "private_mail", robin=409), private="yes", client="{client}", **SEEN),
    "POST /mails/{id:int}/never-file": sends(of("gone", "private_mail"), whom="me", back="everyone"),
    "POST /mails/decisions": Rule(form={"act": "dismiss", "mail": "{asked}:{version}", "back": "everyone"}),
    "GET /why": Rule(robin=404, stranger=404, form={"mailbox": "{mailbox}", "message": "1a"}),
    "GET /why/progress": Rule(robin=404, stranger=404, form={"mailbox": "{mailbox}", "message": "1a"}),
    "GET /why/clients": Rule(robin=404, stranger=404, form={"mailbox": "{mailbox}", "message": "1a"}),
    "POST /why/filing": Rule(409, robin=404, stranger=404, form={"mailbox": "{mailbox}", "message": "1a", "client": "{client}"}),
    "POST /why/look": Rule(robin=404, stranger=404, form={"mailbox": "{mailbox}", "message": "1a"}),
    "GET /settings/email-sync": Rule(),
    "GET /settings/email-sync/progress": Rule(),
    "POST /settings/email-sync/connection": Rule(form={"address": f"sam@{MARK}.test"}),
    "POST /settings/email-sync/disconnection": Rule(robin=404, stranger=404, form={"mailbox": "{mailbox}", "epoch": "{epoch}"}),
    "POST /settings/email-sync/pause": Rule(robin=404, stranger=404, form={"mailbox": "{mailbox}"}),
    "POST /settings/email-sync/resumption": Rule(robin=404, stranger=404, form={"mailbox": "{mailbox}"}),
    "POST /settings/email-sync/test-push": Rule(robin=404, stranger=404, form={"mailbox": "{mailbox}"}),
    "POST /settings/email-sync/backfill": Rule(robin=404, stranger=404, form={"mailbox": "{mailbox}", "days": "7"}),
    "POST /settings/email-sync/never-file": Rule(form={"pattern": "news.example"}),
    "POST /settings/email-sync/never-file/{listed:int}/removal": Rule(robin=404, at={"listed": "{own_listed}"}),
    "GET /settings/account": Rule(),
    "POST /settings/account/zone": Rule(form={"zone": "Europe/Berlin"}),
    "GET /settings/integrations": Rule(),
    "POST /settings/integrations": Rule(form={"provider": "none"}),
    "POST /settings/integrations/invitations": Rule(200, form={"people": f"una@another.test\nsam@{MARK.lower()}.test"}),
    "POST /settings/integrations/invitations/never-connected": Rule(200),
    "POST /settings/integrations/never-file": Rule(form={"pattern": "news.example"}),
    "POST /settings/integrations/never-file/{listed:int}/removal": Rule(at={"listed": "{listed}"}),
    "POST /settings/integrations/own-domains": Rule(form={"domain": "ours.example"}),
    "POST /settings/integrations/own-domains/{domain:int}/removal": Rule(at={"domain": "{domain}"}),
    "POST /settings/integrations/past-mail": Rule(form={"past_days": "30"}),
    "POST /settings/integrations/sent-mail": Rule(form={"sent": "all"}),
    "GET /settings/people/{id:int}": PERSON,
    "POST /settings/people/{id:int}": sends(PERSON, name="Sam", role="staff", email="sam@other.test"),
    "POST /settings/people/{id:int}/disconnection": sends(PERSON, mailbox="{mailbox}", epoch="{epoch}"),
    "POST /settings/people/{id:int}/allowed-addresses": sends(PERSON, address="more@other.test"),
    "POST /settings/people/{id:int}/allowed-addresses/{allowed:int}/removal": Rule(at={"id": "{person}", "allowed": "{allowed}"}),
    "POST /settings/people/{id:int}/invitation": PERSON,
    "POST /settings/people/{id:int}/sign-out": PERSON,
    "POST /settings/people/{id:int}/leaving": PERSON,
    "POST /settings/people/{id:int}/return": PERSON,
}
NAMES = [f"{page.method} {page.path}" for page in PAGES]
KNOWN = [page for page in PAGES if f"{page.method} {page.path}" in RULES]
OTHERS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}  # under /sign-in/ anything may be a token
CLOSED = [page for page in KNOWN if page.who is not Who.ANYONE]
POSTS = [page for page in CLOSED if page.method == "POST"]


def named(page: Page) -> str:
    return f"{page.method} {page.path}"


def rule_of(page: Page) -> Rule:
    return RULES[named(page)]


def done(page: Page) -> int:
    return rule_of(page).sam or (200 if page.method == "GET" else 303)


@dataclass
class Caller:
    """Somebody with these premises' ids. `proof`: of their own session, as their own pages hold it."""

    browser: Browser
    proof: str
    premises: Premises

    async def asks(self, page: Page, *, private: bool = False, proof: str | None = None, headers: dict[str, str] | None = None) -> Shown:
        rule, ids = rule_of(page), self.premises.ids
        at = {name: said.format(**ids) for name, said in (rule.private if private else rule.at).items()}
        form = {name: said.format(**ids) for name, said in rule.form.items()}
        address = re.sub(r"{(\w+)(:\w+)?}", lambda found: quote(at[found[1]]), page.path)
        if page.method == "GET":
            return safe(await self.browser.get(address + (f"?{urlencode(form)}" if form else "")))
        sent = form | ({} if proof == "" else {"form_proof": self.proof if proof is None else proof})
        return safe(await self.browser.post(address, sent, headers))


def safe(answer: Shown) -> Shown:
    """Whatever is answered, to whomever."""
    said = answer.headers
    assert said["Cache-Control"] == "no-store"
    assert said["X-Content-Type-Options"] == "nosniff"
    assert said["Referrer-Policy"] in ("no-referrer", "same-origin")
    assert said["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = said["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.replace("style-src 'unsafe-inline'", "") or "sandbox" in policy
    assert said["X-Frame-Options"] == ("SAMEORIGIN" if "frame-ancestors 'self'" in policy else "DENY")
    return answer


async def caller(site: Site, premises: Premises, who: str) -> Caller:
    """`nobody`, `left`, `stranger`, `admin stranger`, or one of the firm by name."""
    people = {"left": premises.leaver, "stranger": premises.strangers[0], "admin stranger": premises.strangers[1]}
    if who == "nobody":
        return Caller(site.browser(), "x" * 64, premises)
    user = people.get(who) or getattr(premises, who)
    browser = await site.signed_in(user)
    proof = str((await browser.get("/settings/account")).form("Sign out").find("input")["value"])  # type: ignore[index]
    if who == "left":
        await leave(user, site.clock.now)
    return Caller(browser, proof, premises)


def unechoed(page: Page, answer: Shown) -> str:
    """The page but for what was sent to it: who writes somebody's address is shown what they wrote."""
    body = answer.body.lower()
    for sent in (line.lower() for said in rule_of(page).form.values() for line in said.splitlines()):
        body = body.replace(sent, "")
    return body


@pytest.fixture
async def premises(site: Site) -> Premises:
    return await furnished()


class Unmoved:
    """Nothing of the firm changes while it is asked, and no job is queued."""

    def __init__(self, premises: Premises, valkey: redis.Redis) -> None:
        self.premises, self.valkey = premises, valkey

    async def begin(self) -> "Unmoved":
        self.before, self.queued = await digest(self.premises.firm), jobs(self.valkey)
        return self

    async def check(self, who: str) -> None:
        after = await digest(self.premises.firm)
        assert {name for name in after if after[name] != self.before[name]} == set(), f"changed by {who}"
        assert jobs(self.valkey) == self.queued, f"{who} queued a job"


def test_every_page_has_a_rule_and_every_rule_a_page() -> None:
    """Scenario 75."""
    assert [name for name in NAMES if name not in RULES] == [], "new routes without a rule: add a line to RULES"
    assert [name for name in RULES if name not in NAMES] == [], "rules without a route"
    assert len(set(NAMES)) == len(NAMES), "two pages at one address"


def test_nothing_else_is_mounted_with_the_pages(site: Site) -> None:
    beside = [getattr(route, "path", "?") for route in create(site.portal).routes[len(PAGES) :]]
    assert beside == ["/static"], "served beside the pages: who may see it?"


@pytest.mark.parametrize("page", CLOSED, ids=named)
async def test_whoever_may_not_is_refused_and_changes_nothing(site: Site, premises: Premises, valkey: redis.Redis, page: Page) -> None:
    """Scenario 75. Nobody, who left, staff on an admin's page; staff and admin of another firm, with this firm's ids everywhere."""
    has_ids = "{" in page.path
    for who in ("nobody", "left", "kit", "stranger", "admin stranger"):
        if who == "kit" and page.who is not Who.ADMIN:
            continue
        someone = await caller(site, premises, who)
        unmoved = await Unmoved(premises, valkey).begin()
        answer = await someone.asks(page)
        if who in ("nobody", "left"):
            assert (answer.status, answer.target.partition("?")[0]) == (303, "/sign-in"), who
        elif page.who is Who.ADMIN and who != "admin stranger":
            assert answer.status == 403, who
        else:
            assert answer.status == (rule_of(page).stranger or (404 if has_ids else done(page))), f"{who}: {answer.text}"
        assert who == "kit" or MARK.lower() not in unechoed(page, answer), f"{who} reads of the firm"
        await unmoved.check(who)


@pytest.mark.parametrize("page", CLOSED, ids=named)
@pytest.mark.parametrize("who", ["sam", "robin"])
async def test_whoever_may_is_served(site: Site, premises: Premises, page: Page, who: str) -> None:
    """Or the refusals would prove nothing."""
    if who == "sam" and page.who is Who.ADMIN:
        who = "robin"
    answer = await (await caller(site, premises, who)).asks(page)
    assert answer.status == ((who == "robin" and rule_of(page).robin) or done(page)), f"{answer.text} → {answer.target}"


@pytest.mark.parametrize("page", [page for page in CLOSED if rule_of(page).private], ids=named)
async def test_a_private_mail_is_not_there_for_colleagues(site: Site, premises: Premises, valkey: redis.Redis, page: Page) -> None:
    """Scenario 75. Not for the admin either."""
    for who in ("kit", "robin"):
        colleague = await caller(site, premises, who)
        unmoved = await Unmoved(premises, valkey).begin()
        answer = await colleague.asks(page, private=True)
        assert answer.status == 404, f"{who}: {answer.text}"
        assert not re.search("Divorce|Will", answer.body)
        await unmoved.check(who)
    if page.method == "GET":
        assert (await (await caller(site, premises, "sam")).asks(page, private=True)).status == done(page)


@pytest.mark.parametrize("page", POSTS, ids=named)
async def test_a_form_without_its_sessions_proof_changes_nothing(site: Site, premises: Premises, valkey: redis.Redis, page: Page) -> None:
    """Scenario 75. Another site can send no form in the name of whoever is signed in."""
    own, other = await caller(site, premises, "robin"), await caller(site, premises, "sam")
    sender = other if page.who is Who.STAFF else own
    of_another = own.proof if sender is other else other.proof
    unmoved = await Unmoved(premises, valkey).begin()
    for proof in ("", "wrong", "é", of_another):
        answer = await sender.asks(page, proof=proof)
        assert (answer.status, answer.heading) == (403, "That form has grown old")
    await unmoved.check("a form without proof")


@pytest.mark.parametrize("page", [page for page in KNOWN if page.who is Who.ANYONE], ids=named)
async def test_the_door_is_open_to_all_and_tells_and_changes_nothing(
    site: Site, premises: Premises, valkey: redis.Redis, page: Page
) -> None:
    nobody = await caller(site, premises, "nobody")
    unmoved = await Unmoved(premises, valkey).begin()
    answer = await nobody.asks(page)
    assert answer.status == done(page)
    assert MARK.lower() not in answer.body.lower()
    if page.method == "POST":
        assert (await nobody.asks(page, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    await unmoved.check("nobody")


@pytest.mark.parametrize("path", sorted({page.path for page in KNOWN}))
async def test_no_other_method_is_answered(site: Site, premises: Premises, valkey: redis.Redis, path: str) -> None:
    """HEAD is what GET would say, without a word of it."""
    pages = [page for page in KNOWN if page.path == path]
    ids = {name: said.format(**premises.ids) for name, said in rule_of(pages[0]).at.items()}
    address = site.url + re.sub(r"{(\w+)(:\w+)?}", lambda found: ids[found[1]], path)
    cookies = (await site.signed_in(premises.robin)).cookies
    unmoved = await Unmoved(premises, valkey).begin()
    async with aiohttp.ClientSession(cookies=cookies) as outside:
        for method in OTHERS - {page.method for page in pages} - ({"GET"} if path.startswith("/sign-in/") else set()):
            async with outside.request(method, address, allow_redirects=False) as answer:
                assert answer.status == 405, method
        await unmoved.check("another method")
        async with outside.head(address, allow_redirects=False) as answer:
            assert (await answer.read()) == b""
            assert answer.status == 405 or "GET" in {page.method for page in pages} or path.startswith("/sign-in/")
