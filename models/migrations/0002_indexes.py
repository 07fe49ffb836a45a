from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Indexes on parts of tables, which the models cannot say: they stay small however long the tables grow."""

    dependencies = [("models", "0001_initial")]

    operations = [
        ops.RunSQL(
            [
                "CREATE INDEX ledger_entry_owed ON ledger_entry (mailbox_id, owed_at, id) WHERE owed_at IS NOT NULL",
                "CREATE INDEX ledger_entry_found_by_sweep ON ledger_entry (found_at) WHERE found_by = 'sweep'",
                "CREATE INDEX ledger_entry_parked ON ledger_entry (mailbox_id) WHERE outcome = 'parked'",
                "CREATE INDEX mailbox_leased ON mailbox (lease_until) WHERE lease_until IS NOT NULL",
                "CREATE INDEX gap_open ON gap (mailbox_id) WHERE closed_at IS NULL",
                "CREATE INDEX review_open ON review (firm_id, asked_at) WHERE decided_at IS NULL",
                "CREATE UNIQUE INDEX sweep_open ON sweep ((closed_at IS NULL)) WHERE closed_at IS NULL",
            ],
            reverse_sql=[
                "DROP INDEX ledger_entry_owed",
                "DROP INDEX ledger_entry_found_by_sweep",
                "DROP INDEX ledger_entry_parked",
                "DROP INDEX mailbox_leased",
                "DROP INDEX gap_open",
                "DROP INDEX review_open",
                "DROP INDEX sweep_open",
            ],
        )
    ]
