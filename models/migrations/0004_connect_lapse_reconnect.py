from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("models", "0003_sweep_and_recovery")]

    initial = False

    operations = [
        ops.CreateModel(
            name="AllowedAddress",
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
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="allowed_addresses",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("address", fields.CharField(max_length=320)),
                ("address_key", fields.CharField(max_length=320)),
            ],
            options={
                "table": "allowed_address",
                "app": "models",
                "unique_together": (("firm", "address_key"),),
                "pk_attr": "id",
                "table_description": "A shared mailbox, such as accounts@, that an admin lets a user connect: one user of the firm.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Notice",
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
                        "models.User", source_field="user_id", db_index=True, db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                (
                    "mailbox",
                    fields.ForeignKeyField(
                        "models.Mailbox",
                        source_field="mailbox_id",
                        null=True,
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("epoch", fields.IntField(null=True)),
                ("kind", fields.CharField(max_length=20)),
                ("key", fields.CharField(unique=True, max_length=120)),
                ("day", fields.SmallIntField(default=0, db_default=0)),
                ("since", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("by", fields.CharField(default="", db_default="", max_length=200)),
                ("message_id", fields.CharField(max_length=200)),
                ("owed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("due_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("tries", fields.SmallIntField(default=0, db_default=0)),
                ("claimed_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("sent_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("dropped_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("dropped_because", fields.CharField(null=True, max_length=40)),
            ],
            options={"table": "notice", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Turn",
            fields=[
                ("google_sub", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("owner", fields.CharField(max_length=32)),
                ("until", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "turn", "app": "models", "pk_attr": "google_sub"},
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Firm",
            name="provider_off_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="away_since",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="digested_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="former_key",
            field=fields.CharField(null=True, db_index=True, max_length=320),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="parting_at",
            field=fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="parting_since",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="stopped_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="test_push_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="test_push_id",
            field=fields.DecimalField(null=True, max_digits=20, decimal_places=0),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="unwanted_from",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Mailbox",
            name="unwanted_until",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AlterModelOptions(
            name="OAuthAttempt",
            options={
                "table": "oauth_attempt",
                "app": "models",
                "pk_attr": "state_hash",
                "table_description": "Its `state` is single-use and bound to the browser that began it, and where somebody is signed in, to them.",
            },
        ),
        ops.AlterField(
            model_name="OAuthAttempt",
            name="user",
            field=fields.ForeignKeyField(
                "models.User", source_field="user_id", null=True, db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
            ),
        ),
        ops.AddField(
            model_name="OAuthAttempt",
            name="address",
            field=fields.CharField(default="", db_default="", max_length=320),
        ),
        ops.AddField(
            model_name="OAuthAttempt",
            name="again",
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.AddField(
            model_name="OAuthAttempt",
            name="days",
            field=fields.SmallIntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="OAuthAttempt",
            name="in_between",
            field=fields.BooleanField(default=True, db_default=True),
        ),
        ops.AddField(
            model_name="OAuthAttempt",
            name="next",
            field=fields.CharField(default="/", db_default="/", max_length=500),
        ),
        ops.AddField(
            model_name="OAuthAttempt",
            name="purpose",
            field=fields.CharField(default="connect", db_default="connect", max_length=10),
        ),
        ops.AddField(
            model_name="ProjectState",
            name="client_refused_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="ProjectState",
            name="letters_held_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="ProjectState",
            name="surge_seen_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="User",
            name="invited_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="User",
            name="left_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
