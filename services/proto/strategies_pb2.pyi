import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tapewire.services.proto import data_pb2 as _data_pb2
from tapewire.services.proto import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Strategy(_message.Message):
    __slots__ = ("id", "hash", "name", "format", "complexity_score", "created_at", "sharpe", "total_return", "max_drawdown", "trades", "generation_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    COMPLEXITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SHARPE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_RETURN_FIELD_NUMBER: _ClassVar[int]
    MAX_DRAWDOWN_FIELD_NUMBER: _ClassVar[int]
    TRADES_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    hash: str
    name: str
    format: str
    complexity_score: float
    created_at: _timestamp_pb2.Timestamp
    sharpe: float
    total_return: float
    max_drawdown: float
    trades: int
    generation_id: int
    def __init__(self, id: _Optional[int] = ..., hash: _Optional[str] = ..., name: _Optional[str] = ..., format: _Optional[str] = ..., complexity_score: _Optional[float] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sharpe: _Optional[float] = ..., total_return: _Optional[float] = ..., max_drawdown: _Optional[float] = ..., trades: _Optional[int] = ..., generation_id: _Optional[int] = ...) -> None: ...

class ListStrategiesRequest(_message.Message):
    __slots__ = ("sort", "ascending", "where", "page_size", "page_token", "kind")
    SORT_FIELD_NUMBER: _ClassVar[int]
    ASCENDING_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    sort: str
    ascending: bool
    where: str
    page_size: int
    page_token: str
    kind: str
    def __init__(self, sort: _Optional[str] = ..., ascending: _Optional[bool] = ..., where: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., kind: _Optional[str] = ...) -> None: ...

class ListStrategiesResponse(_message.Message):
    __slots__ = ("strategies", "next_page_token")
    STRATEGIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    strategies: _containers.RepeatedCompositeFieldContainer[Strategy]
    next_page_token: str
    def __init__(self, strategies: _Optional[_Iterable[_Union[Strategy, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetStrategyRequest(_message.Message):
    __slots__ = ("which",)
    WHICH_FIELD_NUMBER: _ClassVar[int]
    which: str
    def __init__(self, which: _Optional[str] = ...) -> None: ...

class GetStrategyResponse(_message.Message):
    __slots__ = ("strategy", "source_code", "text", "results", "verdicts")
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    strategy: Strategy
    source_code: str
    text: str
    results: _containers.RepeatedScalarFieldContainer[str]
    verdicts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, strategy: _Optional[_Union[Strategy, _Mapping]] = ..., source_code: _Optional[str] = ..., text: _Optional[str] = ..., results: _Optional[_Iterable[str]] = ..., verdicts: _Optional[_Iterable[str]] = ...) -> None: ...

class GetStrategyChartRequest(_message.Message):
    __slots__ = ("which", "result_id", "first_ns", "last_ns", "points_max", "assumptions", "chart")
    WHICH_FIELD_NUMBER: _ClassVar[int]
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_NS_FIELD_NUMBER: _ClassVar[int]
    LAST_NS_FIELD_NUMBER: _ClassVar[int]
    POINTS_MAX_FIELD_NUMBER: _ClassVar[int]
    ASSUMPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHART_FIELD_NUMBER: _ClassVar[int]
    which: str
    result_id: int
    first_ns: int
    last_ns: int
    points_max: int
    assumptions: _containers.RepeatedScalarFieldContainer[str]
    chart: str
    def __init__(self, which: _Optional[str] = ..., result_id: _Optional[int] = ..., first_ns: _Optional[int] = ..., last_ns: _Optional[int] = ..., points_max: _Optional[int] = ..., assumptions: _Optional[_Iterable[str]] = ..., chart: _Optional[str] = ...) -> None: ...

class GetStrategyChartResponse(_message.Message):
    __slots__ = ("chart",)
    CHART_FIELD_NUMBER: _ClassVar[int]
    chart: str
    def __init__(self, chart: _Optional[str] = ...) -> None: ...

class GetGenerationRequest(_message.Message):
    __slots__ = ("generation_id",)
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    generation_id: int
    def __init__(self, generation_id: _Optional[int] = ...) -> None: ...

class GetGenerationResponse(_message.Message):
    __slots__ = ("generation",)
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: str
    def __init__(self, generation: _Optional[str] = ...) -> None: ...

class DeleteStrategiesRequest(_message.Message):
    __slots__ = ("ids", "idempotency_key")
    IDS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    idempotency_key: str
    def __init__(self, ids: _Optional[_Iterable[int]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class DeleteStrategiesResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    def __init__(self, deleted: _Optional[int] = ...) -> None: ...

class ExportStrategyRequest(_message.Message):
    __slots__ = ("which", "format")
    WHICH_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    which: str
    format: str
    def __init__(self, which: _Optional[str] = ..., format: _Optional[str] = ...) -> None: ...

class ExportStrategyChunk(_message.Message):
    __slots__ = ("data", "file_name")
    DATA_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    file_name: str
    def __init__(self, data: _Optional[bytes] = ..., file_name: _Optional[str] = ...) -> None: ...

class GenerateStrategiesRequest(_message.Message):
    __slots__ = ("idempotency_key", "bars", "settings", "skip_judging")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SKIP_JUDGING_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    bars: _data_pb2.Bars
    settings: SearchSettings
    skip_judging: bool
    def __init__(self, idempotency_key: _Optional[str] = ..., bars: _Optional[_Union[_data_pb2.Bars, _Mapping]] = ..., settings: _Optional[_Union[SearchSettings, _Mapping]] = ..., skip_judging: _Optional[bool] = ...) -> None: ...

class SearchSettings(_message.Message):
    __slots__ = ("method", "count", "seed", "batch", "population", "generations", "grammar", "timeframes", "constraints", "objective", "assumptions", "trades_min", "holdout_share", "guards")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    GRAMMAR_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAMES_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    ASSUMPTIONS_FIELD_NUMBER: _ClassVar[int]
    TRADES_MIN_FIELD_NUMBER: _ClassVar[int]
    HOLDOUT_SHARE_FIELD_NUMBER: _ClassVar[int]
    GUARDS_FIELD_NUMBER: _ClassVar[int]
    method: str
    count: int
    seed: int
    batch: int
    population: int
    generations: int
    grammar: str
    timeframes: _containers.RepeatedScalarFieldContainer[str]
    constraints: StrategyBounds
    objective: str
    assumptions: _containers.RepeatedScalarFieldContainer[str]
    trades_min: int
    holdout_share: float
    guards: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, method: _Optional[str] = ..., count: _Optional[int] = ..., seed: _Optional[int] = ..., batch: _Optional[int] = ..., population: _Optional[int] = ..., generations: _Optional[int] = ..., grammar: _Optional[str] = ..., timeframes: _Optional[_Iterable[str]] = ..., constraints: _Optional[_Union[StrategyBounds, _Mapping]] = ..., objective: _Optional[str] = ..., assumptions: _Optional[_Iterable[str]] = ..., trades_min: _Optional[int] = ..., holdout_share: _Optional[float] = ..., guards: _Optional[_Iterable[str]] = ...) -> None: ...

class StrategyBounds(_message.Message):
    __slots__ = ("max_indicators", "max_conditions", "max_timeframes", "allowed_indicators", "complexity_score_max")
    MAX_INDICATORS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_TIMEFRAMES_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_INDICATORS_FIELD_NUMBER: _ClassVar[int]
    COMPLEXITY_SCORE_MAX_FIELD_NUMBER: _ClassVar[int]
    max_indicators: int
    max_conditions: int
    max_timeframes: int
    allowed_indicators: _containers.RepeatedScalarFieldContainer[str]
    complexity_score_max: float
    def __init__(self, max_indicators: _Optional[int] = ..., max_conditions: _Optional[int] = ..., max_timeframes: _Optional[int] = ..., allowed_indicators: _Optional[_Iterable[str]] = ..., complexity_score_max: _Optional[float] = ...) -> None: ...

class GenerateStrategiesResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class EvolveGenerationRequest(_message.Message):
    __slots__ = ("idempotency_key", "generation_id", "generations", "force", "skip_judging", "data")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    SKIP_JUDGING_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    generation_id: int
    generations: int
    force: bool
    skip_judging: bool
    data: str
    def __init__(self, idempotency_key: _Optional[str] = ..., generation_id: _Optional[int] = ..., generations: _Optional[int] = ..., force: _Optional[bool] = ..., skip_judging: _Optional[bool] = ..., data: _Optional[str] = ...) -> None: ...

class EvolveGenerationResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...
