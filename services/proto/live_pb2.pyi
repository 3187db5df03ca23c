import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tapewire.services.proto import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeSessionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeSessionsResponse(_message.Message):
    __slots__ = ("schema", "example")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    schema: str
    example: str
    def __init__(self, schema: _Optional[str] = ..., example: _Optional[str] = ...) -> None: ...

class CheckSessionConfigRequest(_message.Message):
    __slots__ = ("yaml", "json")
    YAML_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    yaml: str
    json: str
    def __init__(self, yaml: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class CheckSessionConfigResponse(_message.Message):
    __slots__ = ("yaml", "json", "problems")
    YAML_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    yaml: str
    json: str
    problems: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, yaml: _Optional[str] = ..., json: _Optional[str] = ..., problems: _Optional[_Iterable[str]] = ...) -> None: ...

class StartSessionRequest(_message.Message):
    __slots__ = ("idempotency_key", "config", "duration_s")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    config: str
    duration_s: float
    def __init__(self, idempotency_key: _Optional[str] = ..., config: _Optional[str] = ..., duration_s: _Optional[float] = ...) -> None: ...

class StartSessionResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class SessionWish(_message.Message):
    __slots__ = ("job_id", "wish", "wished_by")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WISH_FIELD_NUMBER: _ClassVar[int]
    WISHED_BY_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    wish: str
    wished_by: str
    def __init__(self, job_id: _Optional[int] = ..., wish: _Optional[str] = ..., wished_by: _Optional[str] = ...) -> None: ...

class StopSessionRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    def __init__(self, job_id: _Optional[int] = ...) -> None: ...

class StopSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: SessionWish
    def __init__(self, session: _Optional[_Union[SessionWish, _Mapping]] = ...) -> None: ...

class PauseSessionRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    def __init__(self, job_id: _Optional[int] = ...) -> None: ...

class PauseSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: SessionWish
    def __init__(self, session: _Optional[_Union[SessionWish, _Mapping]] = ...) -> None: ...

class ResumeSessionRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    def __init__(self, job_id: _Optional[int] = ...) -> None: ...

class ResumeSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: SessionWish
    def __init__(self, session: _Optional[_Union[SessionWish, _Mapping]] = ...) -> None: ...

class KillSessionRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    def __init__(self, job_id: _Optional[int] = ...) -> None: ...

class KillSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: SessionWish
    def __init__(self, session: _Optional[_Union[SessionWish, _Mapping]] = ...) -> None: ...

class WatchSessionRequest(_message.Message):
    __slots__ = ("job_id", "after_seq")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    after_seq: int
    def __init__(self, job_id: _Optional[int] = ..., after_seq: _Optional[int] = ...) -> None: ...

class WatchSessionResponse(_message.Message):
    __slots__ = ("job", "seq", "state", "session", "told_at")
    JOB_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TOLD_AT_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    seq: int
    state: str
    session: SessionWish
    told_at: _timestamp_pb2.Timestamp
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ..., seq: _Optional[int] = ..., state: _Optional[str] = ..., session: _Optional[_Union[SessionWish, _Mapping]] = ..., told_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("accounts", "left_out", "none_because")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    NONE_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[BrokerAccount]
    left_out: int
    none_because: str
    def __init__(self, accounts: _Optional[_Iterable[_Union[BrokerAccount, _Mapping]]] = ..., left_out: _Optional[int] = ..., none_because: _Optional[str] = ...) -> None: ...

class BrokerAccount(_message.Message):
    __slots__ = ("name", "account", "session", "ended", "state", "killed", "open_orders", "unknown_orders", "positions", "positions_total", "problem")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    KILLED_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    name: str
    account: str
    session: str
    ended: str
    state: str
    killed: str
    open_orders: int
    unknown_orders: int
    positions: _containers.RepeatedCompositeFieldContainer[AccountPosition]
    positions_total: int
    problem: str
    def __init__(self, name: _Optional[str] = ..., account: _Optional[str] = ..., session: _Optional[str] = ..., ended: _Optional[str] = ..., state: _Optional[str] = ..., killed: _Optional[str] = ..., open_orders: _Optional[int] = ..., unknown_orders: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[AccountPosition, _Mapping]]] = ..., positions_total: _Optional[int] = ..., problem: _Optional[str] = ...) -> None: ...

class AccountPosition(_message.Message):
    __slots__ = ("symbol", "lots")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    lots: int
    def __init__(self, symbol: _Optional[str] = ..., lots: _Optional[int] = ...) -> None: ...

class KillAccountRequest(_message.Message):
    __slots__ = ("name", "why")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    name: str
    why: str
    def __init__(self, name: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class KillAccountResponse(_message.Message):
    __slots__ = ("killed", "was_killed")
    KILLED_FIELD_NUMBER: _ClassVar[int]
    WAS_KILLED_FIELD_NUMBER: _ClassVar[int]
    killed: str
    was_killed: bool
    def __init__(self, killed: _Optional[str] = ..., was_killed: _Optional[bool] = ...) -> None: ...
