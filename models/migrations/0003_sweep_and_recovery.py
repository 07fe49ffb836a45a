from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("models", "0002_indexes")]

    initial = False

    operations = [
        ops.CreateModel(
            name="ProjectState",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("day", fields.DateField(null=True)),
                ("day_units", fields.BigIntField(default=0, db_default=0)),
                ("minute_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("minute_units", fields.BigIntField(default=0, db_default=0)),
                ("fresh_after", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("sweep_after", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("bulk_after", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("watch_after", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "project_state",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One row. Google counts days from midnight in Los Angeles.",
            },
            bases=["Model"],
        ),
        ops.AlterModelOptions(
            name="Gap",
            options={
                "table": "gap",
                "app": "models",
                "pk_attr": "id",
                "table_description": "Worked off from its end to its beginning; how far is told by `listed_to`, so that a killed run costs one stretch.",
            },
        ),
        ops.AddField(
            model_name="Gap",
            name="found",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Gap",
            name="listed_to",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Gap",
            name="width_s",
            field=fields.IntField(default=86400, db_default=86400),
        ),
        ops.RemoveField(model_name="Gap", name="progress"),
        ops.AddField(
            model_name="LedgerEntry",
            name="strikes",
            field=fields.SmallIntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="audit_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="missed_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="missed_id",
            field=fields.DecimalField(null=True, max_digits=20, decimal_places=0),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="pushed_id",
            field=fields.DecimalField(null=True, max_digits=20, decimal_places=0),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="recover_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="throttled",
            field=fields.SmallIntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="watch_due_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="watch_failures",
            field=fields.SmallIntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="watch_trouble",
            field=fields.CharField(null=True, max_length=40),
        ),
        ops.AddField(
            model_name="Sweep",
            name="audited",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Sweep",
            name="filed",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Sweep",
            name="late",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Sweep",
            name="pushed",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Sweep",
            name="silent",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.RunSQL(
            [
                "UPDATE mailbox SET recover_at = now() WHERE id IN (SELECT mailbox_id FROM gap WHERE closed_at IS NULL)",
                "DROP INDEX ledger_entry_owed",
                "CREATE INDEX ledger_entry_owed ON ledger_entry (mailbox_id, (found_by = 'gap'), owed_at, id) WHERE owed_at IS NOT NULL",
                "CREATE INDEX ledger_entry_found_by_audit ON ledger_entry (found_at) WHERE found_by = 'audit'",
                "CREATE INDEX ledger_entry_prunable ON ledger_entry (settled_at) WHERE owed_at IS NULL AND outcome IN ('skipped', 'gone', 'withdrawn')",
                "CREATE INDEX mailbox_claimed ON mailbox (claimed_at) WHERE state = 'connected'",
                "CREATE INDEX mailbox_recover ON mailbox (recover_at) WHERE recover_at IS NOT NULL",
                "CREATE INDEX mailbox_audit ON mailbox (audit_at) WHERE state = 'connected'",
                "CREATE INDEX mailbox_watch_due ON mailbox (watch_due_at) WHERE state = 'connected'",
            ],
            reverse_sql=[
                "DROP INDEX ledger_entry_owed",
                "CREATE INDEX ledger_entry_owed ON ledger_entry (mailbox_id, owed_at, id) WHERE owed_at IS NOT NULL",
                "DROP INDEX ledger_entry_found_by_audit",
                "DROP INDEX ledger_entry_prunable",
                "DROP INDEX mailbox_claimed",
                "DROP INDEX mailbox_recover",
                "DROP INDEX mailbox_audit",
                "DROP INDEX mailbox_watch_due",
            ],
        ),
    ]
