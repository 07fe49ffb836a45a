from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from json import dumps, loads
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index


class Migration(migrations.Migration):
    dependencies = [("models", "0005_letter_indexes")]

    initial = False

    operations = [
        ops.CreateModel(
            name="AuditEntry",
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
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="acts",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("act", fields.CharField(max_length=20)),
                ("email_id", fields.BigIntField(null=True)),
                ("before", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("after", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
            ],
            options={
                "table": "audit_entry",
                "app": "models",
                "indexes": [Index(fields=["email_id"]), Index(fields=["firm_id", "at"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="NeverFile",
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
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="never_files",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("pattern", fields.CharField(max_length=320)),
                (
                    "added_by",
                    fields.ForeignKeyField(
                        "models.User",
                        source_field="added_by_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("added_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "never_file", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OwnDomain",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "firm",
                    fields.ForeignKeyField(
                        "models.Firm", source_field="firm_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("domain", fields.CharField(max_length=255)),
            ],
            options={
                "table": "own_domain",
                "app": "models",
                "unique_together": (("firm", "domain"),),
                "pk_attr": "id",
                "table_description": "Who writes from there is the firm's own staff.",
            },
            bases=["Model"],
        ),
        ops.AlterModelOptions(
            name="Activity",
            options={
                "table": "activity",
                "app": "models",
                "unique_together": (("email", "client"),),
                "indexes": [Index(fields=["client_id", "sent_at"]), Index(fields=["firm_id", "filed_at"])],
                "pk_attr": "id",
                "table_description": "An e-mail under a client. A dismissed one is kept: it says that a person, or a decision for another client, refused this one, and",
            },
        ),
        ops.AddField(
            model_name="Activity",
            name="how",
            field=fields.CharField(default="certain", db_default="certain", max_length=10),
        ),
        ops.AddField(
            model_name="Client",
            name="archived_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Email",
            name="dismissed_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Email",
            name="erased_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Email",
            name="kind",
            field=fields.CharField(default="mail", db_default="mail", max_length=10),
        ),
        ops.AddField(
            model_name="Email",
            name="trust",
            field=fields.CharField(default="unknown", db_default="unknown", max_length=10),
        ),
        ops.AddField(
            model_name="Email",
            name="version",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddIndex(
            model_name="Email",
            index=Index(fields=["firm_id", "thread_root"]),
        ),
        ops.AddField(
            model_name="Firm",
            name="past_days",
            field=fields.SmallIntField(default=90, db_default=90),
        ),
        ops.AddField(
            model_name="Gap",
            name="addresses",
            field=fields.JSONField(null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
        ),
        ops.AddField(
            model_name="Gap",
            name="due_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Gap",
            name="rounds",
            field=fields.SmallIntField(default=1, db_default=1),
        ),
        ops.AddField(
            model_name="Participant",
            name="key",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddIndex(
            model_name="Participant",
            index=Index(fields=["key", "email_id"]),
        ),
        ops.AddField(
            model_name="Review",
            name="decided_by",
            field=fields.ForeignKeyField(
                "models.User",
                source_field="decided_by_id",
                null=True,
                db_constraint=True,
                to_field="id",
                related_name="answered",
                on_delete=OnDelete.CASCADE,
            ),
        ),
        ops.AddField(
            model_name="Review",
            name="holder",
            field=fields.ForeignKeyField(
                "models.User",
                source_field="holder_id",
                null=True,
                db_constraint=True,
                to_field="id",
                related_name="handed",
                on_delete=OnDelete.CASCADE,
            ),
        ),
        ops.AddField(
            model_name="Review",
            name="outcome",
            field=fields.CharField(null=True, max_length=12),
        ),
        ops.AddField(
            model_name="Review",
            name="quiet",
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.RunSQL(
            [
                "CREATE UNIQUE INDEX never_file_once ON never_file (firm_id, coalesce(user_id, 0), pattern)",
                "CREATE INDEX email_to_be_erased ON email (dismissed_at, id) WHERE dismissed_at IS NOT NULL AND erased_at IS NULL",
                # Nearly the key that is written from now on: a guess finds the mail of before by it.
                "UPDATE participant SET key = lower(address) WHERE address LIKE '%_@_%'",
            ],
            reverse_sql=["DROP INDEX never_file_once", "DROP INDEX email_to_be_erased"],
        ),
    ]
