from tapewire.services.proto import data_pb2 as _data_pb2
from tapewire.services.proto import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartOptimizerRequest(_message.Message):
    __slots__ = ("idempotency_key", "bars", "strategy", "parameters", "assumptions", "objective", "top", "walk")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    ASSUMPTIONS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    WALK_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    bars: _data_pb2.Bars
    strategy: str
    parameters: _containers.RepeatedScalarFieldContainer[str]
    assumptions: _containers.RepeatedScalarFieldContainer[str]
    objective: str
    top: int
    walk: WalkWindows
    def __init__(self, idempotency_key: _Optional[str] = ..., bars: _Optional[_Union[_data_pb2.Bars, _Mapping]] = ..., strategy: _Optional[str] = ..., parameters: _Optional[_Iterable[str]] = ..., assumptions: _Optional[_Iterable[str]] = ..., objective: _Optional[str] = ..., top: _Optional[int] = ..., walk: _Optional[_Union[WalkWindows, _Mapping]] = ...) -> None: ...

class WalkWindows(_message.Message):
    __slots__ = ("train", "test", "anchored", "purge", "embargo", "by")
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    ANCHORED_FIELD_NUMBER: _ClassVar[int]
    PURGE_FIELD_NUMBER: _ClassVar[int]
    EMBARGO_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    train: int
    test: int
    anchored: bool
    purge: int
    embargo: int
    by: str
    def __init__(self, train: _Optional[int] = ..., test: _Optional[int] = ..., anchored: _Optional[bool] = ..., purge: _Optional[int] = ..., embargo: _Optional[int] = ..., by: _Optional[str] = ...) -> None: ...

class StartOptimizerResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class GetOptimizerResultRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    def __init__(self, job_id: _Optional[int] = ...) -> None: ...

class GetOptimizerResultResponse(_message.Message):
    __slots__ = ("job", "strategy", "objective", "variants", "elapsed_s", "best", "walk", "best_so_far", "interval_ns")
    JOB_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_S_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    WALK_FIELD_NUMBER: _ClassVar[int]
    BEST_SO_FAR_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_NS_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    strategy: str
    objective: str
    variants: int
    elapsed_s: float
    best: _containers.RepeatedCompositeFieldContainer[OptimizedVariant]
    walk: WalkedVariants
    best_so_far: _containers.RepeatedCompositeFieldContainer[BestSoFar]
    interval_ns: int
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., strategy: _Optional[str] = ..., objective: _Optional[str] = ..., variants: _Optional[int] = ..., elapsed_s: _Optional[float] = ..., best: _Optional[_Iterable[_Union[OptimizedVariant, _Mapping]]] = ..., walk: _Optional[_Union[WalkedVariants, _Mapping]] = ..., best_so_far: _Optional[_Iterable[_Union[BestSoFar, _Mapping]]] = ..., interval_ns: _Optional[int] = ...) -> None: ...

class BestSoFar(_message.Message):
    __slots__ = ("variants", "objective_value")
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    variants: int
    objective_value: float
    def __init__(self, variants: _Optional[int] = ..., objective_value: _Optional[float] = ...) -> None: ...

class WalkedVariants(_message.Message):
    __slots__ = ("windows", "session_ns", "net_pnl", "efficiency", "changes")
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    SESSION_NS_FIELD_NUMBER: _ClassVar[int]
    NET_PNL_FIELD_NUMBER: _ClassVar[int]
    EFFICIENCY_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    windows: _containers.RepeatedCompositeFieldContainer[WalkedWindow]
    session_ns: _containers.RepeatedScalarFieldContainer[int]
    net_pnl: _containers.RepeatedScalarFieldContainer[float]
    efficiency: float
    changes: int
    def __init__(self, windows: _Optional[_Iterable[_Union[WalkedWindow, _Mapping]]] = ..., session_ns: _Optional[_Iterable[int]] = ..., net_pnl: _Optional[_Iterable[float]] = ..., efficiency: _Optional[float] = ..., changes: _Optional[int] = ...) -> None: ...

class WalkedWindow(_message.Message):
    __slots__ = ("train_from_ns", "train_to_ns", "test_from_ns", "test_to_ns", "parameters", "score", "in_sample", "out_of_sample", "rank")
    TRAIN_FROM_NS_FIELD_NUMBER: _ClassVar[int]
    TRAIN_TO_NS_FIELD_NUMBER: _ClassVar[int]
    TEST_FROM_NS_FIELD_NUMBER: _ClassVar[int]
    TEST_TO_NS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    IN_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    train_from_ns: int
    train_to_ns: int
    test_from_ns: int
    test_to_ns: int
    parameters: str
    score: float
    in_sample: float
    out_of_sample: float
    rank: int
    def __init__(self, train_from_ns: _Optional[int] = ..., train_to_ns: _Optional[int] = ..., test_from_ns: _Optional[int] = ..., test_to_ns: _Optional[int] = ..., parameters: _Optional[str] = ..., score: _Optional[float] = ..., in_sample: _Optional[float] = ..., out_of_sample: _Optional[float] = ..., rank: _Optional[int] = ...) -> None: ...

class KeepVariantRequest(_message.Message):
    __slots__ = ("job_id", "parameters")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    parameters: str
    def __init__(self, job_id: _Optional[int] = ..., parameters: _Optional[str] = ...) -> None: ...

class KeepVariantResponse(_message.Message):
    __slots__ = ("strategy_id", "left_out")
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    strategy_id: int
    left_out: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, strategy_id: _Optional[int] = ..., left_out: _Optional[_Iterable[str]] = ...) -> None: ...

class OptimizedVariant(_message.Message):
    __slots__ = ("objective_value", "parameters", "metrics")
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    objective_value: float
    parameters: str
    metrics: str
    def __init__(self, objective_value: _Optional[float] = ..., parameters: _Optional[str] = ..., metrics: _Optional[str] = ...) -> None: ...
