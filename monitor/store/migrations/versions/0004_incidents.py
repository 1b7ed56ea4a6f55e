"""Incidents with their steps, hooks, threads and pictures, an outbox for all of them, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Whoever may change the schema can take these away; the log's chain of hashes shows what is done then.
_APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log can only grow'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log can only grow' USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$",
        "CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()",
    ],
}


def upgrade() -> None:
    """Add what alerts that end in action need."""
    op.create_table(
        "audit",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("via", sa.String(length=40), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=400), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_hash")),
    )
    for statement in _APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)
    op.create_table(
        "incident",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("suite", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    with op.batch_alter_table("incident", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_incident_target_suite_opened_at"), ["target", "suite", "opened_at"], unique=False
        )
        batch_op.create_index(
            "uq_incident_open",
            ["target", "suite"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "incident_event",
        sa.Column("id", Id, nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_incident_event_incident_id_incident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_event")),
    )
    with op.batch_alter_table("incident_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incident_event_incident_id"), ["incident_id"], unique=False)

    op.create_table(
        "thread",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=120), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_thread_incident_id_incident")),
        sa.PrimaryKeyConstraint("incident_id", "channel", name=op.f("pk_thread")),
    )
    op.create_table(
        "hook",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("suite", sa.String(length=200), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=True),
        sa.Column("verdict_id", Id, nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("baseline_id", Id, nullable=True),
        sa.Column("fallback", sa.String(length=200), nullable=True),
        sa.Column("nonce", sa.String(length=64), nullable=True),
        sa.Column("token", sa.String(length=64), nullable=True),
        sa.Column("event", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_hook_incident_id_incident")),
        sa.ForeignKeyConstraint(["verdict_id"], ["verdict.id"], name=op.f("fk_hook_verdict_id_verdict")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hook")),
    )
    with op.batch_alter_table("hook", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hook_incident_id"), ["incident_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hook_state_expires_at"), ["state", "expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_hook_target_action"), ["target", "action"], unique=False)

    op.create_table(
        "picture",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.Column("alt", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_picture_alert_id_alert")),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_picture")),
    )
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.add_column(sa.Column("incident_id", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("route", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("why", sa.Text(), nullable=True))
        batch_op.create_index(batch_op.f("ix_alert_incident_id"), ["incident_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_alert_incident_id_incident"), "incident", ["incident_id"], ["id"])

    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hook_id", sa.String(length=36), nullable=True))
        # What waits already is a message itself, and stands in its target's line.
        batch_op.add_column(sa.Column("part", sa.String(length=20), nullable=False, server_default="post"))
        batch_op.add_column(sa.Column("line", sa.String(length=200), nullable=False, server_default=""))
        batch_op.alter_column("alert_id", existing_type=sa.VARCHAR(length=36), nullable=True)
        batch_op.alter_column(
            "channel", existing_type=sa.VARCHAR(length=40), type_=sa.String(length=120), existing_nullable=False
        )
        batch_op.drop_constraint(batch_op.f("uq_outbox_alert_id_channel"), type_="unique")
        batch_op.create_index(batch_op.f("ix_outbox_state_channel_line"), ["state", "channel", "line"], unique=False)
        batch_op.create_unique_constraint(
            batch_op.f("uq_outbox_alert_id_channel_part"), ["alert_id", "channel", "part"]
        )
        batch_op.create_unique_constraint(batch_op.f("uq_outbox_hook_id"), ["hook_id"])
        batch_op.create_foreign_key(batch_op.f("fk_outbox_hook_id_hook"), "hook", ["hook_id"], ["id"])

    op.execute("UPDATE outbox SET line = (SELECT alert.target FROM alert WHERE alert.id = outbox.alert_id)")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.alter_column("part", existing_type=sa.String(length=20), server_default=None)
        batch_op.alter_column("line", existing_type=sa.String(length=200), server_default=None)
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.add_column(sa.Column("incident_id", sa.String(length=36), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_run_target_suite_slot"), type_="unique")
        batch_op.create_index(batch_op.f("ix_run_incident_id"), ["incident_id"], unique=False)
        batch_op.create_unique_constraint(
            batch_op.f("uq_run_target_suite_slot_kind"), ["target", "suite", "slot", "kind"]
        )
