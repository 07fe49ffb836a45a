"""Parting: Google is told that a connection is over. Stop the watch while the token lives, revoke the grant, then erase the tokens.

The order is Google's: `users.stop` needs a token, and revoking ends every token of that account in this project, whoever holds it. So
nothing is stopped or revoked by which another mailbox lives, and nobody connects the account in the same moment.
"""

from datetime import timedelta

from gmail.client import Gmail, utc_now
from gmail.errors import AccessRevoked, GmailTrouble, NotAllowed, TokenRefused
from gmail.oauth import OAuthClient
from gmail.tokens import MailboxAccess, Refresher
from gmail.vault import Vault, VaultTrouble
from models.leases import LeaseLost
from models.parting import GIVE_UP, Parting, part_later, parted, to_part, watch_anew
from models.tokens import MailboxTokens
from models.turns import Busy, turn_of
from pipeline.tools import Clock
from telemetry import metrics
from telemetry.logs import fault, log

LATER = timedelta(minutes=5)  # until Google is told again
SOON = timedelta(minutes=1)  # until it is seen whether the person came back connected


async def part(mailbox_id: int, gmail: Gmail, oauth: OAuthClient, refresher: Refresher, vault: Vault, clock: Clock) -> None:
    """Safe to run twice, and by two processes. What Google does not answer stays owed; after a day the tokens are erased all the same."""
    owed = await to_part(mailbox_id, await clock())
    if owed is None:
        return
    if owed.on_the_way:
        await part_later(owed, await clock() + SOON)
        return
    try:
        async with turn_of(owed.google_sub, clock):
            parting = await to_part(mailbox_id, await clock())  # who had the turn before us may have connected it anew
            if parting is None or parting.on_the_way:
                return
            await _stop(parting, gmail, refresher, vault)
            await _revoke(parting, oauth, vault)
            if not await parted(parting):
                await watch_anew(mailbox_id)
                return
            log.info("parted", mailbox=mailbox_id, revoked=parting.for_good and not parting.grant_is_shared)
    except LeaseLost:
        return
    except (Busy, GmailTrouble, VaultTrouble) as trouble:
        await _owed_still(owed, trouble, clock)


async def _stop(parting: Parting, gmail: Gmail, refresher: Refresher, vault: Vault) -> None:
    if parting.watch_is_shared or not _opens(parting.refresh_token, vault):
        return
    access = MailboxAccess(MailboxTokens(parting.mailbox_id, parting.epoch, vault), refresher, utc_now)
    try:
        await gmail.mailbox(access, parallel=1).stop()
    except (AccessRevoked, NotAllowed, TokenRefused):
        return  # Google pushes nothing for a grant that is dead


async def _revoke(parting: Parting, oauth: OAuthClient, vault: Vault) -> None:
    if parting.for_good and not parting.grant_is_shared and (token := _opens(parting.refresh_token, vault)):
        await oauth.revoke(token)


def _opens(sealed: str | None, vault: Vault) -> str | None:
    """A token whose key is lost must not keep anybody connected."""
    try:
        return vault.open(sealed) if sealed else None
    except VaultTrouble as lost:
        fault("token unreadable", lost)
        return None


async def _owed_still(parting: Parting, trouble: Exception, clock: Clock) -> None:
    now = await clock()
    if parting.since and now - parting.since > GIVE_UP:
        await parted(parting)
        metrics.OPERATOR_FAULTS.labels("never_parted").inc()
        fault("parting given up: the grant may live on at Google", trouble, mailbox=parting.mailbox_id)
        return
    fault("parting waits", trouble, mailbox=parting.mailbox_id)
    await part_later(parting, now + LATER)
