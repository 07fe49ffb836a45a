"""A file of clients as people have it: text whatever wrote it, and of each line an entry or what is wrong with it. Pure.

Columns: client_id, client_name, client_number, contact_name, address, nominated, in any order, divided by commas, semicolons or tabs.
A line without an address is a client without a contact. What a column would say that the file does not have stays as it is.
"""

import codecs
import csv
import io
from dataclasses import dataclass, field

from models.address import key_of

REQUIRED = ("client_id", "client_name")
COLUMNS = (*REQUIRED, "client_number", "contact_name", "address", "nominated")
OURS = frozenset({"line", "reason"})  # columns that we add to lines which are given back: they may come again
YES, NO = frozenset({"yes", "true", "1", "y", "x"}), frozenset({"", "no", "false", "0", "n"})
LONGEST = {"client_id": 100, "client_name": 200, "client_number": 50, "contact_name": 200, "address": 320}
LONGEST_RECORD = 20  # lines, where a field holds line ends: a quote that is never closed swallows no more
UNREADABLE = "\ufffd"  # stands for what is no character
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a client and one of its contacts. `address_key` is None where it names no contact; `client_number` and `nominated` are
    where the file says nothing of them. Line 1 is the header."""

    client_id: str
    client_name: str
    client_number: str | None
    contact_name: str
    address: str
    address_key: str | None
    nominated: bool | None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that cannot be taken, and what to do about it. `cells`: as it was written."""

    line: int
    because: str
    cells: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class ClientFile:
    """Entries in the file's order, and what is wrong. `columns`: as the file names them; none, where no line could be read."""

    entries: list[Entry]
    broken: list[Broken]
    columns: tuple[str, ...] = ()
    divided_by: str = ","


@dataclass(frozen=True, slots=True)
class Decoded:
    text: str
    encoding: str  # a guess, where no mark says it


def decoded(content: bytes) -> Decoded:
    """By its byte order mark, else as UTF-8, else as Western Windows writes. What is no character is there as U+FFFD."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return Decoded(content[len(mark) :].decode(encoding, "replace"), encoding)
    if unmarked := _unmarked(content[:200]):
        return Decoded(content.decode(unmarked, "replace"), unmarked)
    text = content.decode("utf-8", "replace")
    strange = text.count(UNREADABLE)
    if not strange or strange < sum(not letter.isascii() for letter in text) - strange:  # a few broken characters make it no other encoding
        return Decoded(text, "utf-8")
    return Decoded(content.decode("cp1252", "replace"), "cp1252")


def read(text: str) -> ClientFile:
    """A line that is wrong costs no other one."""
    lines = list(io.StringIO(text, newline=""))
    first, divided_by = _beginning(lines)
    header = _cells(lines[first : first + 1], divided_by) if len(lines) > first else []
    columns = [name.strip() for name in header] if isinstance(header, list) else []
    names = [name.casefold().replace(" ", "_") for name in columns]
    if wrong := _wrong_header(names):
        return ClientFile([], [Broken(first + 1, wrong)])
    entries, broken = _entries(lines, first + 1, divided_by, names)
    if not entries and not broken:
        broken = [Broken(1, "no lines: there is nothing to import")]
    return ClientFile(entries, broken, tuple(columns), divided_by)


def given_back(file: ClientFile) -> str:
    """The broken lines as a file of their own, with what is wrong in a column more: to be mended and imported again."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=file.divided_by)
    kept = [number for number, name in enumerate(file.columns) if name.casefold() not in OURS]
    writer.writerow([*(file.columns[number] for number in kept), "line", "reason"])
    for wrong in file.broken:
        cells = wrong.cells + ("",) * len(file.columns)
        more = cells[len(file.columns) : len(wrong.cells)]  # of a line with too many
        writer.writerow([*(cells[number] for number in kept), wrong.line, wrong.because, *more])
    return written.getvalue()


def _unmarked(beginning: bytes) -> str | None:
    """UTF-16 without its mark: every other byte of plain letters is zero."""
    even, odd = beginning[::2].count(0), beginning[1::2].count(0)
    return "utf-16-le" if odd > 4 * (even + 1) else "utf-16-be" if even > 4 * (odd + 1) else None


