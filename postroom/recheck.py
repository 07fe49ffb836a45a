"""After a surge of lapses: Google is asked once more for each, and whoever's grant still works is connected again."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Literal

from gmail.errors import AccessRevoked, GmailTrouble, NotAllowed
from gmail.vault import VaultTrouble
from models.leases import LeaseLost
from models.revival import Lapsed, lapsed_since, revive
from pipeline.tools import Tools

AT_ONCE = 8  # few: this is behind nobody's new mail
Found = Literal["alive", "dead", "unknown", "changed"]


async def recheck(since: datetime, tools: Tools) -> Counter[Found]:
    """Each mailbox that lapsed since then. `unknown`: Google did not answer, or its answer says nothing of the grant; ask again later.
    `changed`: its person was faster. Safe to run twice."""
    slots, found = asyncio.Semaphore(AT_ONCE), Counter[Found]()

    async def ask(lapsed: Lapsed) -> None:
        async with slots:
            found[await _asked(lapsed, tools)] += 1

    async with asyncio.TaskGroup() as asking:
        for lapsed in await lapsed_since(since):
            asking.create_task(ask(lapsed))
    return found


async def _asked(lapsed: Lapsed, tools: Tools) -> Found:
    """A new access token, and Gmail with it: a grant that lives may still not reach the mailbox."""
    try:
        await tools.connection(lapsed.mailbox_id, lapsed.epoch).profile()
    except (AccessRevoked, NotAllowed):
        return "dead"
    except (GmailTrouble, VaultTrouble):
        return "unknown"
    except LeaseLost:
        return "changed"
    return "alive" if await revive(lapsed.mailbox_id, lapsed.epoch, await tools.clock()) else "changed"
