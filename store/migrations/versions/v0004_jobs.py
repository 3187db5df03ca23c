"""How far jobs are, what they came to in words for programs, and answers that are given again."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"

LONG: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns, make the table."""
    for name in ("seq", "steps_done"):
        op.add_column(
            "jobs", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )
    op.add_column("jobs", sa.Column("steps_total", sa.BigInteger()))
    op.add_column("jobs", sa.Column("reason", sa.Text()))
    op.add_column("jobs", sa.Column("exit_code", sa.Integer()))
    op.add_column("jobs", sa.Column("generation_id", sa.Integer()))
    op.create_table(
        "answers",
        sa.Column("id", LONG, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.Text(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_answers_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_answers"),
        sa.UniqueConstraint("user_id", "idempotency_key", name="uq_answers_user_id"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop them; a call that comes again is done again."""
    op.drop_table("answers")
    for name in ("generation_id", "exit_code", "reason", "steps_total", "steps_done", "seq"):
        op.drop_column("jobs", name)