def _beginning(lines: list[str]) -> tuple[int, str]:
    """Where the header is, and what divides it. Excel may say so in a line of its own."""
    if lines and (said := lines[0].strip(' "\r\n')).lower().startswith("sep=") and len(said) == 5:
        return 1, said[4]
    header = lines[0] if lines else ""
    return 0, max(",;\t", key=header.count)


def _wrong_header(names: list[str]) -> str | None:
    wanted = f"(columns: {', '.join(COLUMNS)})"
    if missing := [name for name in REQUIRED if name not in names]:
        return f"the first line must name the columns; {', '.join(missing)} is missing {wanted}"
    if unknown := [name or "without a name" for name in names if name not in COLUMNS and name not in OURS]:
        return f"unknown column {', '.join(unknown)} {wanted}"
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return f"column {', '.join(twice)} is there twice {wanted}"
    return None


def _entries(lines: list[str], at: int, divided_by: str, names: list[str]) -> tuple[list[Entry], list[Broken]]:
    entries: list[Entry] = []
    broken: list[Broken] = []
    firsts: dict[str, Entry] = {}
    while at < len(lines):
        record = csv.reader(lines[at : at + LONGEST_RECORD], delimiter=divided_by, strict=True)
        try:
            cells, used = next(record), record.line_num
        except csv.Error as error:  # where it begins: a quote may swallow what follows
            broken.append(Broken(at + 1, f"not CSV ({error}): check the quotes", (lines[at].rstrip("\r\n"),)))
            at += 1
            continue
        if any(cell.strip() for cell in cells):
            match _entry(names, cells, at + used, firsts):
                case Entry() as entry:
                    entries.append(entry)
                case because:
                    broken.append(Broken(at + used, because, tuple(cells)))
        at += used
    return entries, broken


def _cells(lines: list[str], divided_by: str) -> list[str]:
    try:
        return next(csv.reader(lines, delimiter=divided_by, strict=True), [])
    except csv.Error:
        return []


def _entry(names: list[str], written: list[str], line: int, firsts: dict[str, Entry]) -> Entry | str:
    """`firsts`: the first entry of each client, by its id."""
    cells = dict(zip(names, (cell.strip() for cell in written), strict=False))
    if because := _wrong_cells(names, written, cells):
        return because
    address, number, nominated = cells.get("address", ""), cells.get("client_number"), cells.get("nominated")
    key = key_of(address) if address else None
    if address and key is None:
        return f"address is not an e-mail address{_mend(address)}"
    if nominated is not None and nominated.lower() not in YES | NO:
        return "nominated must be yes, no or empty"
    first = firsts.get(cells["client_id"])
    number = number or (first.client_number if first and number is not None else number)  # said once is said
    yes = None if nominated is None else nominated.lower() in YES
    entry = Entry(cells["client_id"], cells["client_name"], number, cells.get("contact_name", ""), address, key, yes, line)
    if first is None or (number and not first.client_number):
        firsts[entry.client_id] = entry
    if first and first.client_name.casefold() != entry.client_name.casefold():
        return (
            f"client_id {entry.client_id} is {first.client_name} on line {first.line}: "
            "give another client an id of its own, or the same client the same name"
        )
    return entry


def _wrong_cells(names: list[str], written: list[str], cells: dict[str, str]) -> str | None:
    if any(cell.strip() for cell in written[len(names) :]):
        return "more fields than columns: put quotes around fields that hold a comma"
    for name in REQUIRED:
        if not cells.get(name):
            return f"{name} is empty"
    for name, longest in LONGEST.items():
        if len(cells.get(name, "")) > longest:
            return f"{name} is longer than {longest} characters"
    if any("\0" in cell for cell in cells.values()):
        return "it holds a NUL character: remove it"
    if any(UNREADABLE in cell for cell in cells.values()):
        return "it holds a character that cannot be read: save the file as CSV UTF-8 and import it again"
    return None


def _mend(address: str) -> str:
    if "<" in address:
        return ": write only what stands between < and >"
    return ": write each on a line of its own" if address.count("@") > 1 else ""
