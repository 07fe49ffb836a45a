"""Content from whatever shape a mail has."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail.message import Content, addresses, content_of, date_of, external_bodies, message_id, thread_root
from tests.gmail.google import a_message, a_part, encoded

RUSSIAN = "Привет, мир. Договор подписан, посмотрите вложение. " * 3


def content(payload: dict[str, Any], **externals: bytes) -> Content:
    return content_of(a_message(("Subject", "Sample"), payload=payload), externals)


def test_of_alternatives_the_text_is_text_and_the_html_is_html() -> None:
    read = content(a_part("multipart/alternative", None, a_part("text/plain", "Hello"), a_part("text/html", "<p>Hello</p>")))
    assert (read.text, read.html, read.attachments, read.trouble) == ("Hello", "<p>Hello</p>", (), ())
    assert read.headers.first("Subject") == "Sample"


@pytest.mark.parametrize("plain", [[], [a_part("text/plain", " \r\n")]])
def test_text_that_is_only_in_the_html_is_taken_from_there(plain: list[Any]) -> None:
    """Scenario 107."""
    read = content(
        a_part("multipart/alternative", None, *plain, a_part("text/html", "<style>p{}</style><p>Dear&nbsp;Eva,<br>it is <b>here</b></p>"))
    )
    assert read.text == "Dear Eva,\nit is here"


def test_texts_around_an_attachment_are_all_kept() -> None:
    pdf = a_part(
        "application/pdf", filename="plan.pdf", attachment_id="A1", size=9, part_id="1", disposition='attachment; filename="plan.pdf"'
    )
    read = content(a_part("multipart/mixed", None, a_part("text/plain", "before"), pdf, a_part("text/plain", "after")))
    assert (read.text, read.html) == ("before\n\nafter", None)
    (plan,) = read.attachments
    assert (plan.part_id, plan.filename, plan.mime_type, plan.size, plan.attachment_id, plan.inline) == (
        "1",
        "plan.pdf",
        "application/pdf",
        9,
        "A1",
        False,
    )


def test_html_around_an_attachment_keeps_a_plain_footer_readable() -> None:
    read = content(a_part("multipart/mixed", None, a_part("text/html", "<p>one</p>"), a_part("text/plain", "a < b")))
    assert read.text == "one\n\na < b"
    assert read.html == '<p>one</p>\n<pre style="white-space: pre-wrap">a &lt; b</pre>'


def test_images_within_the_html_are_inline_and_keep_their_id() -> None:
    image = a_part("image/png", b"\x89PNG", filename="logo.png", content_id="<logo@example.com>")
    read = content(a_part("multipart/related", None, a_part("text/html", '<img src="cid:logo@example.com">'), image))
    (logo,) = read.attachments
    assert (logo.inline, logo.content_id, logo.data, logo.attachment_id) == (True, "logo@example.com", b"\x89PNG", None)


@pytest.mark.parametrize("more", [{"filename": "notes.txt"}, {"disposition": "attachment"}])
def test_a_text_file_is_an_attachment(more: dict[str, str]) -> None:
    read = content(a_part("multipart/mixed", None, a_part("text/plain", "Hello"), a_part("text/plain", "notes", **more)))
    assert (read.text, [each.data for each in read.attachments]) == ("Hello", [b"notes"])


def test_a_text_too_large_for_the_answer_is_named_and_used_once_fetched() -> None:
    """Scenario 107."""
    large = a_part(
        "multipart/alternative", None, a_part("text/plain", attachment_id="BIG", size=9_000_000), a_part("text/html", "<p>x</p>")
    )
    message = a_message(payload=a_part("multipart/mixed", None, large, a_part("image/png", filename="a.png", attachment_id="PNG")))
    assert external_bodies(message) == ("BIG",)
    assert content_of(message, {"BIG": "größer".encode()}).text == "größer"
    without = content_of(message, {})
    assert (without.text, without.trouble) == ("x", ("body_missing",))


def test_a_body_of_thirty_megabytes_is_cut_and_says_so() -> None:
    """Scenario 107."""
    read = content(a_part("text/plain", attachment_id="BIG"), BIG=b"lots of it " * 3_000_000)
    assert len(read.text) == 2 * 1024 * 1024
    assert read.trouble == ("text_cut",)


def test_a_forwarded_message_is_an_attachment_and_its_text_not_ours() -> None:
    """Scenario 107."""
    inner = a_part("multipart/mixed", None, a_part("text/plain", "inner"), a_part("application/pdf", filename="in.pdf", attachment_id="P"))
    with_data = a_part("message/rfc822", None, inner, filename="mail.eml", attachment_id="E")
    read = content(a_part("multipart/mixed", None, a_part("text/plain", "outer"), with_data))
    assert (read.text, [each.filename for each in read.attachments]) == ("outer", ["mail.eml"])
    read = content(a_part("multipart/mixed", None, a_part("text/plain", "outer"), a_part("message/rfc822", None, inner)))
    assert (read.text, [each.filename for each in read.attachments]) == ("outer", ["", "in.pdf"])
    assert read.trouble == ("attachment_without_data",)


@pytest.mark.parametrize(
    ("data", "charset", "text", "trouble"),
    [
        ("Grüße".encode("cp1252"), "iso-8859-1", "Grüße", ()),
        ("Grüße".encode(), "iso-8859-1", "Grüße", ()),
        ("Grüße".encode("cp1252"), "utf-8", "Grüße", ("charset_wrong",)),
        ("Grüße".encode("cp1252"), "no-such-thing", "Grüße", ("charset_wrong",)),
        ("日本語".encode("iso-2022-jp"), "ISO-2022-JP", "日本語", ()),
        ("日本語".encode("shift_jis"), "Shift_JIS", "日本語", ()),
        (RUSSIAN.encode("koi8-r"), "us-ascii", RUSSIAN, ("charset_wrong",)),
        ("tall".encode("utf-16"), "utf-16", "tall", ()),
        (b"a\x00b\r\nc", "utf-8", "ab\nc", ()),
        (b"abc", "utf-8\x00", "abc", ()),
    ],
)  # fmt: skip
def test_whatever_the_charset_says_the_text_is_readable(data: bytes, charset: str, text: str, trouble: tuple[str, ...]) -> None:
    """Scenario 107."""
    read = content(a_part("text/plain", data, charset=charset))
    assert (read.text, read.trouble) == (text, trouble)


@pytest.mark.parametrize(
    ("message", "trouble"),
    [
        (None, ("payload_missing",)),
        ([], ("payload_missing",)),
        ({"payload": {}}, ("payload_missing",)),
        ({"payload": {"mimeType": "text/plain", "body": {"size": 0}}}, ()),
        ({"payload": {"mimeType": "text/plain", "body": {"size": 7}}}, ("body_empty",)),
        ({"payload": {"mimeType": 5, "parts": "none", "headers": {"name": 1}, "body": [], "filename": 7}}, ()),
        ({"payload": {"mimeType": "text/plain", "body": {"data": "====%%"}}}, ()),
    ],
)
def test_an_empty_or_broken_message_is_an_empty_one(message: object, trouble: tuple[str, ...]) -> None:
    """Scenario 107."""
    read = content_of(message, {})
    assert (read.text, read.html, read.attachments, read.trouble) == ("", None, (), trouble)


def test_parts_beyond_number_and_depth_are_left_out_and_said() -> None:
    wide = content(a_part("multipart/mixed", None, *[a_part("image/png", filename="x.png", attachment_id=str(n)) for n in range(5000)]))
    assert len(wide.attachments) == 999
    deep = a_part("text/plain", "deep")
    for _ in range(200):
        deep = a_part("multipart/mixed", None, deep)
    assert wide.trouble == content(deep).trouble == ("too_many_parts",)


def test_file_names_are_one_harmless_line() -> None:
    read = content(
        a_part("multipart/mixed", None, a_part("image/png", filename="=?utf-8?B?w6Q=?=\x00\r\n\u202egnp.png", attachment_id="1"))
    )
    assert read.attachments[0].filename == "ä gnp.png"


KEYS = st.sampled_from(
    ["id", "payload", "headers", "name", "value", "parts", "body", "data", "attachmentId", "size", "mimeType", "filename", "internalDate"]
)
TYPES = ["multipart/mixed", "multipart/alternative", "message/rfc822", "text/plain", "text/html", "text/plain; charset*=x''y%zz"]
NAMES = ["Content-Type", "Content-Disposition", "Content-ID", "Date", "References", 'attachment; filename="']
DATA = [encoded("<p>\x00"), encoded(b"\xff\xfe\xd8"), "\ud800", "\x00", "9" * 30]
WORDS = st.sampled_from([*TYPES, *NAMES, *DATA])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.text(max_size=8))
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25)
FIELDS = st.lists(st.fixed_dictionaries({"name": WORDS, "value": WORDS | st.text(max_size=20)}), max_size=4)
PARTS = st.recursive(
    st.fixed_dictionaries({"mimeType": WORDS, "headers": FIELDS, "body": st.fixed_dictionaries({"data": WORDS})}),
    lambda inner: st.fixed_dictionaries({"mimeType": WORDS, "headers": FIELDS, "parts": st.lists(inner, max_size=3)}),
    max_leaves=6,
)


@given(ANYTHING | st.fixed_dictionaries({"payload": PARTS, "internalDate": LEAVES}))
def test_nothing_that_google_could_send_makes_it_raise_and_everything_can_be_stored(message: object) -> None:
    """Scenario 107."""
    external_bodies(message)
    read = content_of(message, {})
    told = [read.text, read.html or "", str(message_id(read.headers)), str(thread_root(read.headers)), read.headers.first("Date") or ""]
    told += [f"{each.filename}{each.mime_type}{each.content_id}{each.part_id}{each.attachment_id}" for each in read.attachments]
    told += [f"{each.name}{each.address}" for each in addresses(read.headers, "Date")] + [str(date_of(read.headers))]
    written = json.dumps([told, read.headers.fields, sorted(read.headers.labels)], ensure_ascii=False)
    assert b"\\u0000" not in written.encode()
