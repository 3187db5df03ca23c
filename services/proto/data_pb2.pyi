import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tapewire.services.proto import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Bars(_message.Message):
    __slots__ = ("data", "symbol", "interval", "tick_size", "faults", "session", "dataset")
    DATA_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TICK_SIZE_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    data: str
    symbol: str
    interval: str
    tick_size: str
    faults: str
    session: str
    dataset: str
    def __init__(self, data: _Optional[str] = ..., symbol: _Optional[str] = ..., interval: _Optional[str] = ..., tick_size: _Optional[str] = ..., faults: _Optional[str] = ..., session: _Optional[str] = ..., dataset: _Optional[str] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("id", "name", "digest", "symbol", "interval_ns", "bars", "first_ns", "last_ns", "trials", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_NS_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    FIRST_NS_FIELD_NUMBER: _ClassVar[int]
    LAST_NS_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: str
    digest: str
    symbol: str
    interval_ns: int
    bars: int
    first_ns: int
    last_ns: int
    trials: int
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[int] = ..., name: _Optional[str] = ..., digest: _Optional[str] = ..., symbol: _Optional[str] = ..., interval_ns: _Optional[int] = ..., bars: _Optional[int] = ..., first_ns: _Optional[int] = ..., last_ns: _Optional[int] = ..., trials: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DataFile(_message.Message):
    __slots__ = ("name", "size_bytes", "kind")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    kind: str
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., kind: _Optional[str] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets", "files")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    files: _containers.RepeatedCompositeFieldContainer[DataFile]
    def __init__(self, datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ..., files: _Optional[_Iterable[_Union[DataFile, _Mapping]]] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("which",)
    WHICH_FIELD_NUMBER: _ClassVar[int]
    which: str
    def __init__(self, which: _Optional[str] = ...) -> None: ...

class GetDatasetResponse(_message.Message):
    __slots__ = ("dataset", "description")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    description: str
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ..., description: _Optional[str] = ...) -> None: ...

class InspectFileRequest(_message.Message):
    __slots__ = ("idempotency_key", "data")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    data: str
    def __init__(self, idempotency_key: _Optional[str] = ..., data: _Optional[str] = ...) -> None: ...

class InspectFileResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class CheckFileRequest(_message.Message):
    __slots__ = ("idempotency_key", "data")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    data: str
    def __init__(self, idempotency_key: _Optional[str] = ..., data: _Optional[str] = ...) -> None: ...

class CheckFileResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class PlotFileRequest(_message.Message):
    __slots__ = ("idempotency_key", "data", "symbol", "start", "end")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    data: str
    symbol: str
    start: str
    end: str
    def __init__(self, idempotency_key: _Optional[str] = ..., data: _Optional[str] = ..., symbol: _Optional[str] = ..., start: _Optional[str] = ..., end: _Optional[str] = ...) -> None: ...

class PlotFileResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class DeriveFileRequest(_message.Message):
    __slots__ = ("idempotency_key", "data", "schema", "symbols", "start", "end", "output")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    data: str
    schema: str
    symbols: _containers.RepeatedScalarFieldContainer[str]
    start: str
    end: str
    output: str
    def __init__(self, idempotency_key: _Optional[str] = ..., data: _Optional[str] = ..., schema: _Optional[str] = ..., symbols: _Optional[_Iterable[str]] = ..., start: _Optional[str] = ..., end: _Optional[str] = ..., output: _Optional[str] = ...) -> None: ...

class DeriveFileResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...
