"""What judges said, what panels decided, canaries, and people's labels with how judges agree with them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables of judges."""
    op.create_table(
        "calibration",
        sa.Column("id", Id, nullable=False),
        sa.Column("suite", sa.String(length=200), nullable=False),
        sa.Column("scorer", sa.String(length=200), nullable=False),
        sa.Column("rubric", sa.String(length=200), nullable=False),
        sa.Column("judge", sa.String(length=200), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("kappa", sa.Float(), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("calibrated_by", sa.String(length=200), nullable=False),
        sa.Column("calibrated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration")),
    )
    with op.batch_alter_table("calibration", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_calibration_suite_scorer_calibrated_at"), ["suite", "scorer", "calibrated_at"], unique=False
        )

    op.create_table(
        "label",
        sa.Column("id", Id, nullable=False),
        sa.Column("suite", sa.String(length=200), nullable=False),
        sa.Column("rubric", sa.String(length=200), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("answer_hash", sa.String(length=64), nullable=False),
        sa.Column("criterion", sa.String(length=40), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("labelled_by", sa.String(length=200), nullable=False),
        sa.Column("labelled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
        sa.UniqueConstraint(
            "suite",
            "rubric",
            "case_id",
            "answer_hash",
            "criterion",
            "labelled_by",
            name="uq_label_once",
        ),
    )
    op.create_table(
        "canary",
        sa.Column("id", Id, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("case_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_canary_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canary")),
    )
    with op.batch_alter_table("canary", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_canary_run_id"), ["run_id"], unique=False)

    op.create_table(
        "judgement",
        sa.Column("id", Id, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("occasion", sa.String(length=36), nullable=False),
        sa.Column("sitting", sa.String(length=20), nullable=False),
        sa.Column("judge", sa.String(length=200), nullable=False),
        sa.Column("judge_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("rubric", sa.String(length=200), nullable=False),
        sa.Column("rubric_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("material", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("votes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=True),
        sa.Column("cached_input_tokens", sa.Integer(), nullable=True),
        sa.Column("output_tokens", sa.Integer(), nullable=True),
        sa.Column("usd", sa.Float(), nullable=True),
        sa.Column("latency", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["occasion"], ["run.id"], name=op.f("fk_judgement_occasion_run")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_judgement_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgement")),
        sa.UniqueConstraint(
            "occasion",
            "material",
            "sitting",
            "rubric_fingerprint",
            "judge",
            "judge_fingerprint",
            name="uq_judgement_once",
        ),
    )
    with op.batch_alter_table("judgement", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_judgement_judged_at"), ["judged_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_judgement_material_judged_at"), ["material", "judged_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_judgement_run_id"), ["run_id"], unique=False)

    op.create_table(
        "mark",
        sa.Column("occasion", sa.String(length=36), nullable=False),
        sa.Column("sitting", sa.String(length=20), nullable=False),
        sa.Column("scorer", sa.String(length=200), nullable=False),
        sa.Column("material", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("split", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["occasion"], ["run.id"], name=op.f("fk_mark_occasion_run")),
        sa.PrimaryKeyConstraint("occasion", "sitting", "scorer", "material", name=op.f("pk_mark")),
    )
