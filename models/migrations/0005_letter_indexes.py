from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Indexes on parts of tables, which the models cannot say: letters that wait, and lapses of late."""

    dependencies = [("models", "0004_connect_lapse_reconnect")]

    operations = [
        ops.RunSQL(
            [
                "CREATE INDEX notice_due ON notice (due_at) WHERE sent_at IS NULL AND dropped_at IS NULL",
                "CREATE INDEX mailbox_lapsed ON mailbox (lapsed_at) WHERE lapsed_at IS NOT NULL",
            ],
            reverse_sql=["DROP INDEX notice_due", "DROP INDEX mailbox_lapsed"],
        )
    ]
