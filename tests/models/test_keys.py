"""Sealed texts in the database: read in batches, replaced only where nobody wrote another meanwhile."""

from datetime import datetime, timedelta

from gmail.vault import Vault
from models import keys
from models.attempts import OAuthAttempt, Wish
from models.database import connection
from models.keys import ACCESS_TOKEN, BATCH, CODE_VERIFIER, COLUMNS, REFRESH_TOKEN, Anew, Sealed
from models.mailboxes import Mailbox
from models.tokens import MailboxTokens
from tests.builders import VAULT, a_firm, a_mailbox, a_user
from tests.reconcile.fleet import a_fleet

OTHER = Vault(["a sample secret that is not configured"])


async def texts(column: keys.Column, but: str = "") -> list[list[Sealed]]:
    return [batch async for batch in keys.sealed(column, but)]


async def an_attempt(now: datetime, code_verifier: str) -> None:
    await OAuthAttempt.begin("browser", None, Wish(), code_verifier=code_verifier, nonce="n", valid_for=timedelta(minutes=9), now=now)


async def test_all_texts_of_a_column_come_in_batches_without_those_that_need_nothing(now: datetime) -> None:
    ((*many, last),) = await a_fleet(now, 2 * BATCH + 2)
    async with connection() as held:
        await held.execute("UPDATE mailbox SET refresh_token = 'k1:' || id WHERE id <> $1", last)
    await Mailbox.filter(id=many[1]).update(refresh_token="k2:new")
    assert [len(batch) for batch in await texts(REFRESH_TOKEN)] == [BATCH, BATCH, 1]
    assert await texts(ACCESS_TOKEN) == []
    old = [text for batch in await texts(REFRESH_TOKEN, but="k2:") for text in batch]
    assert old == [Sealed(id, f"k1:{id}") for id in many if id != many[1]]


async def test_a_token_that_a_worker_refreshed_meanwhile_is_left_as_it_is(now: datetime) -> None:
    """Scenario 102."""
    firm = await a_firm()
    refreshed, idle = await a_mailbox(await a_user(firm)), await a_mailbox(await a_user(firm))
    ((one, two),) = await texts(ACCESS_TOKEN)
    await MailboxTokens(refreshed.id, refreshed.epoch, VAULT).save_access("a newer token", now)
    assert await keys.replace(ACCESS_TOKEN, [Anew(one.key, one.text, "one anew"), Anew(two.key, two.text, "two anew")]) == 1
    assert VAULT.open((await Mailbox.get(id=refreshed.id)).access_token or "") == "a newer token"
    assert (await Mailbox.get(id=idle.id)).access_token == "two anew"


async def test_every_kind_of_sealed_text_can_be_replaced_and_given_up(now: datetime) -> None:
    mailbox = await a_mailbox(await a_user(await a_firm()))
    await an_attempt(now, VAULT.seal("verifier"))
    for column in COLUMNS:
        ((text,),) = await texts(column)
        assert await keys.replace(column, [Anew(text.key, text.text, "anew")]) == 1
        assert await texts(column) == [[Sealed(text.key, "anew")]]
        assert not await keys.erase(column, text)
        assert await keys.erase(column, Sealed(text.key, "anew"))
        assert await texts(column) == []
    assert await Mailbox.exists(id=mailbox.id)
    assert not await OAuthAttempt.exists()


async def test_keys_are_counted_by_their_ids_and_what_was_never_sealed_is_not_told(now: datetime) -> None:
    firm = await a_firm()
    _, lost, garbled = [await a_mailbox(await a_user(firm)) for _ in range(3)]
    await Mailbox.filter(id=lost.id).update(refresh_token=OTHER.seal("refresh"), access_token="ya29:plain:token")
    await Mailbox.filter(id=garbled.id).update(refresh_token=None, access_token="k1:NotAHash:token")
    await an_attempt(now, OTHER.seal("verifier"))
    assert await keys.key_ids() == {VAULT.current: 2, OTHER.current: 1, None: 2}
    assert await keys.key_ids([CODE_VERIFIER]) == {OTHER.current: 1}
