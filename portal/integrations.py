"""Settings → Integrations: how everybody's connection does, who else is to come, the firm's rules, and its provider. Admins only."""

from collections import Counter
from datetime import timedelta
from typing import Any, Literal

from starlette.responses import Response

from letters.lapses import LAPSES
from models import choices, never_file
from models.choices import MOST_DAYS, TooManyDays
from models.firms import Firm, Provider
from models.invitations import ONE_A_DAY, Outcome, invite, invite_who_never_connected
from models.listings import Person, people
from models.never_file import NotListed
from models.notices import ACCOUNT_ENDED
from models.parting import KEPT_WITHOUT_PROVIDER
from portal.guests import MOST, Line, guests_of, lines_of
from portal.refusals import NotHere, Unreadable
from portal.rules import NO_DAYS, Refused, days_of, never_filed_not, not_ours
from portal.visit import LARGEST_ID, Visit, to

HERE = "/settings/integrations"
PROVIDERS: dict[str, Provider] = {"none": "none", "google": "google"}
SENT_MAIL = {"all": True, "with colleagues": False}
Standing = Literal["connected", "lapsed", "ended", "paused", "disconnected", "never"]
# In the order in which they are told: one, several.
COUNTED: dict[Standing, tuple[str, str]] = {
    "lapsed": ("needs a new permission", "need a new permission"),
    "ended": ("has no working Google account", "have no working Google account"),
    "paused": ("has paused", "have paused"),
    "disconnected": ("is disconnected", "are disconnected"),
    "never": ("was never connected", "were never connected"),
}


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def choose(visit: Visit) -> Response:
    provider = PROVIDERS.get(await visit.field("provider"))
    if provider is None:
        raise Unreadable
    await Firm.choose_provider(visit.user.firm_id, provider, visit.now)
    return to(HERE)


async def invite_lines(visit: Visit) -> Response:
    """The page tells what became of each line; to send it twice changes nothing more."""
    written = await visit.field("people")
    lines = lines_of(written)
    if len(lines) > MOST:
        return await _page(visit, 409, written=written, too_many=len(lines))
    done = await invite(visit.user.firm_id, guests_of(lines), visit.user.name, visit.now)
    results = [(line, _became(line, done)) for line in lines]
    left = "\n".join(line.text for line, became in results if became == "no address")
    return await _page(visit, results=results, written=left, invited=sum(became in ("invited", "again") for _, became in results))


async def invite_the_others(visit: Visit) -> Response:
    """All who never connected."""
    counts = Counter(await invite_who_never_connected(visit.user.firm_id, visit.user.name, visit.now, but=visit.user.id))
    return await _page(visit, invited=counts[Outcome.AGAIN], lately=counts[Outcome.LATELY])


async def add_never_file(visit: Visit) -> Response:
    written = await visit.field("pattern")
    try:
        await never_file.add(visit.user.firm_id, None, written, visit.user.id, visit.now)
    except NotListed as because:
        return await _page(visit, 409, refused=never_filed_not(written, because))
    return to(f"{HERE}#never-file")


async def remove_never_file(visit: Visit) -> Response:
    listed_id = min(visit.request.path_params["listed"], LARGEST_ID)
    if not await never_file.remove(visit.user.firm_id, listed_id, None, visit.user.id, visit.now):
        raise NotHere
    return to(f"{HERE}#never-file")


async def add_own_domain(visit: Visit) -> Response:
    written = await visit.field("domain")
    try:
        await never_file.add_own_domain(visit.user.firm_id, written, visit.user.id, visit.now)
    except NotListed as because:
        return await _page(visit, 409, refused=not_ours(written, because))
    return to(f"{HERE}#own-domains")


async def remove_own_domain(visit: Visit) -> Response:
    domain_id = min(visit.request.path_params["domain"], LARGEST_ID)
    if not await never_file.remove_own_domain(visit.user.firm_id, domain_id, visit.user.id, visit.now):
        raise NotHere
    return to(f"{HERE}#own-domains")


async def look_back(visit: Visit) -> Response:
    written = await visit.field("past_days")
    days = days_of(written)
    try:
        if days is None:
            raise TooManyDays
        await choices.look_back(visit.user.firm_id, days, visit.user.id, visit.now)
    except TooManyDays:
        return await _page(visit, 409, refused=Refused("past-mail", written, NO_DAYS))
    return to(f"{HERE}#past-mail")


async def choose_sent_mail(visit: Visit) -> Response:
    wanted = SENT_MAIL.get(await visit.field("sent"))
    if wanted is None:
        raise Unreadable
    await choices.file_all_sent(visit.user.firm_id, wanted, visit.user.id, visit.now)
    return to(f"{HERE}#sent-mail")


def _became(line: Line, done: dict[str, Outcome]) -> str:
    """Pure."""
    if line.guest is None:
        return "no address"
    return "repeated" if line.repeated else done[line.guest.key]


async def _page(visit: Visit, status: int = 200, **told: Any) -> Response:
    everybody = await people(visit.user.firm_id)
    here, firm = [person for person in everybody if person.active], visit.user.firm
    return visit.render(
        "integrations.html",
        status,
        people=here,
        gone=[person for person in everybody if not person.active],
        sentence=sentence(here),
        never=sum(standing(person) == "never" for person in here if person.id != visit.user.id),
        kept_until=firm.provider_off_at and firm.provider_off_at + KEPT_WITHOUT_PROVIDER,
        most=MOST,
        never_file=await never_file.patterns(firm.id, None),
        own_domains=await never_file.own_domains(firm.id),
        most_days=MOST_DAYS,
        **words(visit),
        **{"refused": None, "results": [], "written": "", "too_many": 0, "invited": None, "lately": 0} | told,
    )


def words(visit: Visit) -> dict[str, object]:
    """What templates/mailbox_words.html needs."""
    interval = visit.portal.settings.sweep.interval / timedelta(minutes=1)
    return {"lapses": LAPSES, "interval": f"{interval:g}", "a_day_ago": visit.now - ONE_A_DAY}


def standing(person: Person) -> Standing:
    """How somebody is counted: by what most needs a person to act. Pure."""
    held = [mailbox for mailbox in person.mailboxes if mailbox.state != "disconnected"]
    lapsed = [mailbox.lapse_reason for mailbox in held if mailbox.state == "lapsed"]
    if lapsed:
        return "ended" if all(reason in ACCOUNT_ENDED for reason in lapsed) else "lapsed"
    if any(mailbox.state == "connected" for mailbox in held):
        return "connected"
    if held:
        return "paused"
    return "disconnected" if person.mailboxes else "never"


def sentence(everybody: list[Person]) -> str:
    """`7 of 9 people are connected; 1 needs a new permission; 1 was never connected.` Pure."""
    counts = Counter(map(standing, everybody))
    well, total = counts["connected"], len(everybody)
    if well == total:
        return "Everybody is connected." if total > 1 else "1 person is connected."
    said = [f"{well} of {total} people {'is' if well == 1 else 'are'} connected" if total > 1 else "Nobody is connected"]
    said += [f"{counts[one]} {words[counts[one] > 1]}" for one, words in COUNTED.items() if counts[one]]
    return "; ".join(said) + "."
