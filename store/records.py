"""What is put into a store, and what comes out of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple


@dataclass(frozen=True)
class NewStrategy:
    """A strategy to keep.

    Attributes
    ----------
    hash : str
        Of its canonical form: hexadecimal; two spellings of one strategy have one.
    name : str
    source_code : str
        As it is written in its format.
    format : str
        ``json`` (declared), ``python`` …
    parameters : dict or None
    complexity_score : float or None
    """

    hash: str
    name: str
    source_code: str
    format: str = "json"
    parameters: dict[str, Any] | None = None
    complexity_score: float | None = None


@dataclass(frozen=True)
class NewResult:
    """What came of a strategy on a dataset.

    Attributes
    ----------
    strategy_hash : str
    dataset_id : int
    kind : str
        ``search`` (what a search chose by), ``test``, ``holdout`` …
    sharpe_ratio, total_return, max_drawdown : float or None
        None, as not a number, where it has no value.
    total_trades : int or None
    metrics : dict
        All others by name. What is not a number becomes None, infinity the text ``inf``.
    digest : str
        Of the result, so that it can be held against another.
    """

    strategy_hash: str
    dataset_id: int
    kind: str = "search"
    sharpe_ratio: float | None = None
    total_return: float | None = None
    max_drawdown: float | None = None
    total_trades: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True)
class NewTrade:
    """A trade of a result: ns since the epoch (UTC); what else is known of it in ``details``."""

    entry_time_ns: int
    exit_time_ns: int | None
    pnl: float | None
    details: dict[str, Any] | None = None


@dataclass(frozen=True)
class NewVerdict:
    """What one check says of a strategy.

    Attributes
    ----------
    strategy_hash : str
    test : str
        The check's name, like ``deflated_sharpe``.
    passed : bool
    sentence : str
        In plain words.
    figure, bound : float or None
        What was found, and what was asked for.
    generation_id, dataset_id : int or None
        The search that it belongs to, the data that it was held against.
    details : dict or None
    """

    strategy_hash: str
    test: str
    passed: bool
    sentence: str
    figure: float | None = None
    bound: float | None = None
    generation_id: int | None = None
    dataset_id: int | None = None
    details: dict[str, Any] | None = None


@dataclass(frozen=True)
class DatasetRecord:
    """A dataset: its digest, what it is, how often strategies were tried on it (``trials``)."""

    id: int
    digest: str
    name: str
    description: dict[str, Any]
    trials: int
    created_at: datetime


@dataclass(frozen=True)
class GenerationRecord:
    """A search for strategies.

    Attributes
    ----------
    id : int
    settings : dict
    dataset_id : int
    status : str
        ``running``, ``complete``, ``stopped`` or ``failed``; of one whose process was killed it
        stays ``running``.
    state : dict
        What it goes on from, as the last batch left it.
    batches : int
        How many are stored: the number of the next one.
    trials : int
        How many strategies were tried, those included that were not kept.
    created_at : datetime
    ended_at : datetime or None
    """

    id: int
    settings: dict[str, Any]
    dataset_id: int
    status: str
    state: dict[str, Any]
    batches: int
    trials: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class ResultRecord:
    """A stored result; ``is_latest`` of its strategy and kind."""

    id: int
    strategy_id: int
    dataset_id: int
    dataset: str
    generation_id: int | None
    kind: str
    sharpe_ratio: float | None
    total_return: float | None
    max_drawdown: float | None
    total_trades: int | None
    metrics: dict[str, Any]
    digest: str
    is_latest: bool
    tested_at: datetime


@dataclass(frozen=True)
class TradeRecord:
    """A stored trade: ns since the epoch (UTC)."""

    entry_time_ns: int
    exit_time_ns: int | None
    pnl: float | None
    details: dict[str, Any] | None


@dataclass(frozen=True)
class VerdictRecord:
    """What one check says of a strategy, the last time that it was asked in its search."""

    strategy_id: int
    test: str
    passed: bool
    sentence: str
    figure: float | None
    bound: float | None
    generation_id: int | None
    dataset_id: int | None
    details: dict[str, Any] | None
    created_at: datetime


@dataclass(frozen=True)
class HoldoutRecord:
    """An opening of a dataset's holdout."""

    dataset_id: int
    generation_id: int | None
    who: str
    why: str
    opened_at: datetime


@dataclass(frozen=True)
class StrategyRecord:
    """A strategy with all that is known of it."""

    id: int
    name: str
    hash: str
    source_code: str
    format: str
    parameters: dict[str, Any] | None
    complexity_score: float | None
    generation_id: int | None
    created_at: datetime
    results: tuple[ResultRecord, ...]
    verdicts: tuple[VerdictRecord, ...]


class StrategyRow(NamedTuple):
    """A line of a list: a strategy, and its latest result of the kind that was asked for.

    What belongs to the result is None where there is none. A list has many: a tuple is made faster
    than another object.
    """

    id: int
    name: str
    hash: str
    format: str
    complexity_score: float | None
    generation_id: int | None
    created_at: datetime
    result_id: int | None
    dataset_id: int | None
    sharpe_ratio: float | None
    total_return: float | None
    max_drawdown: float | None
    total_trades: int | None


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and where the next page begins; None at the end of the list."""

    rows: tuple[StrategyRow, ...]
    after: str | None
