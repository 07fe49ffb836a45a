"""Own words: a folder's files stand in for ours, and one that cannot be filled in is found before its letter is due."""

from pathlib import Path

import pytest

from letters.compose import compose
from letters.facts import facts
from letters.samples import LAPSE, NOW, check, preview, samples
from letters.words import OURS, Broken
from settings import Settings
from tests.letters.reading import html_of, in_one_line, text_of

SINCE_IN_WORDS = "Since Tuesday, 3 March 2026, 09:12 UTC"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "words"
    made.mkdir()
    return made


@pytest.fixture
def own(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(update={"mail": settings.mail.model_copy(update={"templates": str(folder)})})


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_ours_can_all_be_filled_in(settings) -> None:
    check(settings)


def test_a_file_of_the_same_name_stands_in_for_ours(own, folder) -> None:
    write(folder, "lapse.txt", "Subject: Grüezi {{ name }}\n\nSeit **{{ since }}**.\n\n- eins\n- zwei\n\n[Verbinden]\n\n---\n\nFragen?\n")
    message = compose(LAPSE, own, NOW)
    assert message["Subject"] == "Grüezi Sam Sample"
    assert text_of(message).endswith(
        "\n\nSeit Tuesday, 3 March 2026, 09:12 UTC.\n\n- eins\n- zwei\n\nVerbinden:\nhttps://postroom.example/settings/email-sync\n\nFragen?\n"
    )
    assert "<b>Tuesday, 3 March 2026, 09:12 UTC</b>" in html_of(message)
    assert SINCE_IN_WORDS in in_one_line(text_of(compose(samples(own)["reminder"], own, NOW)))  # the others stay
    check(own)


def test_a_part_that_many_letters_share_is_changed_once(own, folder) -> None:
    write(folder, "whom-to-ask.txt", "Call 555 0100.")
    for name, letter in samples(own).items():
        text = text_of(compose(letter, own, NOW, link="https://postroom.example/sign-in/sample"))
        assert ("Call 555 0100." in text) is (letter.kind not in ("disconnected", "invitation", "sign_in")), name


def test_the_look_is_changed_in_one_file(own, folder) -> None:
    write(folder, "letter.html", "<p>{{ subject }}{% for block in blocks %}{{ block.lines[0] }}{% endfor %}{{ link }}</p>")
    assert html_of(compose(LAPSE, own, NOW)).startswith("<p>Gmail for sam@sample.test is disconnectedSince <b>")


def test_a_change_counts_from_the_next_letter_on(own, folder) -> None:
    """Nothing has to be started again."""
    assert SINCE_IN_WORDS in in_one_line(text_of(compose(LAPSE, own, NOW)))
    write(folder, "lapse.txt", "Subject: First\n\n[Go]")
    assert compose(LAPSE, own, NOW)["Subject"] == "First"


@pytest.mark.parametrize(
    "line", ["One{# done #}", "{% if firm %}One{% endif %}", '{% with one = "One" %}{% include "part.txt" %}{% endwith %}']
)
def test_a_tag_at_the_end_of_a_line_joins_no_paragraphs(own, folder, line) -> None:
    write(folder, "part.txt", "{{ one }}")
    write(folder, "lapse.txt", f"Subject: {{% if firm %}}x{{% endif %}}\n\n{line}\n\nTwo\n\n[Go]")
    assert "\n\nOne\n\nTwo\n\n" in text_of(compose(LAPSE, own, NOW))


def test_a_tag_alone_on_its_line_leaves_no_line(own, folder) -> None:
    write(folder, "lapse.txt", "Subject: x\n\n{% for n in (1, 2) %}\n- {{ n }}\n{% endfor %}{# that is all #}\n\n[Go]")
    assert "\n\n- 1\n- 2\n\n" in text_of(compose(LAPSE, own, NOW))


@pytest.mark.parametrize(
    ("name", "text", "line", "because"),
    [
        ("lapse.txt", "Subject: x\n\n{{ adress }}\n\n[Go]", 3, "'adress' is undefined"),
        ("reminder.txt", "Subject: x\n\n{% if last %}\n{{ nobody.name }}\n{% endif %}\n[Go]", 4, "'nobody' is undefined"),
        ("lapse.txt", "Subject: x\n\n\n{% if firm }\n\n[Go]", 4, "unexpected '}'"),
        ("lapse.txt", "Subject: x\n\n{% if firm %}\n\n[Go]", 4, "Unexpected end of template"),
        ("lapse.txt", 'Subject: x\n\n{% include "other.txt" %}\n\n[Go]', 3, "there is no file other.txt"),
        ("lapse.txt", "Subject: x\n\n{{ 1 / count }}\n\n[Go]", 3, "division by zero"),
        ("lapse.txt", "Dear {{ name }}\n\n[Go]", 1, "the first line is not “Subject: …”"),
        ("lapse.txt", "Subject:\n\n[Go]", 1, "the first line is not “Subject: …”"),
        ("lapse.txt", "", 1, "the first line is not “Subject: …”"),
        ("lapse.txt", "Subject: x\n\nGo", 1, "a letter has one button"),
        ("lapse.txt", "Subject: x\n\n[Go]\n\n[Or go]", 1, "a letter has one button"),
        ("whom-to-ask.txt", "\nAsk {{ robin }}", 2, "'robin' is undefined"),
        ("letter.html", "<p>\n{{ subjet }}", 2, "'subjet' is undefined"),
        ("laps.txt", "Subject: x\n\n[Go]", 1, "no letter has this name"),
    ],
)
def test_what_cannot_be_filled_in_is_found_with_file_and_line(own, folder, name, text, line, because) -> None:
    write(folder, name, text)
    with pytest.raises(Broken) as broken:
        check(own)
    assert broken.value.file == str(folder / name)
    assert broken.value.line == line
    assert because in broken.value.because
    assert str(broken.value).startswith(f"{folder / name}, line {line}: ")


def test_a_file_that_is_not_utf_8_is_found(own, folder) -> None:
    (folder / "lapse.txt").write_bytes("Subject: x\n\nGrüezi".encode("latin-1"))
    with pytest.raises(Broken, match=r"lapse\.txt, line 3: it is not written in UTF-8"):
        check(own)


def test_every_turn_of_a_template_is_tried(own, folder) -> None:
    """A mistake that shows only in the last reminder is found, too."""
    write(folder, "reminder.txt", "Subject: x\n\n{% if last %}{{ mistake }}{% endif %}\n\n[Go]")
    with pytest.raises(Broken, match=r"reminder\.txt, line 3: 'mistake' is undefined"):
        check(own)


def test_other_files_in_the_folder_disturb_nobody(own, folder) -> None:
    write(folder, "README.md", "Our words")
    write(folder, "lapse.txt~", "{{ draft }}")
    write(folder, "lapse.txt", 'Subject: x\n\n{% include "greeting.txt" %}\n\n[Go]')
    write(folder, "greeting.txt", "Hello")
    check(own)


def test_a_preview_shows_every_letter_in_the_words_in_use(own, folder, tmp_path) -> None:
    write(folder, "laps.txt", "Subject: Our own\n\n[Go]")
    with pytest.raises(Broken, match="no letter has this name"):
        preview(tmp_path / "preview", own)
    (folder / "laps.txt").rename(folder / "lapse.txt")
    written = preview(tmp_path / "preview", own)
    assert {path.name for path in written} == {f"{name}.{ending}" for name in samples(own) for ending in ("html", "txt")}
    assert (tmp_path / "preview" / "lapse.txt").read_text().startswith("Subject: Our own\n\n")
    assert "<h1" in (tmp_path / "preview" / "digest.html").read_text()


def test_the_manual_names_every_file_and_every_fact(settings) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "letters.md").read_text()
    assert [path.name for path in OURS.iterdir() if f"`{path.name}`" not in manual] == []
    assert [fact for fact in facts(LAPSE, settings, NOW) if f"`{fact}`" not in manual] == []
