"""The jobs of the sweep's own chores, on the pipeline's broker. Only declared here: what they call is imported when they run."""

import dramatiq

from pipeline.jobs import BEHIND, BROKER, BULK, SWEEP, queue_the_rest

__all__ = ["BROKER", "audit_mailbox", "part_mailboxes", "renew_watches"]


@dramatiq.actor(queue_name=SWEEP)
async def renew_watches(mailbox_ids: list[int], trace: str) -> None:
    """Google is asked to go on pushing for these mailboxes: one after the other, as nothing is lost while they wait."""
    from pipeline.tools import tools
    from reconcile.watches import renew

    await renew(mailbox_ids, trace, tools())


@dramatiq.actor(queue_name=SWEEP)
async def part_mailboxes(mailbox_ids: list[int], trace: str) -> None:
    """Google is told of connections that are over."""
    from pipeline.connection import Connections
    from pipeline.tools import tools
    from telemetry.logs import correlation

    correlation(trace)
    connections = Connections.of(tools())
    for mailbox_id in mailbox_ids:
        await connections.part(mailbox_id)


@dramatiq.actor(queue_name=BULK, priority=BEHIND)
async def audit_mailbox(mailbox_id: int, trace: str) -> None:
    """What Gmail shows of the last days is compared with the ledger."""
    from pipeline.tools import tools
    from reconcile.audit import audit

    await queue_the_rest([(mailbox_id, await audit(mailbox_id, trace, tools()))], trace)
