"""Strategies, their results, the searches that found them, and what was done to whom."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: Final = "0001"
down_revision: Final = None

LONG: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT: Final = sa.JSON(none_as_null=True)
BY_BYTES: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _make_searches()
    _make_strategies()
    _make_trades()
    _make_verdicts()
    _seal_audit_log()
    op.execute("INSERT INTO store_info (key, value) VALUES ('application', 'tapewire')")


def downgrade() -> None:
    """Drop them all."""
    op.drop_table("trades")
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:
        op.execute("DROP TRIGGER audit_log_is_sealed ON audit_log")
        op.execute("DROP FUNCTION audit_log_is_sealed()")
    for name in (
        "verdicts",
        "backtest_results",
        "trials",
        "strategies",
        "holdout_openings",
        "batches",
        "studies",
        "runs",
        "generations",
        "store_info",
        "datasets",
        "audit_log",
    ):
        op.drop_table(name)


def _make_searches() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", LONG, nullable=False),
        _now("at"),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", DOCUMENT, nullable=False),
        sa.Column("trials", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint("digest", name="uq_datasets_digest"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "store_info",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_store_info"),
    )
    op.create_table(
        "generations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("settings", DOCUMENT, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("state", DOCUMENT, nullable=False),
        sa.Column("batches", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("trials", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _now("created_at"),
        sa.Column("ended_at", sa.DateTime()),
        sa.CheckConstraint(
            "status IN ('running', 'complete', 'stopped', 'failed')", name="ck_generations_status"
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_generations_dataset_id"),
        sa.PrimaryKeyConstraint("id", name="pk_generations"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_generations_dataset_id", "generations", ["dataset_id"])
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.Integer()),
        sa.Column("manifest", DOCUMENT, nullable=False),
        _now("created_at"),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_runs_dataset_id"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_digest", "runs", ["digest"])
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.Integer()),
        sa.Column("manifest", DOCUMENT, nullable=False),
        _now("created_at"),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_studies_dataset_id"),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_studies_digest", "studies", ["digest"])
    op.create_table(
        "batches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("generation_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("strategies", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("results", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("trials", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _now("created_at"),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_batches_generation_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.UniqueConstraint("generation_id", "number", name="uq_batches_generation_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "holdout_openings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("generation_id", sa.Integer()),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        _now("opened_at"),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_holdout_openings_dataset_id"
        ),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_holdout_openings_generation_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_holdout_openings"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_holdout_openings_dataset_id", "holdout_openings", ["dataset_id"])


def _make_strategies() -> None:
    op.create_table(
        "strategies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", BY_BYTES, nullable=False),
        sa.Column("source_code", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("parameters", DOCUMENT.with_variant(JSONB(), "postgresql")),
        sa.Column("complexity_score", sa.Float(precision=53)),
        _now("created_at"),
        sa.Column("hash", BY_BYTES, nullable=False),
        sa.Column("generation_id", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_strategies_generation_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_strategies"),
        sa.UniqueConstraint("hash", name="uq_strategies_hash"),
        sa.UniqueConstraint("name", name="uq_strategies_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_strategies_generation_id", "strategies", ["generation_id"])
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parameters", DOCUMENT, nullable=False),
        sa.Column("figures", DOCUMENT, nullable=False),
        sa.Column("digest", sa.Text()),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name="fk_trials_study_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_trials"),
        sa.UniqueConstraint("study_id", "number", name="uq_trials_study_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "backtest_results",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("strategy_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("sharpe_ratio", sa.Float(precision=53)),
        sa.Column("total_return", sa.Float(precision=53)),
        sa.Column("max_drawdown", sa.Float(precision=53)),
        sa.Column("total_trades", sa.Integer()),
        _now("tested_at"),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("generation_id", sa.Integer()),
        sa.Column("kind", BY_BYTES, nullable=False),
        sa.Column("is_latest", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("metrics", DOCUMENT, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_backtest_results_dataset_id"
        ),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_backtest_results_generation_id"
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id"],
            ["strategies.id"],
            name="fk_backtest_results_strategy_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_backtest_results"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_backtest_results_strategy", "backtest_results", ["strategy_id", "kind"])
    for column in ("sharpe_ratio", "total_return", "max_drawdown", "total_trades"):
        op.create_index(
            f"ix_backtest_results_{column}",
            "backtest_results",
            ["kind", column, "strategy_id"],
            sqlite_where=sa.text("is_latest = 1"),
            postgresql_where=sa.text("is_latest = 1"),
        )


def _make_verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("strategy_id", sa.Integer(), nullable=False),
        sa.Column("generation_id", sa.Integer()),
        sa.Column("dataset_id", sa.Integer()),
        sa.Column("test", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("figure", sa.Float(precision=53)),
        sa.Column("bound", sa.Float(precision=53)),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("details", DOCUMENT),
        _now("created_at"),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_verdicts_dataset_id"),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name="fk_verdicts_generation_id"
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id"], ["strategies.id"], name="fk_verdicts_strategy_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_verdicts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_verdicts_strategy_id", "verdicts", ["strategy_id"])


def _make_trades() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE trades_id_seq")
    op.create_table(
        "trades",
        sa.Column("id", LONG, nullable=False, server_default=_next_trade()),
        sa.Column("backtest_result_id", sa.Integer(), nullable=False),
        sa.Column("entry_time", sa.DateTime(), nullable=False),
        sa.Column("exit_time", sa.DateTime()),
        sa.Column("pnl", sa.Float(precision=53)),
        sa.Column("entry_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("exit_time_ns", sa.BigInteger()),
        sa.Column("details", DOCUMENT),
        sa.ForeignKeyConstraint(
            ["backtest_result_id"],
            ["backtest_results.id"],
            name="fk_trades_backtest_result_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", "entry_time", name="pk_trades"),
        postgresql_partition_by="RANGE (entry_time)",
    )
    op.create_index("ix_trades_backtest_result_id", "trades", ["backtest_result_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER SEQUENCE trades_id_seq OWNED BY trades.id")


def _next_trade() -> sa.TextClause | None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    return sa.text("nextval('trades_id_seq')") if on_postgresql else None


def _seal_audit_log() -> None:
    """Let nobody change or remove what is in the log."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_log_is_sealed() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'audit_log: rows are added, never changed or removed'; "
            "END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_log_is_sealed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_sealed()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_log_no_{change.lower()} BEFORE {change} ON audit_log BEGIN "
            "SELECT RAISE(ABORT, 'audit_log: rows are added, never changed or removed'); END"
        )


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
    )
