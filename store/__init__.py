"""The database of strategies, results and searches: SQLite, or a PostgreSQL server."""

from tapewire.errors import ConfigError

try:
    import alembic  # noqa: F401
    import sqlalchemy  # noqa: F401
except ImportError as error:
    raise ConfigError(
        f"a store needs SQLAlchemy and Alembic, found none ({error}): pip install 'tapewire[store]'"
    ) from None

from tapewire.store.job_records import JobEnd, JobProgress, JobRecord
from tapewire.store.job_store import JobStore
from tapewire.store.records import (
    DatasetRecord,
    GenerationRecord,
    HoldoutRecord,
    NewResult,
    NewStrategy,
    NewTrade,
    NewVerdict,
    Page,
    ResultRecord,
    StrategyRecord,
    StrategyRow,
    TradeRecord,
    VerdictRecord,
)
from tapewire.store.store import Store

__all__ = [
    "DatasetRecord",
    "GenerationRecord",
    "HoldoutRecord",
    "JobEnd",
    "JobProgress",
    "JobRecord",
    "JobStore",
    "NewResult",
    "NewStrategy",
    "NewTrade",
    "NewVerdict",
    "Page",
    "ResultRecord",
    "Store",
    "StrategyRecord",
    "StrategyRow",
    "TradeRecord",
    "VerdictRecord",
]
