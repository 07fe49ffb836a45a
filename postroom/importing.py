"""Clients and contacts from a CSV file: every line read and judged before anything is written. Pure.

Columns: client_id, client_name, client_number, contact_name, address, nominated. A line without an address is a client without a contact.
"""

import csv
import io
from dataclasses import dataclass

from models.address import key_of
from models.directory import Entry

REQUIRED = ("client_id", "client_name")
COLUMNS = (*REQUIRED, "client_number", "contact_name", "address", "nominated")
YES, NO = frozenset({"yes", "true", "1", "y", "x"}), frozenset({"", "no", "false", "0", "n"})
LONGEST = {"client_id": 100, "client_name": 200, "client_number": 50, "contact_name": 200, "address": 320}


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that cannot be taken, and what to do about it. Line 1 is the header."""

    line: int
    because: str


def read(content: bytes) -> tuple[list[Entry], list[Broken]]:
    """Entries in the file's order, and what is wrong. Import nothing while anything is."""
    try:
        text = content.decode("utf-8-sig")  # as spreadsheets write it
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return [], [Broken(line, "not UTF-8 text: save the file as CSV UTF-8 and import it again")]
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    entries: list[Entry] = []
    broken: list[Broken] = []
    try:
        if wrong := _wrong_header(rows.fieldnames):
            return [], [Broken(1, wrong)]
        for row in rows:
            match _entry(row):
                case Entry() as entry:
                    entries.append(entry)
                case because:
                    broken.append(Broken(rows.line_num, because))
    except csv.Error as error:
        broken.append(Broken(rows.line_num + 1, f"not CSV ({error}): check the quotes"))  # where it begins: a quote may swallow the rest
    if not entries and not broken:
        broken.append(Broken(1, "no lines: there is nothing to import"))
    return entries, broken


def _wrong_header(names: object) -> str | None:
    found = [name.strip() for name in names] if isinstance(names, list) else []
    if missing := [name for name in REQUIRED if name not in found]:
        return f"the first line must name the columns; {', '.join(missing)} is missing (columns: {', '.join(COLUMNS)})"
    if unknown := [name for name in found if name not in COLUMNS]:
        return f"unknown column {', '.join(unknown)} (columns: {', '.join(COLUMNS)})"
    return None


def _entry(row: dict[str | None, str | list[str] | None]) -> Entry | str:
    if None in row:
        return "more fields than columns: put quotes around fields that hold a comma"
    cells = {str(name).strip(): (value if isinstance(value, str) else "").strip() for name, value in row.items()}
    for name in REQUIRED:
        if not cells[name]:
            return f"{name} is empty"
    for name, longest in LONGEST.items():
        if len(cells.get(name, "")) > longest:
            return f"{name} is longer than {longest} characters"
    if any("\0" in cell for cell in cells.values()):
        return "it holds a NUL character: remove it"
    address, nominated = cells.get("address", ""), cells.get("nominated", "").lower()
    key = key_of(address) if address else None
    if address and key is None:
        return "address is not an e-mail address"
    if nominated not in YES | NO:
        return "nominated must be yes, no or empty"
    return Entry(
        cells["client_id"],
        cells["client_name"],
        cells.get("client_number", ""),
        cells.get("contact_name", ""),
        address,
        key,
        nominated in YES,
    )
