"""How bytes become Gmail's message resource."""

import base64
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.mime import DEEPEST
from sandbox.rfc822 import LARGE_TEXT, headers_only, payload, shape, stands_apart
from tests.sandbox.person import nested
from tests.sandbox.schema import problems


def shown(raw: bytes) -> dict[str, Any]:
    """The payload, held against the discovery document."""
    part = payload(shape(raw).root, lambda part_id: f"att:{part_id}")
    assert problems(part, {"$ref": "MessagePart"}) == []
    return part


def data(part: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64decode(part["body"]["data"])


def test_a_single_part_has_its_body_in_the_payload_and_no_parts() -> None:
    part = shown(b"Subject: hi\r\n\r\nhello")
    assert (part["partId"], part["mimeType"], part["filename"], data(part)) == ("", "text/plain", "", b"hello")
    assert part["body"]["size"] == 5
    assert "parts" not in part


def test_a_tree_has_part_ids_and_an_attachment_apart() -> None:
    part = shown(nested())
    alternative, pdf = part["parts"]
    assert part["body"] == {"size": 0}
    assert [p["partId"] for p in (part, alternative, pdf, *alternative["parts"])] == ["", "0", "1", "0.0", "0.1"]
    assert [p["mimeType"] for p in alternative["parts"]] == ["text/plain", "text/html"]
    assert data(alternative["parts"][0]) == b"plain words\n"
    assert pdf["filename"] == "Bericht für März.pdf"
    assert pdf["body"] == {"attachmentId": "att:1", "size": 4}


def test_header_names_keep_their_case_and_their_order_and_folds_are_undone() -> None:
    part = shown(b"x-MiXed: 1\r\nReceived: by a\r\n        with b\r\nx-mixed: 2\r\n\r\n")
    assert part["headers"] == [
        {"name": "x-MiXed", "value": "1"},
        {"name": "Received", "value": "by a        with b"},
        {"name": "x-mixed", "value": "2"},
    ]


def test_a_text_keeps_the_charset_it_was_delivered_in() -> None:
    raw = "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGrüße".encode("latin-1")
    assert data(shown(raw)) == "Grüße".encode("latin-1")
    assert shape(raw).snippet == "Grüße"


def test_a_large_text_stands_apart_like_an_attachment() -> None:
    body = shown(b"Subject: long\r\n\r\n" + b"x" * (LARGE_TEXT + 1))["body"]
    assert body == {"attachmentId": "att:", "size": LARGE_TEXT + 1}


def test_a_forwarded_message_is_an_attachment_and_shows_its_parts() -> None:
    outer = EmailMessage()
    outer.set_content("see below")
    inner = EmailMessage()
    inner["Subject"] = "inside"
    inner.set_content("deep")
    outer.add_attachment(inner, filename="mail.eml")
    forwarded = shown(outer.as_bytes())["parts"][1]
    assert (forwarded["mimeType"], forwarded["filename"]) == ("message/rfc822", "mail.eml")
    assert forwarded["body"]["attachmentId"] == "att:1"
    assert forwarded["parts"][0]["partId"] == "1.0"
    assert {"name": "Subject", "value": "inside"} in forwarded["parts"][0]["headers"]


@pytest.mark.parametrize(
    ("body", "encoding", "meant"),
    [
        (b"aGVs\r\nbG8=", "base64", b"hello"),
        (b"aGVsbG8", "BASE64 ", b"hello"),
        (b"a*G?V s b G 8 = = =", "base64", b"hello"),
        (b"aGVsb", "base64", b"hel"),
        (b"", "base64", b""),
        (b"caf=C3=A9 =\r\nnoir", "quoted-printable", "café noir".encode()),
        (b"50=% =ZZ", "quoted-printable", b"50=% =ZZ"),
        (b"as is", "x-unknown", b"as is"),
    ],
)
def test_a_transfer_encoding_is_undone_even_when_broken(body: bytes, encoding: str, meant: bytes) -> None:
    part = shape(b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + body).root
    assert part.data == meant


@pytest.mark.parametrize(
    ("raw", "mime_type", "headers", "body"),
    [
        (b"", "text/plain", 0, b""),
        (b"\r\n", "text/plain", 0, b""),
        (b"no headers at all", "text/plain", 0, b"no headers at all"),
        (b"\r\nFrom: not a header\r\n", "text/plain", 0, b"From: not a header\r\n"),
        (b"Subject: only", "text/plain", 1, b""),
        (b"Subject: a\nTo: b\n\nunix", "text/plain", 2, b"unix"),
        (b"Subject: nul\0\r\n\r\nbo\0dy", "text/plain", 1, b"bo\0dy"),
        (b"Content-Type: multipart/mixed\r\n\r\nno boundary", "text/plain", 1, b"no boundary"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnever opened", "text/plain", 1, b"never opened"),
        (b"Content-Type: nonsense\r\n\r\nx", "text/plain", 1, b"x"),
        (b"Content-Type: text/html; charset=nonsense\r\n\r\n\xff\xfe", "text/html", 1, b"\xff\xfe"),
    ],
)
def test_broken_mail_is_text_as_delivered(raw: bytes, mime_type: str, headers: int, body: bytes) -> None:
    root = shape(raw).root
    assert (root.mime_type, len(root.headers), root.data, root.parts) == (mime_type, headers, body, ())


def test_a_multipart_without_its_end_keeps_its_parts() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=x\r\n\r\npreamble\r\n--x\r\n\r\none\r\n--x\r\n\r\ntwo"
    assert [data(part) for part in shown(raw)["parts"]] == [b"one", b"two"]


def test_an_empty_part_between_two_boundaries_is_a_part() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n\r\ntwo\r\n--x--\r\nepilogue"
    first, second = shown(raw)["parts"]
    assert first["body"] == {"size": 0}
    assert data(second) == b"two"


def test_a_name_in_bytes_that_are_no_utf8_is_read_as_latin1() -> None:
    assert shape("From: Jürgen <j@example.com>\r\n\r\n".encode("latin-1")).root.header("from") == "Jürgen <j@example.com>"


def test_endless_nesting_ends() -> None:
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000)) + b"\r\nend"
    deepest = max(part.part_id.count(".") for part in shape(raw).root.every())
    assert deepest == DEEPEST - 1


