"""A search for past mail of new contacts, as the person sees it whose mailbox it is."""

from models.client_file import Entry
from models.gaps import Gap
from models.importing import import_entries
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_firm, a_mailbox, a_user
from tests.portal.mails import NOW
from tests.portal.site import Site

HERE = "/settings/email-sync"
SAYS = "Looking for past mail of new contacts."


async def test_the_page_tells_what_a_search_has_found_while_it_goes_on(site: Site) -> None:
    """Scenario 70."""
    sam = await a_user(await a_firm(), "sam@sample.test")
    browser, mailbox = await site.signed_in(sam), await a_mailbox(sam, at=NOW)
    await Mailbox.all().update(last_checked_at=NOW)
    assert SAYS not in (await browser.get(HERE)).text
    await import_entries(sam.firm_id, [Entry("1", "Client", "", "Pat", "pat@client.example", "pat@client.example", nominated=False)], NOW)
    await Gap.all().update(found=2)
    await LedgerEntry.create(mailbox=mailbox, gmail_id="1", found_by="gap", found_at=NOW, owed_at=NOW, seen_history_id=0)
    page = await browser.get(HERE)
    assert f"{SAYS} 2 messages found so far. 1 message still to be read. New mail does not wait for this." in page.text
    assert "Catching up" not in page.text
    assert page.dom.select_one("#live[hx-get]") is not None
