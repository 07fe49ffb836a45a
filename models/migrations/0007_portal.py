from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    """What the pages need: mails that can be searched and edited, files that are kept, and what a firm and its people choose."""

    dependencies = [("models", "0006_whose_mail")]

    initial = False

    operations = [
        ops.CreateModel(
            name="DiscardedFile",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("stored_as", fields.TextField(unique=False)),
                ("discarded_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "discarded_file",
                "table_description": "A file whose attachment is gone, to be deleted: the database writes it down when the row goes, whatever took it away.",
                "app": "models",
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ImportDraft",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "firm",
                    fields.ForeignKeyField(
                        "models.Firm", source_field="firm_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                (
                    "user",
                    fields.ForeignKeyField(
                        "models.User",
                        source_field="user_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="import_drafts",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("name", fields.TextField(unique=False)),
                ("content", fields.TextField(unique=False)),
                ("handed_in_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "import_draft", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Activity",
            name="edition",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Activity",
            name="text",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="Attachment",
            name="missing",
            field=fields.CharField(null=True, max_length=20),
        ),
        ops.AddField(
            model_name="Attachment",
            name="next_attempt_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Attachment",
            name="owed_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Attachment",
            name="stored_as",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="Attachment",
            name="tries",
            field=fields.SmallIntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Email",
            name="names",
            field=fields.TextField(default="", db_default="", unique=False),
        ),
        ops.AddField(
            model_name="Firm",
            name="keep_attachments",
            field=fields.BooleanField(default=True, db_default=True),
        ),
        ops.AddField(
            model_name="Firm",
            name="retention_days",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="LedgerEntry",
            name="wanted_by",
            field=fields.ForeignKeyField(
                "models.User", source_field="wanted_by_id", null=True, db_constraint=True, to_field="id", on_delete=OnDelete.SET_NULL
            ),
        ),
        ops.AddField(
            model_name="LedgerEntry",
            name="wanted_for",
            field=fields.ForeignKeyField(
                "models.Client", source_field="wanted_for_id", null=True, db_constraint=True, to_field="id", on_delete=OnDelete.SET_NULL
            ),
        ),
        ops.AddField(
            model_name="User",
            name="time_zone",
            field=fields.CharField(null=True, max_length=64),
        ),
        ops.RunSQL(
            [
                # A tsvector holds a megabyte at most: what is searched ends before. Its parser would keep hosts, addresses and numbers whole:
                # here each of their parts is a word, as models/mail_search.py asks for them.
                """
                UPDATE email e SET names = left(concat_ws(' ',
                (SELECT string_agg(concat_ws(' ', p.name, p.address), ' ' ORDER BY p.id) FROM participant p WHERE p.email_id = e.id),
                (SELECT string_agg(f.filename, ' ' ORDER BY f.id) FROM attachment f WHERE f.email_id = e.id)), 20000)
                WHERE erased_at IS NULL
                """,
                """
                ALTER TABLE email ADD COLUMN words tsvector GENERATED ALWAYS AS
                (to_tsvector('simple', translate(left(subject, 2000) || ' ' || left(names, 20000) || ' ' || left(text, 80000), '-_/@.', '     ')))
                STORED
                """,
                "CREATE INDEX email_words ON email USING gin (words)",
                "CREATE INDEX activity_edited ON activity (firm_id) WHERE edition > 0",
                "CREATE INDEX attachment_owed ON attachment (email_id) WHERE owed_at IS NOT NULL",
                "CREATE INDEX ledger_entry_wanted ON ledger_entry (mailbox_id) WHERE wanted_for_id IS NOT NULL",
                # A file's last trace is its row: whatever takes the row away, what is left to delete is written down in the same transaction.
                """
                CREATE FUNCTION discard_file() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO discarded_file (stored_as, discarded_at) VALUES (OLD.stored_as, now()); RETURN NULL; END $$
                """,
                """
                CREATE TRIGGER attachment_discarded AFTER DELETE ON attachment FOR EACH ROW
                WHEN (OLD.stored_as IS NOT NULL) EXECUTE FUNCTION discard_file()
                """,
                # What was filed before files were kept is fetched now.
                "UPDATE attachment SET owed_at = now()",
            ],
            reverse_sql=[
                "DROP INDEX ledger_entry_wanted",
                "DROP INDEX attachment_owed",
                "DROP INDEX activity_edited",
                "DROP TRIGGER attachment_discarded ON attachment",
                "DROP FUNCTION discard_file",
                "ALTER TABLE email DROP COLUMN words",
            ],
        ),
    ]
