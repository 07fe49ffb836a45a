"""The lists of what is never filed, a firm's own domains, and who is staff."""

from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import never_file
from models.address import is_among, key_of
from models.audit_log import AuditEntry
from models.connections import disconnect
from models.firms import Firm, User
from models.never_file import FreeMail, NotAPattern, OurOwn, add_own_domain, pattern_of, patterns_of, remove_own_domain
from models.people import allow
from models.staff import staff_of
from tests.builders import a_firm, a_mailbox, a_user


@pytest.fixture
async def eva(database: None) -> User:
    return await a_user(await a_firm(), "eva@sample.test")


async def listed(firm_id: int, user_id: int | None = None) -> list[str]:
    return [one.pattern for one in await never_file.patterns(firm_id, user_id)]


async def own_domains(firm_id: int) -> list[str]:
    return [one.domain for one in await never_file.own_domains(firm_id)]


async def told(firm_id: int) -> list[tuple[str, int | None, object, object]]:
    """What the audit says: the act, who did it, and the ids of before and after."""
    return await AuditEntry.filter(firm_id=firm_id).order_by("id").values_list("act", "user_id", "before", "after")


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("Doctor@Clinic.example ", "doctor@clinic.example"),
        ("clinic.example", "clinic.example"),
        ("@Clinic.Example.", "clinic.example"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("p.a.t@googlemail.com", "pat@gmail.com"),
        ("pat+shop@client.example", "pat+shop@client.example"),
    ],
)
def test_an_address_or_a_domain_however_it_is_written(written, pattern):
    assert pattern_of(written) == pattern


NONSENSE = (
    "",
    "@",
    "clinic",
    "com",
    "@com",
    "*.example.com",
    "pat@",
    "pat@clinic",
    "two words.example",
    "a@b@",
    "-.-",
    "x" * 400 + ".example",
)


@pytest.mark.parametrize("written", NONSENSE)
async def test_what_is_neither_is_refused(eva: User, now: datetime, written):
    with pytest.raises(NotAPattern):
        await never_file.add(eva.firm_id, None, written, eva.id, now)
    assert await listed(eva.firm_id) == []


@given(st.text("aB.@-+ü _", max_size=20) | st.text(max_size=40))
def test_whatever_is_written_is_a_pattern_or_refused(written):
    with suppress(NotAPattern):
        assert pattern_of(pattern_of(written)) == pattern_of(written)


async def test_a_firm_s_list_and_a_user_s_own_are_apart_and_both_count_for_the_user(eva: User, now: datetime):
    bob = await a_user(await Firm.get(id=eva.firm_id), "bob@sample.test")
    stranger = await a_user(await a_firm())
    for _ in range(2):  # twice is once
        await never_file.add(eva.firm_id, None, "clinic.example", eva.id, now)
        await never_file.add(eva.firm_id, eva.id, "@clinic.example", eva.id, now)
    await never_file.add(eva.firm_id, eva.id, "Doctor@elsewhere.example", eva.id, now)
    assert (await listed(eva.firm_id), await listed(eva.firm_id, eva.id)) == (
        ["clinic.example"],
        ["clinic.example", "doctor@elsewhere.example"],
    )
    assert await patterns_of(eva.firm_id, eva.id) == {"clinic.example", "doctor@elsewhere.example"}
    assert await patterns_of(eva.firm_id, bob.id) == {"clinic.example"}
    assert await patterns_of(stranger.firm_id, stranger.id) == frozenset()
    (firms,) = await never_file.patterns(eva.firm_id, None)
    assert (firms.added_by, firms.added_at) == ("Eva", now)


async def test_only_the_own_list_is_taken_from(eva: User, now: datetime):
    stranger = await a_user(await a_firm())
    await never_file.add(eva.firm_id, None, "clinic.example", eva.id, now)
    await never_file.add(eva.firm_id, eva.id, "shop.example", eva.id, now)
    firms, own = [(await never_file.patterns(eva.firm_id, of))[0].id for of in (None, eva.id)]
    before = await told(eva.firm_id)
    for firm_id, listed_id, user_id in [(stranger.firm_id, firms, None), (eva.firm_id, firms, eva.id), (eva.firm_id, own, None)]:
        assert not await never_file.remove(firm_id, listed_id, user_id, eva.id, now)
    assert await told(eva.firm_id) == before
    assert await never_file.remove(eva.firm_id, firms, None, eva.id, now)
    assert await never_file.remove(eva.firm_id, own, eva.id, eva.id, now)
    assert not await never_file.remove(eva.firm_id, own, eva.id, eva.id, now)
    assert await patterns_of(eva.firm_id, eva.id) == frozenset()