def test_the_snippet_is_short_html_escaped_text() -> None:
    assert shape(b"\r\nTom & 'Ann'\r\n  <b>  said").snippet == "Tom &amp; &#39;Ann&#39; &lt;b&gt; said"
    assert len(shape(b"\r\n" + b"word " * 500).snippet) <= 200


def test_the_snippet_of_html_leaves_out_what_is_not_seen() -> None:
    raw = b"Content-Type: text/html\r\n\r\n<style>p{}</style><script>x()</script><!-- no --><p>Seen &amp; read</p>"
    assert shape(raw).snippet == "Seen &amp; read"


def test_metadata_has_the_wanted_headers_in_any_case() -> None:
    root = shape(b"From: a@b.test\r\nX-Own: 1\r\nSubject: s\r\n\r\nbody").root
    assert headers_only(root, ()) == {"mimeType": "text/plain", "headers": [{"name": n, "value": v} for n, v in root.headers]}
    assert headers_only(root, {"subject"}) == {"mimeType": "text/plain", "headers": [{"name": "Subject", "value": "s"}]}
    assert headers_only(root, {"date"}) == {"mimeType": "text/plain"}


def test_an_inline_image_stands_apart_and_an_inline_text_does_not() -> None:
    image = shape(b"Content-Type: image/png\r\nContent-ID: <logo>\r\n\r\n...").root
    text = shape(b"Content-Type: text/calendar\r\nContent-Disposition: inline\r\n\r\nBEGIN").root
    attached = shape(b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nnote").root
    assert [stands_apart(part) for part in (image, text, attached)] == [True, False, True]


LINES = st.lists(
    st.sampled_from(
        [
            b"Content-Type: multipart/mixed; boundary=x",
            b'Content-Type: multipart/digest; boundary="x"',
            b"Content-Type: message/rfc822",
            b"Content-Type: text/html; charset*=utf-8'en'%FF",
            b"Content-Disposition: attachment; filename*0*=utf-99''a%zz; filename*1=b",
            b"Content-Transfer-Encoding: base64",
            b"Content-Transfer-Encoding: quoted-printable",
            b"Subject: =?utf-8?b?w?=",
            b" folded",
            b"--x",
            b"--x--",
            b"",
            b"\0\xff=",
        ]
    ),
    max_size=25,
)


@given(st.one_of(st.binary(max_size=300), LINES.map(b"\r\n".join), LINES.map(b"\n".join)))
@example(b'Content-Type: text/plain; charset="\0"\r\n\r\nx')
@example(b"Content-Type: text/plain; charset=punycode\r\n\r\n\xff\xff")
def test_any_bytes_become_a_resource_that_the_discovery_document_knows(raw: bytes) -> None:
    part = shown(raw)
    assert part["partId"] == ""
    assert "\0" not in shape(raw).snippet
