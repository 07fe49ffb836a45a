"""Hostile mail, made safe to show."""

import time

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from portal.cleaner import PATIENCE, cleaned
from portal.mail_html import LARGEST, LARGEST_PICTURE, TAGS, clean

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
    tags = BeautifulSoup(clean("".join(pieces)), "html.parser").find_all(True)
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
