"""What is to be seen of live sessions, and what is wished of them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"

LONG: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    now = sa.text("CURRENT_TIMESTAMP")
    op.create_table(
        "live_sessions",
        sa.Column("id", LONG, nullable=False),
        sa.Column("job_id", LONG, nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("wish", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("wished_by", sa.Text()),
        sa.Column("told_at", sa.DateTime(), server_default=now, nullable=False),
        sa.Column("looked_at", sa.DateTime()),
        sa.CheckConstraint(
            "wish IN ('', 'go', 'pause', 'stop', 'kill')", name="ck_live_sessions_wish"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_live_sessions_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_live_sessions"),
        sa.UniqueConstraint("job_id", name="uq_live_sessions_job_id"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop it; sessions that go on are not seen any more."""
    op.drop_table("live_sessions")
