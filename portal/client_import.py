"""Clients from a file: handed in, looked at, imported. Nothing is written before its person has seen what it would change. Admins only."""

import asyncio
from typing import Any

from starlette.responses import Response

from models.client_changes import imported_from, told
from models.client_file import COLUMNS, UNREADABLE, decoded, given_back, read
from models.import_drafts import ImportDraft, hand_in
from models.importing import DraftGone, FromDraft, foresee, import_entries
from models.staff import staff_among
from portal.refusals import NotHere
from portal.visit import Visit, number, to

HERE, PREVIEW = "/clients/import", "/clients/import/preview"
LARGEST = 10 * 1024 * 1024  # bytes of a file
UPLOAD = 3 * LARGEST  # bytes that are read at all: who hands in more than a file may have is told so in words
MOST_LINES = 50_000
SHOWN = 20  # changes, and addresses to think of
BROKEN_SHOWN = 50
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how Excel's own files begin, new and old
EXAMPLE = """1001,Harbour Bakery Ltd,1001,Pat Example,pat@harbour-bakery.example,yes
1001,Harbour Bakery Ltd,1001,Lee Example,lee@harbour-bakery.example,
1002,Example Family Trust,1002,Pat Example,pat@harbour-bakery.example,
1003,Lantern Bookshop,1003,,,
"""


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def template(visit: Visit) -> Response:
    return _csv(",".join(COLUMNS) + "\n" + EXAMPLE, "clients.csv")


async def take(visit: Visit) -> Response:
    """A file, or pasted text, in place of what was handed in before."""
    name, content = await _handed_in(visit)
    if not content.strip():
        return await _page(visit, 400, refused="Choose a file, or paste the lines.")
    if len(content) > LARGEST:
        return await _page(visit, 400, refused="The file is larger than 10 MB. Divide it, and hand in one part after the other.")
    if content.startswith(WORKBOOKS):
        return await _page(
            visit, 400, refused="This is an Excel workbook. In Excel choose File → Save as → CSV UTF-8, and hand in that file."
        )
    text = (await asyncio.to_thread(decoded, content)).text
    if text.count("\n") > MOST_LINES + 1:
        return await _page(
            visit, 400, refused=f"The file has more than {MOST_LINES:,} lines. Divide it, and hand in one part after the other."
        )
    await hand_in(visit.user, name, text, visit.now)
    return to(PREVIEW)


async def preview(visit: Visit) -> Response:
    """What an import would change now, and which lines it leaves out."""
    draft = await ImportDraft.of(visit.user, visit.now)
    if draft is None:
        return to(HERE)
    file = await asyncio.to_thread(read, draft.content)
    plan = await foresee(visit.user.firm_id, file.entries)
    lines = {entry.address_key: entry for entry in reversed(file.entries) if entry.address_key}
    staff = await staff_among(visit.user.firm_id, [key for key in lines if key])
    return visit.render(
        "import_preview.html",
        draft=draft,
        file=file,
        plan=plan,
        changes=plan.changes[:SHOWN],
        broken=file.broken[:BROKEN_SHOWN],
        staff=[entry for key, entry in sorted(lines.items(), key=lambda one: one[1].line) if key in staff],
        shared=[(lines[key], clients) for key, clients in plan.shared.items() if key not in staff],
        archived=plan.archived,
        shown=SHOWN,
    )


async def run(visit: Visit) -> Response:
    """Pressed twice it is done once, and both are told what was done."""
    draft_id, draft = number(await visit.field("draft")) or 0, await ImportDraft.of(visit.user, visit.now)
    if draft is None or draft.id != draft_id:
        return await _gone(visit, draft_id)
    file = await asyncio.to_thread(read, draft.content)
    if not file.entries:
        return to(PREVIEW)
    rest = FromDraft(draft.id, draft.name, len(file.broken), given_back(file) if file.broken else "")
    try:
        done = await import_entries(visit.user.firm_id, file.entries, visit.now, visit.user.id, rest)
    except DraftGone:
        return await _gone(visit, draft_id)
    return to(f"/clients/imports/{done.entry}")


async def result(visit: Visit) -> Response:
    entry: int = visit.request.path_params["entry"]
    done = await told(visit.user.firm_id, visit.user.id, entry) if entry < 2**63 else None
    if done is None or done.act != "imported":
        raise NotHere
    rest = await ImportDraft.of(visit.user, visit.now) if done.counts.get("left_out") else None
    return visit.render("import_result.html", done=done.counts, rest=rest)


async def broken_lines(visit: Visit) -> Response:
    """To be mended and handed in again, as the file was written: with its own columns, and what is wrong in one more."""
    draft = await ImportDraft.of(visit.user, visit.now)
    if draft is None:
        raise NotHere
    return _csv(given_back(await asyncio.to_thread(read, draft.content)), "lines-to-mend.csv")


async def discard(visit: Visit) -> Response:
    await ImportDraft.discard(visit.user, number(await visit.field("draft")) or 0)
    return to(HERE)


async def _handed_in(visit: Visit) -> tuple[str, bytes]:
    file = await visit.file("file")
    if file is None:
        return "Pasted lines", (await visit.field("pasted")).encode("utf-8", "replace")
    try:
        return file.filename or "", await file.read(LARGEST + 1)
    finally:
        await file.close()


async def _gone(visit: Visit, draft_id: int) -> Response:
    if entry := await imported_from(visit.user.firm_id, visit.user.id, draft_id):
        return to(f"/clients/imports/{entry}")
    says = "Nothing was imported: that file was thrown away, or another one was handed in meanwhile. Look at it before you import it."
    return await _page(visit, 409, refused=says)


async def _page(visit: Visit, status: int = 200, **more: Any) -> Response:
    draft = await ImportDraft.of(visit.user, visit.now)
    pasted = await visit.field("pasted") if status == 400 else ""
    facts = {"refused": "", "draft": draft, "pasted": pasted, "columns": COLUMNS, "most_lines": MOST_LINES}
    return visit.render("import.html", status, **facts | more)


def _csv(text: str, name: str) -> Response:
    """With a mark by which spreadsheets know that it is UTF-8."""
    body = ("\ufeff" + text.replace(UNREADABLE, "?")).encode("utf-8")
    return Response(body, media_type="text/csv; charset=utf-8", headers={"content-disposition": f'attachment; filename="{name}"'})