async def test_the_audit_tells_who_changed_a_list_once_and_names_no_address(eva: User, now: datetime):
    for _ in range(2):  # twice is once
        await never_file.add(eva.firm_id, eva.id, "doctor@clinic.example", eva.id, now)
        await add_own_domain(eva.firm_id, "second.test", eva.id, now)
    (listed_id,) = [one.id for one in await never_file.patterns(eva.firm_id, eva.id)]
    (domain_id,) = [one.id for one in await never_file.own_domains(eva.firm_id)]
    for _ in range(2):
        await never_file.remove(eva.firm_id, listed_id, eva.id, eva.id, now)
        await remove_own_domain(eva.firm_id, domain_id, eva.id, now)
    entry, domain = {"never_file": listed_id, "user": eva.id}, {"own_domain": domain_id}
    assert await told(eva.firm_id) == [
        ("never-file added", eva.id, {}, entry),
        ("own domain added", eva.id, {}, domain),
        ("never-file removed", eva.id, entry, {}),
        ("own domain removed", eva.id, domain, {}),
    ]


PROVIDERS = "gmail.com googlemail.com @Outlook.com hotmail.com yahoo.com icloud.com gmx.de web.de proton.me aol.com"


@pytest.mark.parametrize("domain", PROVIDERS.split())
async def test_a_provider_of_everybody_s_is_neither_shut_out_nor_anybody_s_own(eva: User, now: datetime, domain):
    """Scenario 63. One address there may be."""
    with pytest.raises(FreeMail):
        await never_file.add(eva.firm_id, None, domain, eva.id, now)
    with pytest.raises(FreeMail):
        await add_own_domain(eva.firm_id, domain, eva.id, now)
    await never_file.add(eva.firm_id, None, f"doctor@{domain.strip('@')}", eva.id, now)
    assert (len(await listed(eva.firm_id)), await own_domains(eva.firm_id)) == (1, [])


OWN = "eva@sample.test EVA+lists@sample.test accounts@sample.test second.test anybody@second.test eva@her-own.example"


@pytest.mark.parametrize("own", OWN.split())
async def test_the_firm_s_own_people_are_not_put_on_a_list(eva: User, now: datetime, own):
    """Scenario 64."""
    await allow(eva, "accounts@sample.test")
    await a_mailbox(eva, address="eva@her-own.example")
    await add_own_domain(eva.firm_id, "second.test", eva.id, now)
    with pytest.raises(OurOwn):
        await never_file.add(eva.firm_id, eva.id, own, eva.id, now)


async def test_own_domains_come_and_go_and_are_each_firm_s_own(eva: User, now: datetime):
    other = await a_firm()
    await add_own_domain(other.id, "sample.test", (await a_user(other)).id, now)
    for domain in ("@Sample.test", "sample.test.", "old.test"):
        await add_own_domain(eva.firm_id, domain, eva.id, now)
    assert await own_domains(eva.firm_id) == ["old.test", "sample.test"]
    for nonsense in ("eva@sample.test", "sample"):
        with pytest.raises(NotAPattern):
            await add_own_domain(eva.firm_id, nonsense, eva.id, now)
    for own in await never_file.own_domains(eva.firm_id):
        assert not await remove_own_domain(other.id, own.id, eva.id, now)
        assert await remove_own_domain(eva.firm_id, own.id, eva.id, now)
        assert not await remove_own_domain(eva.firm_id, own.id, eva.id, now)
    assert (await own_domains(eva.firm_id), await own_domains(other.id)) == ([], ["sample.test"])


async def test_staff_are_users_mailboxes_allowed_addresses_and_own_domains(eva: User, now: datetime):
    """Scenario 64. Of this firm alone, and as long as they are there."""
    await a_user(await Firm.get(id=eva.firm_id), "gone@sample.test", active=False)
    await a_mailbox(await a_user(await a_firm(), "stranger@other.test"))
    alias, over = await a_mailbox(eva, address="eva@her-own.example"), await a_mailbox(eva, address="eva@former.example")
    await disconnect(over.id, eva.firm_id, now)
    await allow(eva, "Accounts@Sample.test")
    await add_own_domain(eva.firm_id, "second.test", eva.id, now)
    staff = await staff_of(eva.firm_id)
    assert staff == {"eva@sample.test", "eva@her-own.example", "accounts@sample.test", "second.test"}
    alias.former_key = "eva@once.example"
    await alias.save()
    assert await staff_of(eva.firm_id) == staff | {"eva@once.example"}


@pytest.mark.parametrize(
    ("address", "among"),
    [
        ("Pat@Client.example", True),
        ("pat+tax@client.example", True),
        ("lee@client.example", False),
        ("anybody@shop.example", True),
        ("anybody@SHOP.example", True),
        ("anybody@mail.shop.example", False),
        ("anybody@myshop.example", False),
        ("shop.example@elsewhere.example", False),
        ("lee+x@elsewhere.example", True),
        ("lee@elsewhere.example", False),
    ],
)
def test_a_pattern_is_an_address_with_or_without_tag_or_a_domain_and_nothing_below_it(address, among):
    key = key_of(address)
    assert key
    assert is_among(key, {"pat@client.example", "shop.example", "lee+x@elsewhere.example"}) is among
