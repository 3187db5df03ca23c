"""The tables as they are now; how they came to be so is in ``migrations/``.

Columns of strategies, backtest_results and trades that come first are the specification's.
Times are UTC without a zone, to the microsecond; where nanoseconds count, they have a column of
their own. JSON that has to come back letter by letter is ``JSON``, which PostgreSQL keeps as text.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

#: In SQLite's header of a file that is a store: ``TAPW``.
APPLICATION_ID: Final = 0x54415057
ROLES: Final = ("admin", "trader", "researcher", "viewer")
JOB_STATES: Final = ("waiting", "running", "done", "failed", "canceled")
LIVE_WISHES: Final = ("", "go", "pause", "stop", "kill")
GENERATION_STATES: Final = ("running", "complete", "stopped", "failed")

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)
_LONG: Final = BigInteger().with_variant(Integer(), "sqlite")
_DOCUMENT: Final = JSON(none_as_null=True)
#: Sorted by bytes on both, whatever a server's locale is.
_BY_BYTES: Final = Text().with_variant(Text(collation="C"), "postgresql")


def _table(name: str, *items: SchemaItem) -> Table:
    # SQLite gives numbers of rows that were deleted again, unless it is told not to.
    return Table(name, metadata, *items, sqlite_autoincrement=True)


def _id(kind: Integer | BigInteger | None = None) -> Column[int]:
    return Column("id", kind or Integer(), primary_key=True)


def _to(
    name: str, table: str, *, optional: bool = False, cascade: bool = False, index: bool = False
) -> Column[int]:
    target = ForeignKey(f"{table}.id", ondelete="CASCADE" if cascade else None)
    return Column(name, Integer(), target, nullable=optional, index=index)


def _at(name: str) -> Column[object]:
    return Column(name, DateTime(), nullable=False, server_default=text("CURRENT_TIMESTAMP"))


def _one_of(name: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{name} IN ({listed})", name=name)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger(), nullable=False, server_default=text("0"))


store_info: Final = Table(
    "store_info",
    metadata,
    Column("key", Text(), primary_key=True),
    Column("value", Text(), nullable=False),
)
datasets: Final = _table(
    "datasets",
    _id(),
    Column("digest", Text(), nullable=False, unique=True),
    Column("name", Text(), nullable=False),
    Column("description", _DOCUMENT, nullable=False),
    _count("trials"),
    _at("created_at"),
)
generations: Final = _table(
    "generations",
    _id(),
    _to("dataset_id", "datasets", index=True),
    Column("settings", _DOCUMENT, nullable=False),
    Column("status", Text(), nullable=False),
    Column("state", _DOCUMENT, nullable=False),
    _count("batches"),
    _count("trials"),
    _at("created_at"),
    Column("ended_at", DateTime()),
    _one_of("status", GENERATION_STATES),
)
batches: Final = _table(
    "batches",
    _id(),
    _to("generation_id", "generations"),
    Column("number", Integer(), nullable=False),
    _count("strategies"),
    _count("results"),
    _count("trials"),
    _at("created_at"),
    UniqueConstraint("generation_id", "number"),
)
strategies: Final = _table(
    "strategies",
    _id(),
    Column("name", _BY_BYTES, nullable=False, unique=True),
    Column("source_code", Text(), nullable=False),
    Column("format", Text(), nullable=False),
    Column("parameters", JSON(none_as_null=True).with_variant(JSONB(), "postgresql")),
    Column("complexity_score", Float(53)),
    _at("created_at"),
    Column("hash", _BY_BYTES, nullable=False, unique=True),
    _to("generation_id", "generations", optional=True, index=True),
)
backtest_results: Final = _table(
    "backtest_results",
    _id(),
    _to("strategy_id", "strategies", cascade=True),
    Column("dataset", Text(), nullable=False),
    Column("sharpe_ratio", Float(53)),
    Column("total_return", Float(53)),
    Column("max_drawdown", Float(53)),
    Column("total_trades", Integer()),
    _at("tested_at"),
    _to("dataset_id", "datasets"),
    _to("generation_id", "generations", optional=True),
    Column("kind", _BY_BYTES, nullable=False),
    Column("is_latest", SmallInteger(), nullable=False, server_default=text("1")),
    Column("metrics", _DOCUMENT, nullable=False),
    Column("digest", Text(), nullable=False),
    Index("ix_backtest_results_strategy", "strategy_id", "kind"),
)
#: A page of strategies is a walk along one of these.
SORTED: Final = ("sharpe_ratio", "total_return", "max_drawdown", "total_trades")
for _column in SORTED:
    Index(
        f"ix_backtest_results_{_column}",
        backtest_results.c.kind,
        backtest_results.c[_column],
        backtest_results.c.strategy_id,
        sqlite_where=text("is_latest = 1"),
        postgresql_where=text("is_latest = 1"),
    )
#: By date: on PostgreSQL in a partition a month, made when its first trade comes.
trades: Final = Table(
    "trades",
    metadata,
    Column("id", _LONG, primary_key=True),
    Column(
        "backtest_result_id",
        Integer(),
        ForeignKey("backtest_results.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("entry_time", DateTime(), primary_key=True),
    Column("exit_time", DateTime()),
    Column("pnl", Float(53)),
    Column("entry_time_ns", BigInteger(), nullable=False),
    Column("exit_time_ns", BigInteger()),
    Column("details", _DOCUMENT),
    postgresql_partition_by="RANGE (entry_time)",
)
verdicts: Final = _table(
    "verdicts",
    _id(),
    _to("strategy_id", "strategies", cascade=True, index=True),
    _to("generation_id", "generations", optional=True),
    _to("dataset_id", "datasets", optional=True),
    Column("test", Text(), nullable=False),
    Column("passed", Boolean(), nullable=False),
    Column("figure", Float(53)),
    Column("bound", Float(53)),
    Column("sentence", Text(), nullable=False),
    Column("details", _DOCUMENT),
    _at("created_at"),
)
holdout_openings: Final = _table(
    "holdout_openings",
    _id(),
    _to("dataset_id", "datasets", index=True),
    _to("generation_id", "generations", optional=True),
    Column("who", Text(), nullable=False),
    Column("why", Text(), nullable=False),
    _at("opened_at"),
)
runs: Final = _table(
    "runs",
    _id(),
    Column("digest", Text(), nullable=False, index=True),
    Column("path", Text(), nullable=False),
    _to("dataset_id", "datasets", optional=True),
    Column("manifest", _DOCUMENT, nullable=False),
    _at("created_at"),
)
studies: Final = _table(
    "studies",
    _id(),
    Column("digest", Text(), nullable=False, index=True),
    Column("path", Text(), nullable=False),
    Column("kind", Text(), nullable=False),
    _to("dataset_id", "datasets", optional=True),
    Column("manifest", _DOCUMENT, nullable=False),
    _at("created_at"),
)
trials: Final = _table(
    "trials",
    _id(),
    _to("study_id", "studies", cascade=True),
    Column("number", Integer(), nullable=False),
    Column("parameters", _DOCUMENT, nullable=False),
    Column("figures", _DOCUMENT, nullable=False),
    Column("digest", Text()),
    UniqueConstraint("study_id", "number"),
)
#: Nothing in it changes or goes: both databases refuse to.
audit_log: Final = _table(
    "audit_log",
    _id(_LONG),
    _at("at"),
    Column("who", Text(), nullable=False),
    Column("action", Text(), nullable=False),
    Column("subject", Text(), nullable=False),
    Column("details", _DOCUMENT, nullable=False),
)
users: Final = _table(
    "users",
    _id(),
    Column("name", Text(), nullable=False, unique=True),
    Column("password_hash", Text(), nullable=False),
    Column("role", Text(), nullable=False),
    Column("is_active", Boolean(), nullable=False, server_default=text("true")),
    # Tokens issued before count no more once this has grown.
    Column("token_version", Integer(), nullable=False, server_default=text("0")),
    _at("created_at"),
    Column("email", Text(), nullable=False, server_default=text("''")),
    _one_of("role", ROLES),
)
#: Logins: by what their refresh tokens are known, the one that is good and the one before it.
sessions: Final = _table(
    "sessions",
    _id(),
    _to("user_id", "users", cascade=True, index=True),
    Column("digest", Text(), nullable=False, unique=True),
    Column("used_digest", Text(), unique=True),
    Column("expires_at", DateTime(), nullable=False),
    _at("created_at"),
)
#: Exchange keys, sealed: the owner is part of what is authenticated.
keys: Final = _table(
    "keys",
    _id(),
    _to("owner_id", "users", cascade=True),
    Column("name", Text(), nullable=False),
    Column("exchange", Text(), nullable=False),
    Column("sealing_key_id", Text(), nullable=False),
    Column("nonce", LargeBinary(), nullable=False),
    Column("sealed", LargeBinary(), nullable=False),
    _at("created_at"),
    UniqueConstraint("owner_id", "name"),
)
#: A worker holds a job until its lease ends, and writes only under the attempt that it took.
jobs: Final = _table(
    "jobs",
    _id(_LONG),
    Column("kind", Text(), nullable=False),
    _to("owner_id", "users", optional=True),
    Column("payload", _DOCUMENT, nullable=False),
    Column("content_hash", Text(), nullable=False, index=True),
    Column("idempotency_key", Text()),
    Column("state", Text(), nullable=False, server_default=text("'waiting'")),
    Column("priority", Integer(), nullable=False, server_default=text("0")),
    Column("attempt", Integer(), nullable=False, server_default=text("0")),
    Column("attempts_max", Integer(), nullable=False, server_default=text("3")),
    Column("lease_owner", Text()),
    Column("lease_until", DateTime()),
    Column("is_cancel_asked", Boolean(), nullable=False, server_default=text("false")),
    Column("progress", Float(53), nullable=False, server_default=text("0")),
    Column("message", Text()),
    Column("result", _DOCUMENT),
    Column("error", Text()),
    _at("created_at"),
    Column("started_at", DateTime()),
    Column("ended_at", DateTime()),
    # Grows with whatever a watcher is to see, so that one can say what was seen last.
    _count("seq"),
    _count("steps_done"),
    Column("steps_total", BigInteger()),
    Column("reason", Text()),
    Column("exit_code", Integer()),
    # The search that it began or goes on with: written with what it keeps of that search.
    Column("generation_id", Integer()),
    _one_of("state", JOB_STATES),
    UniqueConstraint("owner_id", "idempotency_key"),
    Index("ix_jobs_queue", "state", "priority", "id"),
)
#: What is to be seen of a live session, which is a job, and what is wished of it.
live_sessions: Final = _table(
    "live_sessions",
    _id(_LONG),
    Column("job_id", _LONG, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, unique=True),
    _count("seq"),
    Column("state", Text(), nullable=False),
    Column("wish", Text(), nullable=False, server_default=text("''")),
    Column("wished_by", Text()),
    _at("told_at"),
    Column("looked_at", DateTime()),
    _one_of("wish", LIVE_WISHES),
)
#: What was answered to calls that change something, so that one that comes again does nothing.
answers: Final = _table(
    "answers",
    _id(_LONG),
    _to("user_id", "users", cascade=True),
    Column("idempotency_key", Text(), nullable=False),
    Column("request_digest", Text(), nullable=False),
    Column("response", LargeBinary(), nullable=False),
    _at("created_at"),
    UniqueConstraint("user_id", "idempotency_key"),
)
