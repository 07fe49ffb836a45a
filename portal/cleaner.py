"""Cleans a mail in a process of its own, on a short allowance: HTML made to hurt ends with that process.

Measured: 200,000 nested boxes take two minutes; formatting that every paragraph takes up again makes 400 million elements of a megabyte.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from portal.mail_html import LARGEST

ALLOWANCE = 2  # seconds of one core; the longest honest mail takes a fifth of it
PATIENCE = 10.0  # seconds on a machine that is busy with other things
PROGRAM = "import sys; sys.path.append(sys.argv[1]); from portal.mail_html import main; main()"
CHECKOUT = str(Path(__file__).parent.parent)


async def cleaned(source: str, inline: Mapping[str, str] | None = None, *, remote: bool = False, allowance: int = ALLOWANCE) -> str | None:
    """The document for the frame; None if it cannot be made within the allowance. The rest is as in `mail_html.clean`."""
    html = source[:LARGEST].encode(errors="replace").decode()
    child = await asyncio.create_subprocess_exec(
        # -I: with nothing of our environment.
        *(sys.executable, "-I", "-c", PROGRAM, CHECKOUT, str(allowance)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        asked = json.dumps({"html": html, "inline": dict(inline or {}), "remote": remote})
        document, _ = await asyncio.wait_for(child.communicate(asked.encode()), PATIENCE)
    except TimeoutError:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    return document.decode() if child.returncode == 0 else None
