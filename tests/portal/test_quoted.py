"""The quoted history in a mail's text: folded, never lost."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.mail_text import MOST_LINKS, shown
from portal.quoted import passages

OLD = "> could you send the figures?\n> They are due on Friday.\n>\n> Sam"
UNMARKED = "could you send the figures?\nThey are due on Friday.\nSam"


def hidden(text: str) -> list[str]:
    return [passage.text for passage in passages(text) if passage.folded]


@pytest.mark.parametrize(
    "front",
    [
        "On Tue, 3 Mar 2026 at 10:00, Sam Sample <sam@sample.test> wrote:",
        "On Tue, 3 Mar 2026 at 10:00, Sam Sample\n<sam@sample.test> wrote:",
        "Am 03.03.2026 um 10:00 schrieb Sam Sample:",
        "Am Di., 3. März 2026 um 10:00 Uhr schrieb Sam Sample <sam@sample.test>:",
        "Le 3 mars 2026 à 10:00, Sam Sample a écrit :",
        "Il giorno 3 mar 2026, alle ore 10:00, Sam Sample ha scritto:",
        "-----Original Message-----\nFrom: Sam Sample <sam@sample.test>\nSent: Tuesday, 3 March 2026 10:00\nTo: Pat",
        "-----Ursprüngliche Nachricht-----",
        "From: Sam Sample\nSent: Tuesday, 3 March 2026 10:00\nTo: Pat\nSubject: Figures",
        "Von: Sam Sample\nGesendet: Dienstag, 3. März 2026 10:00\nAn: Pat\nBetreff: Zahlen",
        "*De :* Sam Sample\n*Envoyé :* mardi 3 mars 2026\n*À :* Pat",
    ],
)
@pytest.mark.parametrize("old", [OLD, UNMARKED])
def test_what_was_written_earlier_is_folded_with_the_line_that_says_so(front: str, old: str) -> None:
    assert hidden(f"Gladly.\n\nPat\n\n{front}\n\n{old}") == [f"{front}\n\n{old}"]


def test_lines_that_are_only_marked_are_folded() -> None:
    assert hidden(f"Gladly.\n\n{OLD}\n\nPat") == [OLD]


@pytest.mark.parametrize(
    "text",
    [
        OLD,
        f"On Tue, 3 Mar 2026, Sam wrote:\n{OLD}",
        "-----Original Message-----\nFrom: Sam\nSent: today\nTo: Pat\n\nAll of it",
        "Gladly.\n> one\n> two lines are not worth it",
        "As Pat wrote:\nwe pay\nwe wait\nwe see",
        "From: my heart\nto yours, with love.\nAnd more\nand more",
        "It went well.\nOn 3 May we wrote:",
        "---------- Forwarded message ---------\nFrom: Sam\nwhat is forwarded is to be read\n1\n2\n3",
        "",
    ],
)
def test_what_is_all_quotation_or_none_stays_open(text: str) -> None:
    assert hidden(text) == []


def test_answers_between_quoted_lines_are_seen_and_so_is_what_they_answer() -> None:
    text = f"Hello,\n{OLD}\nOn Friday.\n> and where?\n> and when?\n> and why?\nHere.\n{OLD}"
    assert hidden(text) == [OLD]
    assert hidden(f"{OLD}\nAn answer below") == [OLD]


@given(
    st.lists(
        st.sampled_from(
            ["> a", "> b", "", "  ", "words", "On 3 May Pat wrote:", "-----Original Message-----", "From: x", "Sent: x", "To: y"]
        )
    )
)
def test_nothing_is_ever_lost(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = passages(text)
    assert "\n".join(passage.text for passage in found) == text
    assert not found or not all(passage.folded for passage in found)


@pytest.mark.parametrize(
    "piece", ["\n", ">\n", "on 1 wrote " * 30 + ":\n", "From: a\nSent: b\nTo: c\n>\n", "> x\ny\n", "On 3 May\n\n", "http://a.test(( "]
)
def test_a_text_made_to_hurt_costs_little(piece: str) -> None:
    """Scenario 109."""
    text = piece * (2_000_000 // len(piece))
    began = time.process_time()
    shown(text)
    assert time.process_time() - began < 2


def test_web_addresses_can_be_clicked_and_say_where_they_lead() -> None:
    """Scenario 109."""
    (passage,) = shown("See (https://example.com/a_(b)), or <https://x.test>. https://bank.example@evil.test/ javascript:alert(1) <b>")
    words = str(passage.words)
    link = '<a href="{0}" title="Leads to {1}" target="_blank" rel="noopener noreferrer">{0}</a>'
    assert link.format("https://example.com/a_(b)", "example.com") + ")," in words
    assert link.format("https://x.test", "x.test") + "&gt;." in words
    assert link.format("https://bank.example@evil.test/", "evil.test") + ' <span class="tag warn">⚠ leads to evil.test</span>' in words
    assert words.count("<a ") == 3
    assert "&lt;b&gt;" in words


def test_an_address_that_reads_backwards_is_straightened_and_the_thousandth_is_words() -> None:
    """Scenario 109."""
    assert ">https://evil.test/gpj.exe</a>" in shown("https://evil.test/\u202egpj.exe")[0].words
    many = shown("https://example.com " * (MOST_LINKS + 9))[0].words
    assert many.count("<a ") == MOST_LINKS
    assert many.count("https://example.com") == 2 * MOST_LINKS + 9
