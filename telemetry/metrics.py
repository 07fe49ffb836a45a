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
GMAIL_UNITS = Counter("postroom_gmail_units_total", "Quota units spent, by method", ["method"])
GAPS_OPENED = Counter("postroom_gaps_opened_total", "Stretches of time that history did not tell", ["reason"])
LAPSES = Counter("postroom_lapses_total", "Mailboxes whose access ended", ["reason"])
OPERATOR_FAULTS = Counter("postroom_operator_faults_total", "Refusals that only the operator of this deployment can mend", ["fault"])
THROTTLED = Counter("postroom_throttled_total", "Times that Google asked to wait", ["of"])
WATCHES = Counter("postroom_watches_total", "Watches asked for, by what came of it", ["outcome"])
AUDITS = Counter("postroom_audits_total", "Audits by what came of them", ["outcome"])
AUDIT_FOUND = Counter("postroom_audit_found_messages_total", "Messages that only an audit found: losses that were healed")
WITHDRAWN = Counter("postroom_withdrawn_messages_total", "Messages whose text was erased, as they were put away right after they came")
ERASED = Counter("postroom_erased_emails_total", "E-mails whose content was erased, as a person had dismissed them")
ANSWERS = Counter(
    "postroom_answers_total", "Questions answered: how often the guess was right, and how often it was taken back", ["outcome"]
)
DOOR_REFUSALS = Counter("postroom_door_refusals_total", "Tries to sign in that came too often, by what was asked for", ["of"])
LETTERS = Counter("postroom_letters_total", "Letters by kind and what became of a try to send one", ["kind", "outcome"])
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
SILENT = Gauge("postroom_push_silent_mailboxes", "Mailboxes where the sweep found what no push has told of since", registry=None)
PUSH_DEAD = Gauge("postroom_push_dead", "1 if the sweep finds mail and no push comes for anybody", registry=None)
LATE = Gauge("postroom_late_mailboxes", "Mailboxes that nobody looked at for an interval and a half", registry=None)
UNWATCHED = Gauge("postroom_unwatched_mailboxes", "Connected mailboxes without a watch", registry=None)
SOONEST_EXPIRY = Gauge("postroom_watch_soonest_expiry_timestamp_seconds", "When the first watch ends", registry=None)
LAPSE_SURGE = Gauge("postroom_lapse_surge", "1 if so many mailboxes lapsed within an hour that it is no doing of theirs", registry=None)
DAY_UNITS = Gauge("postroom_gmail_day_units", "Quota units spent since midnight in Los Angeles, where Google's day begins", registry=None)
DAY_SHARE = Gauge("postroom_gmail_day_budget_ratio", "Share of the daily budget that is spent", registry=None)
COOLING = Gauge("postroom_project_cool_down_seconds", "How long Google wants no calls of the whole project", registry=None)
LETTERS_DUE = Gauge("postroom_letters_due", "Letters that are due and not sent", registry=None)
LETTERS_HELD = Gauge("postroom_letters_held", "Those of them that are held back until an operator has looked", registry=None)
MAILBOXES = Gauge("postroom_mailboxes", "Mailboxes by state", ["state"], registry=None)


TOLD_BY_RECONCILE = (
    *(QUEUE_DEPTH, OLDEST_JOB, LAST_SWEEP, SWEEP_FOUND, SWEEP_SECONDS, PENDING, PARKED, GAPS, MAILBOXES),
    *(SILENT, PUSH_DEAD, LATE, UNWATCHED, SOONEST_EXPIRY, LAPSE_SURGE, DAY_UNITS, DAY_SHARE, COOLING),
    *(LETTERS_DUE, LETTERS_HELD),
)


def tell_sweep() -> None:
    """Registers what only the reconcile process tells. Once a process."""
    for gauge in TOLD_BY_RECONCILE:
        REGISTRY.register(gauge)
