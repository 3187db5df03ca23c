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
