"""What a daemon needs: leases, who asked for a run, what runs have used, and alerts that no verdict caused."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ANSWERED = """
INSERT INTO usage (run_id, outcome, calls, input_tokens, output_tokens, usd)
SELECT a.run_id, 'answered', COUNT(*), COALESCE(SUM(a.input_tokens), 0), COALESCE(SUM(a.output_tokens), 0), SUM(a.usd)
FROM answer a JOIN run r ON r.id = a.run_id WHERE r.state = 'done' GROUP BY a.run_id
"""
_RETRIED = """
INSERT INTO usage (run_id, outcome, calls, input_tokens, output_tokens, usd)
SELECT a.run_id, 'retried', SUM(a.attempts - 1), 0, 0, NULL
FROM answer a JOIN run r ON r.id = a.run_id WHERE r.state = 'done' GROUP BY a.run_id HAVING SUM(a.attempts - 1) > 0
"""
_FAILED = """
INSERT INTO usage (run_id, outcome, calls, input_tokens, output_tokens, usd)
SELECT f.run_id, f.kind, SUM(f.attempts), 0, 0, SUM(f.usd)
FROM failure f JOIN run r ON r.id = f.run_id WHERE r.state = 'done' GROUP BY f.run_id, f.kind
"""


def upgrade() -> None:
    """Add what the daemon needs, and sum up the runs that are over."""
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "usage",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("usd", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_usage_run_id_run")),
        sa.PrimaryKeyConstraint("run_id", "outcome", name=op.f("pk_usage")),
    )
    op.create_table(
        "timetable",
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cron", sa.String(length=200), nullable=False),
        sa.Column("timezone", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("since", name=op.f("pk_timetable")),
    )
    with op.batch_alter_table("run") as batch_op:
        batch_op.add_column(sa.Column("requested_by", sa.String(length=200), nullable=True))
    with op.batch_alter_table("alert") as batch_op:
        batch_op.alter_column("verdict_id", existing_type=sa.BigInteger(), nullable=True)
    for statement in (_ANSWERED, _RETRIED, _FAILED):
        op.execute(statement)
