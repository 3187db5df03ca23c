from tapewire.services.proto import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRunsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeRunsResponse(_message.Message):
    __slots__ = ("schema", "example")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    schema: str
    example: str
    def __init__(self, schema: _Optional[str] = ..., example: _Optional[str] = ...) -> None: ...

class CheckRunConfigRequest(_message.Message):
    __slots__ = ("yaml", "json")
    YAML_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    yaml: str
    json: str
    def __init__(self, yaml: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class CheckRunConfigResponse(_message.Message):
    __slots__ = ("yaml", "json", "problems")
    YAML_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    yaml: str
    json: str
    problems: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, yaml: _Optional[str] = ..., json: _Optional[str] = ..., problems: _Optional[_Iterable[str]] = ...) -> None: ...

class StartRunRequest(_message.Message):
    __slots__ = ("idempotency_key", "config")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    config: str
    def __init__(self, idempotency_key: _Optional[str] = ..., config: _Optional[str] = ...) -> None: ...

class StartRunResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class GetRunResultRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    def __init__(self, job_id: _Optional[int] = ...) -> None: ...

class GetRunResultResponse(_message.Message):
    __slots__ = ("job", "config", "result")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    config: str
    result: str
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., config: _Optional[str] = ..., result: _Optional[str] = ...) -> None: ...

class GetRunChartRequest(_message.Message):
    __slots__ = ("job_id", "chart", "first_ns", "last_ns", "points_max", "strategy", "symbol")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CHART_FIELD_NUMBER: _ClassVar[int]
    FIRST_NS_FIELD_NUMBER: _ClassVar[int]
    LAST_NS_FIELD_NUMBER: _ClassVar[int]
    POINTS_MAX_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    chart: str
    first_ns: int
    last_ns: int
    points_max: int
    strategy: str
    symbol: str
    def __init__(self, job_id: _Optional[int] = ..., chart: _Optional[str] = ..., first_ns: _Optional[int] = ..., last_ns: _Optional[int] = ..., points_max: _Optional[int] = ..., strategy: _Optional[str] = ..., symbol: _Optional[str] = ...) -> None: ...

class GetRunChartResponse(_message.Message):
    __slots__ = ("first_ns", "last_ns", "whole_first_ns", "whole_last_ns", "rows", "lines", "fills", "fills_total", "legs")
    FIRST_NS_FIELD_NUMBER: _ClassVar[int]
    LAST_NS_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIRST_NS_FIELD_NUMBER: _ClassVar[int]
    WHOLE_LAST_NS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    FILLS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    LEGS_FIELD_NUMBER: _ClassVar[int]
    first_ns: int
    last_ns: int
    whole_first_ns: int
    whole_last_ns: int
    rows: int
    lines: _containers.RepeatedCompositeFieldContainer[RunLine]
    fills: _containers.RepeatedCompositeFieldContainer[RunFill]
    fills_total: int
    legs: _containers.RepeatedCompositeFieldContainer[RunLeg]
    def __init__(self, first_ns: _Optional[int] = ..., last_ns: _Optional[int] = ..., whole_first_ns: _Optional[int] = ..., whole_last_ns: _Optional[int] = ..., rows: _Optional[int] = ..., lines: _Optional[_Iterable[_Union[RunLine, _Mapping]]] = ..., fills: _Optional[_Iterable[_Union[RunFill, _Mapping]]] = ..., fills_total: _Optional[int] = ..., legs: _Optional[_Iterable[_Union[RunLeg, _Mapping]]] = ...) -> None: ...

class RunLine(_message.Message):
    __slots__ = ("name", "ts_ns", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TS_NS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    ts_ns: _containers.RepeatedScalarFieldContainer[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, name: _Optional[str] = ..., ts_ns: _Optional[_Iterable[int]] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class RunLeg(_message.Message):
    __slots__ = ("strategy", "symbol")
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    strategy: str
    symbol: str
    def __init__(self, strategy: _Optional[str] = ..., symbol: _Optional[str] = ...) -> None: ...

class RunFill(_message.Message):
    __slots__ = ("ts_ns", "price", "lots", "order", "reason", "liquidity", "strategy", "symbol")
    TS_NS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LIQUIDITY_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ts_ns: int
    price: float
    lots: int
    order: str
    reason: str
    liquidity: str
    strategy: str
    symbol: str
    def __init__(self, ts_ns: _Optional[int] = ..., price: _Optional[float] = ..., lots: _Optional[int] = ..., order: _Optional[str] = ..., reason: _Optional[str] = ..., liquidity: _Optional[str] = ..., strategy: _Optional[str] = ..., symbol: _Optional[str] = ...) -> None: ...

class ListRunFillsRequest(_message.Message):
    __slots__ = ("job_id", "page_size", "page_token")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    page_size: int
    page_token: str
    def __init__(self, job_id: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunFillsResponse(_message.Message):
    __slots__ = ("fills", "next_page_token", "total")
    FILLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    fills: _containers.RepeatedCompositeFieldContainer[RunFill]
    next_page_token: str
    total: int
    def __init__(self, fills: _Optional[_Iterable[_Union[RunFill, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class ExplainOrderRequest(_message.Message):
    __slots__ = ("job_id", "order", "strategy", "symbol")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    order: str
    strategy: str
    symbol: str
    def __init__(self, job_id: _Optional[int] = ..., order: _Optional[str] = ..., strategy: _Optional[str] = ..., symbol: _Optional[str] = ...) -> None: ...

class ExplainOrderResponse(_message.Message):
    __slots__ = ("story",)
    STORY_FIELD_NUMBER: _ClassVar[int]
    story: str
    def __init__(self, story: _Optional[str] = ...) -> None: ...

class CompareRunsRequest(_message.Message):
    __slots__ = ("job_ids",)
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    job_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, job_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class CompareRunsResponse(_message.Message):
    __slots__ = ("comparison",)
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    comparison: str
    def __init__(self, comparison: _Optional[str] = ...) -> None: ...

class ReconcileRunRequest(_message.Message):
    __slots__ = ("job_id", "file_name", "data", "within")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    file_name: str
    data: bytes
    within: str
    def __init__(self, job_id: _Optional[int] = ..., file_name: _Optional[str] = ..., data: _Optional[bytes] = ..., within: _Optional[str] = ...) -> None: ...

class ReconcileRunResponse(_message.Message):
    __slots__ = ("reconciliation",)
    RECONCILIATION_FIELD_NUMBER: _ClassVar[int]
    reconciliation: str
    def __init__(self, reconciliation: _Optional[str] = ...) -> None: ...

class SpreadRunRequest(_message.Message):
    __slots__ = ("job_id", "resamples", "seed")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    RESAMPLES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    resamples: int
    seed: int
    def __init__(self, job_id: _Optional[int] = ..., resamples: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class SpreadRunResponse(_message.Message):
    __slots__ = ("spread",)
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    spread: str
    def __init__(self, spread: _Optional[str] = ...) -> None: ...

class RunFile(_message.Message):
    __slots__ = ("name", "size_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ListRunFilesRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    def __init__(self, job_id: _Optional[int] = ...) -> None: ...

class ListRunFilesResponse(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[RunFile]
    def __init__(self, files: _Optional[_Iterable[_Union[RunFile, _Mapping]]] = ...) -> None: ...

class GetRunFileRequest(_message.Message):
    __slots__ = ("job_id", "name")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    name: str
    def __init__(self, job_id: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class GetRunFileResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...
