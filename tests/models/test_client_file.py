"""A file of clients, whatever wrote it: what is read of each line, and what is said of the others."""

import pytest

from models.client_file import LONGEST_RECORD, Broken, Entry, decoded, given_back, read

HEADER = "client_id,client_name,client_number,contact_name,address,nominated\n"
UMLAUTS = "client_id;client_name\r\n1;Bäckerei Müller €\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_whatever_wrote_the_file_its_letters_are_read(encoding: str) -> None:
    file = read(decoded(UMLAUTS.encode(encoding)).text)
    assert (file.broken, [entry.client_name for entry in file.entries]) == ([], ["Bäckerei Müller €"])


def test_one_broken_character_makes_no_other_encoding_of_a_file() -> None:
    lines = HEADER + "".join(f"{n},Bäckerei {n},,,,\n" for n in range(3))
    content = lines.encode() + b"9,K\xe4se,,,,\n"
    file = read(decoded(content).text)
    assert [entry.client_name for entry in file.entries] == ["Bäckerei 0", "Bäckerei 1", "Bäckerei 2"]
    assert [(wrong.line, wrong.because.split(":")[0]) for wrong in file.broken] == [(5, "it holds a character that cannot be read")]


@pytest.mark.parametrize("divided_by", [",", ";", "\t"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_are_divided_as_spreadsheets_divide_them(divided_by: str, first: str, ends: str) -> None:
    rows = [["Client ID", "client_name", "address"], ["1", '"Bakery, Harbour; Ltd"', "pat@harbour.example"], ["", "", ""]]
    text = first.format(divided_by).replace("\r\n", ends) + "".join(divided_by.join(row) + ends for row in rows)
    file = read(text)
    assert file.broken == []
    (entry,) = file.entries
    assert (entry.client_name, entry.address_key) == ("Bakery, Harbour; Ltd", "pat@harbour.example")
    assert entry.line == (3 if first else 2)
    assert (entry.client_number, entry.nominated) == (None, None), "what the file has no column for"


def test_what_is_wrong_with_a_line_is_said_with_what_to_do() -> None:
    file = read(
        HEADER
        + "1,Bakery,,Pat,Pat <pat@b.example>,\n1,Bakery,,Pat,a@b.example; c@b.example,\n"
        + f'2,"Never closed,,,,\n3,{"x" * 201},,,,\n4,Fine,,Lee,lee@fine.example,yes\n5,A,B,C,d@e.example,yes,too many\n'
    )
    assert [entry.client_id for entry in file.entries] == ["4"]
    assert file.broken == [
        Broken(2, "address is not an e-mail address: write only what stands between < and >"),
        Broken(3, "address is not an e-mail address: write each on a line of its own"),
        Broken(4, "not CSV (unexpected end of data): check the quotes"),
        Broken(5, "client_name is longer than 200 characters"),
        Broken(7, "more fields than columns: put quotes around fields that hold a comma"),
    ]


def test_one_id_is_one_client() -> None:
    file = read(HEADER + "1,Bakery,1001,Pat,pat@b.example,\n1,Example Trust,,Lee,lee@b.example,\n1,BAKERY,,Kim,kim@b.example,\n")
    assert [(entry.client_name, entry.client_number) for entry in file.entries] == [("Bakery", "1001"), ("BAKERY", "1001")]
    (wrong,) = file.broken
    assert wrong.line == 3
    assert wrong.because.startswith("client_id 1 is Bakery on line 2:")


def test_a_quote_that_is_never_closed_costs_one_line() -> None:
    rows = "".join(f"{n},Client {n},,,,\n" for n in range(3, 200))
    file = read(HEADER + '2,"Never closed,,,,\n' + rows)
    assert [wrong.line for wrong in file.broken] == [2]
    assert len(file.entries) == 197 > LONGEST_RECORD


def test_a_name_of_two_lines_is_one_name_and_its_line_the_last() -> None:
    file = read(HEADER + '1,"Bakery\nHarbour",,,,\n2,Trust,,Pat,nobody,\n')
    assert [entry.client_name for entry in file.entries] == ["Bakery\nHarbour"]
    assert [wrong.line for wrong in file.broken] == [4]


def test_lines_that_are_given_back_say_why_and_come_again_once_mended() -> None:
    file = read("client_id;client_name;address\n1;Bakery;pat at b.example\n2;Trust;kim@b.example\n;Nobody;lee@b.example;more\n")
    text = given_back(file)
    assert text.splitlines() == [
        "client_id;client_name;address;line;reason",
        "1;Bakery;pat at b.example;2;address is not an e-mail address",
        ";Nobody;lee@b.example;4;more fields than columns: put quotes around fields that hold a comma;more",
    ]
    mended = read(text.replace(" at ", "@").replace("comma;more", "comma").replace(";Nobody", "3;Nobody"))
    assert [entry.client_id for entry in mended.entries] == ["1", "3"]
    assert mended.broken == []


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("client_name,address\nBakery,a@b.example\n", "the first line must name the columns; client_id is missing"),
        ("client_id,client_name,colour\n1,Bakery,red\n", "unknown column colour"),
        ("client_id,client_name,address,address\n1,Bakery,,\n", "column address is there twice"),
        (HEADER, "no lines: there is nothing to import"),
        ("", "the first line must name the columns; client_id, client_name is missing"),
        ('"', "the first line must name the columns"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_one_sentence(text: str, because: str) -> None:
    file = read(text)
    assert file.entries == []
    assert file.broken[0].line == 1
    assert file.broken[0].because.startswith(because)


def test_an_entry_is_the_same_on_whichever_line() -> None:
    assert Entry("1", "A", "", "", "", None, nominated=False, line=2) == Entry("1", "A", "", "", "", None, nominated=False, line=9)
