from tapewire.services.proto import data_pb2 as _data_pb2
from tapewire.services.proto import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartOptimizerRequest(_message.Message):
    __slots__ = ("idempotency_key", "bars", "strategy", "parameters", "assumptions", "objective", "top")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    ASSUMPTIONS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    bars: _data_pb2.Bars
    strategy: str
    parameters: _containers.RepeatedScalarFieldContainer[str]
    assumptions: _containers.RepeatedScalarFieldContainer[str]
    objective: str
    top: int
    def __init__(self, idempotency_key: _Optional[str] = ..., bars: _Optional[_Union[_data_pb2.Bars, _Mapping]] = ..., strategy: _Optional[str] = ..., parameters: _Optional[_Iterable[str]] = ..., assumptions: _Optional[_Iterable[str]] = ..., objective: _Optional[str] = ..., top: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("job", "strategy", "objective", "variants", "elapsed_s", "best")
    JOB_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_S_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    strategy: str
    objective: str
    variants: int
    elapsed_s: float
    best: _containers.RepeatedCompositeFieldContainer[OptimizedVariant]
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., strategy: _Optional[str] = ..., objective: _Optional[str] = ..., variants: _Optional[int] = ..., elapsed_s: _Optional[float] = ..., best: _Optional[_Iterable[_Union[OptimizedVariant, _Mapping]]] = ...) -> None: ...

class OptimizedVariant(_message.Message):
    __slots__ = ("objective_value", "parameters", "metrics")
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    objective_value: float
    parameters: str
    metrics: str
    def __init__(self, objective_value: _Optional[float] = ..., parameters: _Optional[str] = ..., metrics: _Optional[str] = ...) -> None: ...
