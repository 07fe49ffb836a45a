from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from json import dumps, loads
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Firm",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("name", fields.CharField(unique=True, max_length=200)),
                ("provider", fields.CharField(default="google", max_length=20)),
                ("file_all_sent", fields.BooleanField(default=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={"table": "firm", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Client",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "firm",
                    fields.ForeignKeyField(
                        "models.Firm", source_field="firm_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("external_id", fields.CharField(max_length=100)),
                ("name", fields.CharField(max_length=200)),
                ("number", fields.CharField(default="", max_length=50)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={"table": "client", "app": "models", "unique_together": (("firm", "external_id"),), "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Contact",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "firm",
                    fields.ForeignKeyField(
                        "models.Firm", source_field="firm_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("name", fields.CharField(max_length=200)),
            ],
            options={"table": "contact", "app": "models", "indexes": [Index(fields=["firm_id", "name"])], "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ClientContact",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "client",
                    fields.ForeignKeyField(
                        "models.Client",
                        source_field="client_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="contacts",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "contact",
                    fields.ForeignKeyField(
                        "models.Contact",
                        source_field="contact_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="clients",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("nominated", fields.BooleanField(default=False)),
            ],
            options={"table": "client_contact", "app": "models", "unique_together": (("contact", "client"),), "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ContactAddress",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "firm",
                    fields.ForeignKeyField(
                        "models.Firm", source_field="firm_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                (
                    "contact",
                    fields.ForeignKeyField(
                        "models.Contact",
                        source_field="contact_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="addresses",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("address", fields.CharField(max_length=320)),
                ("address_key", fields.CharField(max_length=320)),
            ],
            options={
                "table": "contact_address",
                "app": "models",
                "unique_together": (("firm", "address_key", "contact"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Email",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "firm",
                    fields.ForeignKeyField(
                        "models.Firm", source_field="firm_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("identity", fields.CharField(max_length=64)),
                ("message_id", fields.TextField(null=True, unique=False)),
                ("thread_root", fields.TextField(unique=False)),
                ("outgoing", fields.BooleanField()),
                ("subject", fields.TextField(unique=False)),
                ("text", fields.TextField(unique=False)),
                ("html", fields.TextField(null=True, unique=False)),
                ("headers", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("sent_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("filed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "email", "app": "models", "unique_together": (("firm", "identity"),), "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Attachment",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "email",
                    fields.ForeignKeyField(
                        "models.Email",
                        source_field="email_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="attachments",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("part_id", fields.CharField(max_length=40)),
                ("filename", fields.TextField(unique=False)),
                ("mime_type", fields.TextField(unique=False)),
                ("size", fields.BigIntField()),
                ("content_id", fields.TextField(null=True, unique=False)),
            ],
            options={"table": "attachment", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Participant",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "email",
                    fields.ForeignKeyField(
                        "models.Email",
                        source_field="email_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="participants",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("header", fields.CharField(max_length=10)),
                ("position", fields.SmallIntField()),
                ("name", fields.TextField(unique=False)),
                ("address", fields.TextField(unique=False)),
            ],
            options={"table": "participant", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Review",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "firm",
                    fields.ForeignKeyField(
                        "models.Firm", source_field="firm_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                (
                    "email",
                    fields.OneToOneField(
                        "models.Email",
                        source_field="email_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="review",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("candidates", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("asked_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("decided_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "review",
                "app": "models",
                "pk_attr": "id",
                "table_description": "The one question of an e-mail: which of these clients?",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Sweep",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("opened_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("closed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("queued", fields.IntField(default=0, db_default=0)),
                ("pending", fields.IntField(default=0, db_default=0)),
                ("found", fields.IntField(default=0, db_default=0)),
            ],
            options={
                "table": "sweep",
                "app": "models",
                "pk_attr": "id",
                "table_description": "One interval. The open one has no end; closing it is a compare-and-set, so that several reconcile processes make one row.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="User",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "firm",
                    fields.ForeignKeyField(
                        "models.Firm", source_field="firm_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("email", fields.CharField(max_length=320)),
                ("email_key", fields.CharField(unique=True, max_length=320)),
                ("name", fields.CharField(max_length=200)),
                ("role", fields.CharField(default="staff", max_length=10)),
                ("active", fields.BooleanField(default=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={"table": "app_user", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Activity",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "firm",
                    fields.ForeignKeyField(
                        "models.Firm", source_field="firm_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                (
                    "email",
                    fields.ForeignKeyField(
                        "models.Email",
                        source_field="email_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="activities",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "client",
                    fields.ForeignKeyField(
                        "models.Client",
                        source_field="client_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="activities",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("status", fields.CharField(max_length=10)),
                ("reason", fields.TextField(unique=False)),
                ("sent_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("filed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "decided_by",
                    fields.ForeignKeyField(
                        "models.User",
                        source_field="decided_by_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("decided_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("title", fields.TextField(null=True, unique=False)),
                ("note", fields.TextField(null=True, unique=False)),
                ("private", fields.BooleanField(default=False, db_default=False)),
            ],
            options={
                "table": "activity",
                "app": "models",
                "unique_together": (("email", "client"),),
                "indexes": [Index(fields=["client_id", "sent_at"]), Index(fields=["firm_id", "filed_at"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Mailbox",
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
                        related_name="mailboxes",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("google_sub", fields.CharField(max_length=255)),
                ("address", fields.CharField(max_length=320)),
                ("address_key", fields.CharField(db_index=True, max_length=320)),
                ("state", fields.CharField(max_length=15)),
                ("epoch", fields.IntField(default=1)),
                ("refresh_token", fields.TextField(null=True, unique=False)),
                ("access_token", fields.TextField(null=True, unique=False)),
                ("access_expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("cursor", fields.DecimalField(max_digits=20, decimal_places=0)),
                ("head", fields.DecimalField(null=True, max_digits=20, decimal_places=0)),
                ("head_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("history_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("started_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("watch_expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("lease_owner", fields.CharField(null=True, max_length=32)),
                ("lease_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("cool_down_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("next_attempt_at", fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                ("failures", fields.SmallIntField(default=0, db_default=0)),
                ("connected_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("claimed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("last_checked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("last_push_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("last_filed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("lapsed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("lapse_reason", fields.CharField(null=True, max_length=40)),
            ],
            options={"table": "mailbox", "app": "models", "unique_together": (("firm", "google_sub"),), "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Gap",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "mailbox",
                    fields.ForeignKeyField(
                        "models.Mailbox", source_field="mailbox_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("since", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("until", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("reason", fields.CharField(max_length=40)),
                ("progress", fields.TextField(null=True, unique=False)),
                ("opened_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("closed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={"table": "gap", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="LedgerEntry",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "mailbox",
                    fields.ForeignKeyField(
                        "models.Mailbox", source_field="mailbox_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("gmail_id", fields.CharField(max_length=64)),
                ("outcome", fields.CharField(null=True, max_length=10)),
                ("reason", fields.CharField(null=True, max_length=60)),
                ("found_by", fields.CharField(max_length=10)),
                ("found_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("owed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("next_attempt_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("tries", fields.SmallIntField(default=0, db_default=0)),
                ("missing_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("seen_history_id", fields.DecimalField(max_digits=20, decimal_places=0)),
                ("view_history_id", fields.DecimalField(null=True, max_digits=20, decimal_places=0)),
                ("settled_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "ledger_entry",
                "app": "models",
                "unique_together": (("mailbox", "gmail_id"),),
                "pk_attr": "id",
                "table_description": "Outcome and debt are separate: a change in Gmail sets the debt (`owed_at`), never the outcome.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OAuthAttempt",
            fields=[
                ("state_hash", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ("session_hash", fields.CharField(max_length=64)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "models.User", source_field="user_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("code_verifier", fields.TextField(unique=False)),
                ("nonce", fields.CharField(max_length=64)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("used_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "oauth_attempt",
                "app": "models",
                "pk_attr": "state_hash",
                "table_description": "One click on Connect Google: its `state` is single-use and bound to session, user and firm.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Receipt",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "email",
                    fields.ForeignKeyField(
                        "models.Email",
                        source_field="email_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="receipts",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "mailbox",
                    fields.ForeignKeyField(
                        "models.Mailbox", source_field="mailbox_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("gmail_id", fields.CharField(max_length=64)),
                ("gmail_thread_id", fields.CharField(max_length=64)),
                ("received_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "receipt",
                "app": "models",
                "unique_together": (("mailbox", "gmail_id"),),
                "pk_attr": "id",
                "table_description": "Which mailbox holds the e-mail, and under which of Gmail's ids.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                ("token_hash", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "models.User", source_field="user_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "session", "app": "models", "pk_attr": "token_hash"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SignInLink",
            fields=[
                ("token_hash", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "models.User", source_field="user_id", db_constraint=True, to_field="id", on_delete=OnDelete.CASCADE
                    ),
                ),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("used_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("mailed", fields.BooleanField()),
            ],
            options={"table": "sign_in_link", "app": "models", "pk_attr": "token_hash"},
            bases=["Model"],
        ),
    ]
