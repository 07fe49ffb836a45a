"""What an admin chooses for the firm: within bounds, for this firm alone, and told by the audit once."""

from datetime import datetime

import pytest

from models import choices
from models.audit_log import AuditEntry
from models.choices import MOST_DAYS, TooManyDays
from models.firms import Firm, User
from tests.builders import a_firm, a_user


@pytest.fixture
async def ann(database: None) -> User:
    return await a_user(await a_firm(), role="admin")


async def chosen(firm_id: int) -> tuple[int, bool]:
    firm = await Firm.get(id=firm_id)
    return firm.past_days, firm.file_all_sent


async def test_a_choice_is_this_firm_s_alone_and_the_audit_tells_it_once(ann: User, now: datetime) -> None:
    other = await a_firm()
    for _ in range(2):
        await choices.look_back(ann.firm_id, 30, ann.id, now)
        await choices.file_all_sent(ann.firm_id, True, ann.id, now)
    assert (await chosen(ann.firm_id), await chosen(other.id)) == ((30, True), (90, False))
    told = await AuditEntry.all().order_by("id").values_list("act", "firm_id", "user_id", "at", "before", "after")
    assert told == [
        ("past days chosen", ann.firm_id, ann.id, now, {"past_days": 90}, {"past_days": 30}),
        ("sent mail chosen", ann.firm_id, ann.id, now, {"file_all_sent": False}, {"file_all_sent": True}),
    ]


@pytest.mark.parametrize("days", [-1, MOST_DAYS + 1, 10**9])
async def test_more_days_than_a_search_takes_are_refused(ann: User, now: datetime, days: int) -> None:
    with pytest.raises(TooManyDays):
        await choices.look_back(ann.firm_id, days, ann.id, now)
    for fits in (0, MOST_DAYS):
        await choices.look_back(ann.firm_id, fits, ann.id, now)
        assert await chosen(ann.firm_id) == (fits, False)
