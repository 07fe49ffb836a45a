"""Composing: what each letter says, in both of its parts; and that nothing in a name can make it say something else."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.policy import SMTP
from typing import get_args

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from gmail.errors import Refusal, Revocation
from letters.compose import NoAddress, compose
from letters.facts import lasting
from letters.lapses import LAPSES
from letters.samples import LAPSE, LINK, NOW, SINCE, samples
from models.notices import Kind
from settings import Settings, load
from tests.letters.reading import html_of, in_one_line, shown, text_of

NAMES = tuple(samples(load()))
HOSTILE = '<b>Evil</b> & "Sons" **bold** [Press](http://evil.test)\r\nBcc: all@evil.test\r\n\r\n[Press me]\u202e'


def composed(settings: Settings, name: str, **changes):
    letter = replace(samples(settings)[name], **changes)
    return compose(letter, settings, NOW, link=LINK if letter.kind == "sign_in" else "")


@pytest.mark.parametrize("name", NAMES)
def test_text_and_html_say_the_same(settings, name) -> None:
    message = composed(settings, name)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert shown(html_of(message)) == in_one_line(text_of(message))


@pytest.mark.parametrize("name", NAMES)
def test_a_letter_has_one_link_and_it_carries_no_secret(settings, name) -> None:
    """Scenario 97."""
    message = composed(settings, name)
    leads_to = {
        "account": "https://postroom.example/settings/integrations",
        "digest": "https://postroom.example/settings/integrations",
        "invitation": "https://postroom.example/sign-in?next=/settings/email-sync",
        "sign_in": LINK,
    }.get(samples(settings)[name].kind, "https://postroom.example/settings/email-sync")
    assert re.findall(r"https?://\S+", text_of(message)) == [leads_to]
    assert [link["href"] for link in BeautifulSoup(html_of(message), "html.parser").find_all("a")] == [leads_to]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_loaded_from_anywhere(settings, name) -> None:
    html = html_of(composed(settings, name))
    page = BeautifulSoup(html, "html.parser")
    assert page.find_all(["img", "link", "script", "iframe", "object", "video", "form", "table"]) == []
    assert "url(" not in html
    assert "@import" not in html
    assert page.html is not None
    assert page.html["lang"] == "en"
    assert page.find("meta", attrs={"name": "color-scheme", "content": "light dark"})


@pytest.mark.parametrize("name", NAMES)
def test_the_headers_are_those_of_a_letter_that_wants_no_answer(settings, name) -> None:
    message = composed(settings, name)
    assert str(message["From"]) == "Postroom <postroom@sample.test>"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == "<sample@sample.test>"
    assert (message["Auto-Submitted"], message["X-Auto-Response-Suppress"]) == ("auto-generated", "All")
    assert "Bcc" not in message
    assert message.as_bytes().isascii()


# What each says


def test_every_reason_of_googles_has_words_of_its_own() -> None:
    assert set(LAPSES) == {*get_args(Revocation), *get_args(Refusal), "key_lost"}  # the last is ours


@pytest.mark.parametrize(
    ("because", "words"),
    [
        ("invalid_grant", "Google says that access was withdrawn. This happens, for example, after a password change."),
        ("invalid_rapt", "Your organisation asks people to sign in to Google again from time to time"),
        ("admin_policy", "Ask them to trust Postroom, then reconnect."),
        ("domain_policy", "Ask them to trust Postroom, then reconnect."),
        ("account_disabled", "Ask your Google administrator to reactivate it, then reconnect."),
        ("no_mail_service", "Ask your Google administrator for a Gmail licence, then reconnect."),
        ("not_granted", "When you reconnect, leave that box ticked."),
        ("insufficient_scope", "When you reconnect, leave that box ticked."),
        ("something new", "Google says that access was withdrawn."),
    ],
)
def test_a_lapse_is_told_with_its_reason_and_what_helps(settings, because, words) -> None:
    """Scenario 88."""
    assert words in in_one_line(text_of(composed(settings, "lapse", because=because)))


def test_a_lapse_letter_says_what_stopped_and_since_when_what_is_safe_and_what_to_do(settings) -> None:
    """Scenario 97."""
    message = composed(settings, "lapse")
    text = in_one_line(text_of(message))
    assert message["Subject"] == "Gmail for sam@sample.test is disconnected"
    assert str(message["To"]) == "Sam Sample <sam@sample.test>"
    for words in (
        "Postroom for Sample & Co",
        "Since Tuesday, 3 March 2026, 09:12 UTC, mail of sam@sample.test is no longer filed.",
        "Nothing is lost. What is filed stays.",
        "all mail since then is filed too, however long ago that is",
        "Reconnect Gmail: https://postroom.example/settings/email-sync",
        "Or sign in at postroom.example and open Settings → Google Email Sync.",
        "You disconnected on purpose? Say so there, and we will not write again.",
        "Questions? Ask Robin Sample or Kim Placeholder at Sample & Co.",
    ):
        assert words in text


def test_a_moment_is_told_in_utc_wherever_it_comes_from(settings) -> None:
    since = datetime(2026, 3, 3, 23, 30, tzinfo=timezone(timedelta(hours=-8)))
    assert "Wednesday, 4 March 2026, 07:30 UTC" in in_one_line(text_of(composed(settings, "lapse", since=since)))


def test_only_the_last_reminder_says_that_it_is_the_last(settings) -> None:
    """Scenario 97."""
    for day in settings.sweep.notice_days:
        letter = replace(samples(settings)["reminder"], day=day)
        message = compose(letter, settings, SINCE + timedelta(days=day, minutes=3))
        assert f"for {day} days now" in in_one_line(text_of(message))
        last = day == 14
        assert ("This is our last reminder" in text_of(message)) is last
        assert (
            message["Subject"]
            == ("Last reminder: " if last else "") + f"Gmail for sam@sample.test is {'' if last else 'still '}disconnected"
        )


def test_admins_hear_of_an_account_that_ended_and_what_they_can_do(settings) -> None:
    """Scenario 99."""
    text = in_one_line(text_of(composed(settings, "account")))
    assert "Google says that the account of Sam Sample (sam@sample.test) is disabled." in text
    assert "Reactivate the account in Google's admin console" in text
    assert "Sam Sample has left? Mark Sam Sample as left in Postroom" in text
    assert "Give the account a Gmail licence" in in_one_line(text_of(composed(settings, "account-no_mail_service")))


def test_whoever_was_disconnected_learns_by_whom(settings) -> None:
    message = composed(settings, "disconnected")
    assert message["Subject"] == "Gmail for sam@sample.test was disconnected by Robin Sample"
    assert "On Tuesday, 3 March 2026, 09:12 UTC, Robin Sample disconnected sam@sample.test" in in_one_line(text_of(message))


@pytest.mark.parametrize(("count", "words"), [(0, "None of it was a client's"), (1, "1 mail was filed"), (1200, "1200 mails were filed")])
def test_the_closing_letter_counts_what_was_caught_up(settings, count, words) -> None:
    text = in_one_line(text_of(composed(settings, "caught_up", count=count)))
    assert words in text
    assert "connected again since Tuesday, 17 March 2026, 09:14 UTC" in text
    assert "All mail since Tuesday, 3 March 2026, 09:12 UTC was looked through" in text


def test_an_invitation_says_by_whom_and_to_which_firm(settings) -> None:
    message = composed(settings, "invitation")
    assert message["Subject"] == "Robin Sample invites sam@sample.test to Postroom"
    assert "Robin Sample asks you to connect your Gmail with Postroom for Sample & Co." in in_one_line(text_of(message))


def test_a_sign_in_link_says_how_long_it_works_and_what_to_do_with_one_unasked_for(settings) -> None:
    text = in_one_line(text_of(composed(settings, "sign_in")))
    assert "It works once, and for 30 minutes after this letter was sent." in text
    assert "You did not ask for it? Then ignore this letter" in text
    assert "/settings/email-sync" not in text  # where it leads afterwards stands in the link alone


def test_a_sign_in_letter_is_nothing_without_its_link(settings) -> None:
    with pytest.raises(KeyError):
        compose(samples(settings)["sign_in"], settings, NOW)


def test_a_digest_names_whoever_is_away_since_when_and_why(settings) -> None:
    message = composed(settings, "digest")
    assert message["Subject"] == "2 mailboxes at Sample & Co disconnected for a week and longer"
    items = [in_one_line(item.get_text()) for item in BeautifulSoup(html_of(message), "html.parser").find_all("li")]
    assert items == [
        "Sam Sample (sam@sample.test), since Tuesday, 3 March 2026, 09:12 UTC: access was withdrawn, as happens after a password change",
        "Alex Placeholder (alex@sample.test), since Friday, 6 March 2026, 09:12 UTC: the Google administrator's rules do not allow it",
    ]


@pytest.mark.parametrize(
    ("admins", "words"),
    [
        ((), "Ask the people who run Postroom for Sample & Co."),
        (("Robin",), "Ask Robin at Sample & Co."),
        (("Robin", "Kim", "Pat", "Alex"), "Ask Robin, Kim or Pat at Sample & Co."),
    ],
)
def test_there_is_always_somebody_to_ask(settings, admins, words) -> None:
    assert words in in_one_line(text_of(composed(settings, "lapse", admins=admins)))


@pytest.mark.parametrize(
    ("minutes", "words"), [(30, "30 minutes"), (1, "1 minute"), (90, "90 minutes"), (120, "2 hours"), (0.5, "0.5 minutes")]
)
def test_how_long_a_link_works_in_words(minutes, words) -> None:
    assert lasting(minutes) == words


# Names that mean no good


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_make_no_markup_no_header_and_no_button(settings, name) -> None:
    letter = samples(settings)[name]
    letter = replace(letter, firm=HOSTILE, name=HOSTILE, holder=HOSTILE, by=letter.by and HOSTILE, admins=(HOSTILE,))
    letter = replace(letter, absent=tuple(replace(one, name=HOSTILE) for one in letter.absent))
    message = message_from_bytes(compose(letter, settings, NOW, link=LINK if letter.kind == "sign_in" else "").as_bytes(), policy=SMTP)
    assert set(message.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version", "Content-Type")
    }
    (reader,) = message["To"].addresses
    assert reader.addr_spec == letter.email
    page = BeautifulSoup(html_of(message), "html.parser")
    assert len(page.find_all("a")) == 1
    assert not [bold for bold in page.find_all("b") if bold.get_text() in ("Evil", "bold")]
    assert shown(html_of(message)) == in_one_line(text_of(message))
    assert "<b>Evil</b>" in text_of(message)  # in a text it is nothing but text
    assert "\u202e" not in text_of(message)


ANY = st.text(max_size=200) | st.text(alphabet=' "<>@,;:()[]\\\\=?-*ab.\r\n', max_size=200)


@given(name=ANY, firm=ANY, by=ANY)
def test_any_name_arrives_as_it_is(name, firm, by) -> None:
    letter = replace(samples(load())["invitation"], name=name, firm=firm, by=by)
    sent = compose(letter, load(), NOW)
    message = message_from_bytes(sent.as_bytes(), policy=SMTP)
    (reader,) = message["To"].addresses
    assert reader.addr_spec == "sam@sample.test"
    assert message["Subject"].strip() == sent["Subject"]  # Python may fold right after the colon, and reads a blank there
    assert len(message.keys()) == 9
    assert shown(html_of(message)) == in_one_line(text_of(message))


NO_ADDRESSES = ("", "nobody", "a@", "@b.test", "a b@c.test", "a@b.test\r\nBcc: x@evil.test", "a>@b.test", '"a"@b.test', "a\u202eb@c.test")


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address_is_not_written_to(settings, address) -> None:
    with pytest.raises(NoAddress):
        composed(settings, "lapse", email=address)


def test_an_international_domain_is_written_as_mail_servers_know_it(settings) -> None:
    assert composed(settings, "lapse", email="sam@bücher.example")["To"].addresses[0].addr_spec == "sam@xn--bcher-kva.example"


def test_the_sender_may_have_any_name(settings) -> None:
    mail = settings.mail.model_copy(update={"sender": '"Kanzlei Müller, Büro" <post@büro.example>'})
    message = compose(LAPSE, settings.model_copy(update={"mail": mail}), datetime(2026, 3, 3, tzinfo=UTC))
    read = message_from_bytes(message.as_bytes(), policy=SMTP)
    (sender,) = read["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Kanzlei Müller Büro", "post@xn--bro-hoa.example")
    assert read["Message-ID"] == "<sample@xn--bro-hoa.example>"


def test_every_kind_has_a_sample(settings) -> None:
    assert {letter.kind for letter in samples(settings).values()} == set(get_args(Kind))
