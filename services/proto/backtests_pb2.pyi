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

class RunBacktestRequest(_message.Message):
    __slots__ = ("idempotency_key", "bars", "keys", "where", "every", "assumptions", "holdout", "why", "force")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    ASSUMPTIONS_FIELD_NUMBER: _ClassVar[int]
    HOLDOUT_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    bars: _data_pb2.Bars
    keys: _containers.RepeatedScalarFieldContainer[str]
    where: str
    every: bool
    assumptions: _containers.RepeatedScalarFieldContainer[str]
    holdout: bool
    why: str
    force: bool
    def __init__(self, idempotency_key: _Optional[str] = ..., bars: _Optional[_Union[_data_pb2.Bars, _Mapping]] = ..., keys: _Optional[_Iterable[str]] = ..., where: _Optional[str] = ..., every: _Optional[bool] = ..., assumptions: _Optional[_Iterable[str]] = ..., holdout: _Optional[bool] = ..., why: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class RunBacktestResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class JudgeGenerationRequest(_message.Message):
    __slots__ = ("idempotency_key", "generation_id", "holdout", "why", "guards", "force", "data")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    HOLDOUT_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    GUARDS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    generation_id: int
    holdout: bool
    why: str
    guards: _containers.RepeatedScalarFieldContainer[str]
    force: bool
    data: str
    def __init__(self, idempotency_key: _Optional[str] = ..., generation_id: _Optional[int] = ..., holdout: _Optional[bool] = ..., why: _Optional[str] = ..., guards: _Optional[_Iterable[str]] = ..., force: _Optional[bool] = ..., data: _Optional[str] = ...) -> None: ...

class JudgeGenerationResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class GetBacktestResultRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    def __init__(self, job_id: _Optional[int] = ...) -> None: ...

class GetBacktestResultResponse(_message.Message):
    __slots__ = ("job", "dataset", "bars", "part", "elapsed_s", "rows", "store")
    JOB_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_S_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    dataset: str
    bars: int
    part: str
    elapsed_s: float
    rows: _containers.RepeatedCompositeFieldContainer[TriedStrategy]
    store: str
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., dataset: _Optional[str] = ..., bars: _Optional[int] = ..., part: _Optional[str] = ..., elapsed_s: _Optional[float] = ..., rows: _Optional[_Iterable[_Union[TriedStrategy, _Mapping]]] = ..., store: _Optional[str] = ...) -> None: ...

class TriedStrategy(_message.Message):
    __slots__ = ("id", "name", "sharpe", "total_return", "max_drawdown", "trades")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHARPE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_RETURN_FIELD_NUMBER: _ClassVar[int]
    MAX_DRAWDOWN_FIELD_NUMBER: _ClassVar[int]
    TRADES_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: str
    sharpe: float
    total_return: float
    max_drawdown: float
    trades: int
    def __init__(self, id: _Optional[int] = ..., name: _Optional[str] = ..., sharpe: _Optional[float] = ..., total_return: _Optional[float] = ..., max_drawdown: _Optional[float] = ..., trades: _Optional[int] = ...) -> None: ...

class ListResultsRequest(_message.Message):
    __slots__ = ("which",)
    WHICH_FIELD_NUMBER: _ClassVar[int]
    which: str
    def __init__(self, which: _Optional[str] = ...) -> None: ...

class BacktestResult(_message.Message):
    __slots__ = ("id", "strategy_id", "dataset", "kind", "sharpe", "total_return", "max_drawdown", "trades", "metrics", "digest", "is_latest", "tested_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SHARPE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_RETURN_FIELD_NUMBER: _ClassVar[int]
    MAX_DRAWDOWN_FIELD_NUMBER: _ClassVar[int]
    TRADES_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    IS_LATEST_FIELD_NUMBER: _ClassVar[int]
    TESTED_AT_FIELD_NUMBER: _ClassVar[int]
    id: int
    strategy_id: int
    dataset: str
    kind: str
    sharpe: float
    total_return: float
    max_drawdown: float
    trades: int
    metrics: str
    digest: str
    is_latest: bool
    tested_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[int] = ..., strategy_id: _Optional[int] = ..., dataset: _Optional[str] = ..., kind: _Optional[str] = ..., sharpe: _Optional[float] = ..., total_return: _Optional[float] = ..., max_drawdown: _Optional[float] = ..., trades: _Optional[int] = ..., metrics: _Optional[str] = ..., digest: _Optional[str] = ..., is_latest: _Optional[bool] = ..., tested_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListResultsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BacktestResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BacktestResult, _Mapping]]] = ...) -> None: ...
