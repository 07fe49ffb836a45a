"""Text from HTML that was written by anybody."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail.html_text import text_of_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<div>One</div><div>Two <i>three</i></div>", "One\n\nTwo three"),
        ("a<br>b<BR/>c", "a\nb\nc"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("<head><title>t</title></head><body>seen<script>if (a<b) '</p>'</script></body>", "seen"),
        ("<SCRIPT>x</ScRiPt >seen", "seen"),
        ("<style>never closed", ""),
        ("<title>never closed<p>seen", "never closed\n\nseen"),
        ("<!-- <p>no</p> -->seen<!-- never closed", "seen"),
        ('<img alt="a > b" src=x>seen', "seen"),
        ("<a title='x\">y</a><b>seen</b>", "yseen"),
        ("1 < 2 and 3 <4", "1 < 2 and 3 <4"),
        ("x &amp; y&nbsp;&#8364; &#x41; &bogus; &#0;", "x & y € A &bogus; \ufffd"),
        ("&#" + "9" * 5000 + ";&#x" + "f" * 5000 + ";end", "\ufffd\ufffdend"),
        ("<![CDATA[x]]>a<?php no ?>b", "ab"),
        ("<p>cut in the ta", "cut in the ta"),
        ("seen<a href='", "seen"),
    ],
)
def test_html_reads_as_its_text(html: str, text: str) -> None:
    """Scenarios 107, 109."""
    assert text_of_html(html) == text


@pytest.mark.parametrize(
    "bait", ["<", "<!--", "<a '", '<a b="', "<script>", "<title>", "</", "<title><head>", "&", "&#", "<!", "<p>", "&#9", "\n", " "]
)
def test_a_megabyte_of_bait_costs_less_than_three_seconds(bait: str) -> None:
    started = time.process_time()
    text_of_html(bait * (1_000_000 // len(bait)))
    assert time.process_time() - started < 3


@given(st.text(alphabet=st.sampled_from("<>/!-?&#;x9'\"= \nabscript\u00a0ü"), max_size=80))
def test_nothing_makes_it_raise(html: str) -> None:
    text_of_html(html)
