"""What admins paste when they invite people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.address import key_of
from portal.guests import guests_of, lines_of


@pytest.mark.parametrize(
    ("written", "name", "address"),
    [
        ("robin@sample.test", "Robin", "robin@sample.test"),
        ("robin.van-dam_jr+mail@sample.test", "Robin Van Dam Jr", "robin.van-dam_jr+mail@sample.test"),
        ("Robin Sample <Robin@Sample.test>", "Robin Sample", "Robin@Sample.test"),
        ('"Sample, Robin" <robin@sample.test>,', "Sample, Robin", "robin@sample.test"),
        ("  Robin   Sample< robin@sample.test > ;", "Robin Sample", "robin@sample.test"),
        ("<robin@sample.test>", "Robin", "robin@sample.test"),
        ("mailto:robin@sample.test", "Robin", "robin@sample.test"),
        ("Robin\u202e\x07 Sample <robin@sample.test>", "Robin Sample", "robin@sample.test"),
        ("___@sample.test", "___@sample.test", "___@sample.test"),
    ],
)
def test_a_line_names_a_person(written: str, name: str, address: str) -> None:
    [line] = lines_of(written)
    assert line.guest
    assert (line.guest.name, line.guest.address, line.guest.key) == (name, address, key_of(address))


@pytest.mark.parametrize(
    "written",
    [
        "robin",
        "robin@",
        "@sample.test",
        "a@x.test, b@x.test",
        "a@x.test b@x.test",
        "Robin <robin>",
        "<a@x.test> <b@x.test>",
        "\x00@x",
        "ß" * 300 + "@x.test",
    ],
)
def test_what_is_no_address_names_nobody(written: str) -> None:
    [line] = lines_of(written)
    assert (line.text, line.guest) == (written, None)


def test_a_person_named_twice_is_one_guest() -> None:
    lines = lines_of("robin@sample.test\n\nnonsense\r\nROBIN@sample.test\n \nbob@sample.test")
    assert [line.repeated for line in lines] == [False, False, True, False]
    assert [guest.key for guest in guests_of(lines)] == ["robin@sample.test", "bob@sample.test"]


@given(st.text(max_size=80) | st.text(max_size=400).map(lambda name: f"{name}@x.test"))
def test_any_line_can_be_read(text: str) -> None:
    for guest in guests_of(lines_of(text)):
        assert guest.key == key_of(guest.address)
        assert 0 < len(guest.name) <= 200
        assert guest.name.isprintable()
