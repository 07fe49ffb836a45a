"""Cleans a mail in a process of its own, on a short allowance: HTML made to hurt ends with that process.

Measured: 200,000 nested boxes take two minutes; formatting that every paragraph takes up again makes 400 million elements of a megabyte.
"""

import asyncio
import contextlib
import sys

from portal import mail_html

ALLOWANCE = 2  # seconds of one core; the longest honest mail takes a tenth of one
PATIENCE = 10.0  # seconds on a machine that is busy with other things


async def cleaned(source: str, allowance: int = ALLOWANCE) -> str | None:
    """The document for the frame; None if it cannot be made within the allowance."""
    child = await asyncio.create_subprocess_exec(
        # -I: by its path alone, with nothing of our environment; the file needs nothing of ours.
        *(sys.executable, "-I", mail_html.__file__, str(allowance)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        document, _ = await asyncio.wait_for(child.communicate(source[: mail_html.LARGEST].encode(errors="replace")), PATIENCE)
    except TimeoutError:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    return document.decode() if child.returncode == 0 else None
