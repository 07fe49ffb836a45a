"""Every metric of Postroom. Each process serves its own; Prometheus adds them up. No label grows with mailboxes, firms or messages."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

PUSHES = Counter("postroom_pushes_total", "Pushes from Google by what became of them", ["outcome"])
PUSH_TO_FILED = Histogram(
    "postroom_push_to_filed_seconds",
    "From a push heard to its mail filed",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 1800),
)
SYNCS = Counter("postroom_syncs_total", "Runs over a mailbox", ["queue", "trigger", "outcome"])
MESSAGES = Counter("postroom_messages_total", "Messages looked at, by what became of them and who found them", ["outcome", "finder"])
GMAIL_CALLS = Counter("postroom_gmail_calls_total", "Calls to Google by method and answer", ["method", "status"])
GMAIL_SECONDS = Histogram("postroom_gmail_call_seconds", "How long Google took to answer", ["method"])
JOBS = Counter("postroom_jobs_total", "Jobs that ended", ["actor", "outcome"])
JOB_SECONDS = Histogram("postroom_job_seconds", "How long a job took", ["actor"])

# Told by the reconcile process, which looks at the queues and the database on every tick. Registered there alone: elsewhere they would
# tell nothing but zeros, and the last sweep would seem to lie in 1970.
QUEUE_DEPTH = Gauge("postroom_queue_depth", "Jobs waiting", ["queue"], registry=None)
OLDEST_JOB = Gauge("postroom_queue_oldest_job_seconds", "Age of the oldest job that waits", ["queue"], registry=None)
LAST_SWEEP = Gauge("postroom_sweep_last_closed_timestamp_seconds", "When the last sweep was closed", registry=None)
SWEEP_FOUND = Gauge("postroom_sweep_found_messages", "Messages that the last closed sweep found and no push had", registry=None)
SWEEP_SECONDS = Gauge("postroom_sweep_tick_seconds", "How long the last look for due mailboxes took", registry=None)
PENDING = Gauge("postroom_pending_messages", "Messages that are owed a look", registry=None)
PARKED = Gauge("postroom_parked_messages", "Dead letters: messages that failed too often", registry=None)
GAPS = Gauge("postroom_open_gaps", "Stretches of time that are owed a listing by date", registry=None)
MAILBOXES = Gauge("postroom_mailboxes", "Mailboxes by state", ["state"], registry=None)


def tell_sweep() -> None:
    """Registers what only the reconcile process tells. Once a process."""
    for gauge in (QUEUE_DEPTH, OLDEST_JOB, LAST_SWEEP, SWEEP_FOUND, SWEEP_SECONDS, PENDING, PARKED, GAPS, MAILBOXES):
        REGISTRY.register(gauge)
