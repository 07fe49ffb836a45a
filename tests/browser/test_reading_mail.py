"""A mail is read: its pictures, its history, who sent it, and what else was written in its thread; on a desk and on a phone."""

from email.message import EmailMessage

from playwright.async_api import expect

from tests.browser.conftest import Visitors
from tests.browser.visitor import PHONE, Visitor
from tests.browser.way import allows, finds_filed
from tests.builders import a_mail
from tests.journeys.house import House

FIRM, PAT = "Reading and Sons", "pat@readers.example"
CLIENTS = f"client_id,client_name,address\n1,Readers Ltd,{PAT}\n"
QUESTION = """Dear Sam,

the figures are below. See https://docs.readers.example/figures and
https://bank.example@evil.test/login before Friday.

On Tuesday, 3 March 2026 at 10:00, Sam Sample wrote:
> could you send the figures for March?
> We need them for the return.
>
> Kind regards
> Sam
"""
LETTER = """<div style="font-family: Georgia, serif"><p>Dear Sam,</p><p>the figures are below. <a href="https://evil.test/login">https://bank.example</a></p>
<table border="1" cellpadding="6" style="border-collapse: collapse"><tr><th>Month</th><th>Turnover</th></tr>
<tr><td>February</td><td>12,400</td></tr><tr><td>March</td><td>13,100</td></tr></table>
<p>Pat</p><img src="https://readers.example/logo.png" alt="Readers Ltd, since 1950" width="240" height="60"></div>
<div class="gmail_quote"><div class="gmail_attr">On Tuesday, 3 March 2026 at 10:00, Sam Sample wrote:</div>
<blockquote class="gmail_quote"><p>Could you send the figures for March?</p><p>Kind regards, Sam</p></blockquote></div>"""


def a_letter(reader: str, subject: str, **headers: str) -> EmailMessage:
    mail = a_mail(f'"Pat Reader, pat@bank.example" <{PAT}>', reader, subject, QUESTION, **headers)
    mail.add_alternative(LETTER, subtype="html")
    return mail


async def reads(house: House, visitor: Visitor, address: str) -> None:
    """To the page of a mail in a thread of two."""
    await visitor.opens(await house.add_person(FIRM, address))
    await visitor.clicks("Settings")
    await allows(visitor, address)
    first = a_mail(f"Pat <{PAT}>", address, f"Figures for {address}")
    reply = a_letter(address, f"Re: Figures for {address}", References=first["Message-ID"], Reply_To="Pat <pat@elsewhere.test>")
    for mail in (first, reply):
        await house.google.aio.mail(address, mail.as_bytes())
    await finds_filed(visitor, f"Re: Figures for {address}", client="Readers Ltd")
    await visitor.picks(f"Re: Figures for {address}")


async def test_a_mail_says_who_sent_it_folds_what_was_and_leads_to_the_rest_of_its_thread(house: House, visitors: Visitors) -> None:
    """Scenario 109."""
    await house.firm(FIRM, CLIENTS)
    visitor, address = await visitors(), "rhea@sample.test"
    await reads(house, visitor, address)
    await visitor.sees(
        "Google says nothing about who sent this.",
        "The name says pat@bank.example, but the mail comes from pat@readers.example.",
        "An answer would go to pat@elsewhere.test, not to pat@readers.example.",
        "Also in this thread",
    )
    letter = visitor.page.frame_locator("iframe.mail")
    await expect(letter.get_by_text("Turnover")).to_be_visible()
    await expect(letter.get_by_text("⚠ leads to evil.test")).to_be_visible()
    await expect(letter.get_by_text("Could you send the figures")).to_be_hidden()
    await visitor.looks("message")
    await letter.get_by_text("Earlier in this thread").click()
    await expect(letter.get_by_text("Could you send the figures")).to_be_visible()
    await visitor.unfolds("All headers")
    await visitor.sees("References", "Message-ID")
    await visitor.looks("message-headers")
    await visitor.clicks("Text")
    await visitor.sees("the figures are below", "⚠ leads to evil.test")
    await visitor.does_not_see("We need them for the return")
    await visitor.looks("message-text")
    await visitor.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await visitor.unfolds("Earlier in this thread, 5 lines")
    await visitor.sees("We need them for the return")
    await visitor.picks(f"Figures for {address}")
    await visitor.sees("Please find the figures below")
