"""``JobService``: jobs listed, shown, watched and canceled."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc.aio

from tapewire.errors import ConfigError
from tapewire.services.auth.roles import Permission, may
from tapewire.services.proto import jobs_pb2 as pb
from tapewire.services.proto import jobs_pb2_grpc
from tapewire.services.server.database import Database
from tapewire.services.server.failures import CallFailure
from tapewire.services.server.guarding import CALLER, Refused
from tapewire.services.server.job_desk import STATES, job_message
from tapewire.services.server.live import KIND as SESSION
from tapewire.services.server.paging import page_size, whole_of
from tapewire.services.server.watching import JobWatch
from tapewire.store import JobRecord, Store

_NAMES: Final = {code: name for name, code in STATES.items()}


class Jobs(jobs_pb2_grpc.JobServiceServicer):
    """Answers calls of ``JobService``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watch = JobWatch(database)
        self.is_draining = False

    def drain(self) -> None:
        """End streams that watch jobs, and sessions."""
        self.is_draining = True
        self._watch.drain()

    async def Get(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give one job with what was asked for and what came of it."""
        job = await self._database.look_up("job", lambda store: store.job(request.job_id))
        result = "" if job.result is None else json.dumps(job.result, ensure_ascii=False)
        return pb.GetJobResponse(
            job=job_message(job), asked=json.dumps(job.asked, ensure_ascii=False), result=result
        )

    async def List(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give a page of jobs, the newest first."""
        limit, before = page_size(request.page_size), whole_of(request.page_token)
        if request.state and request.state not in _NAMES:
            raise ConfigError(f"state: expected one of {', '.join(STATES)}, found none of these")
        state = _NAMES.get(request.state, "")
        found = await self._database.ask(
            "jobs",
            lambda store: store.jobs(before=before, state=state, kind=request.kind, limit=limit),
        )
        following = str(found[-1].id) if len(found) == limit else ""
        return pb.ListJobsResponse(jobs=[job_message(one) for one in found],
                                   next_page_token=following)  # fmt: skip

    async def Cancel(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Have a job of the caller's end; an administrator, anybody's.

        A session that trades is told to stop, in order; asked once more, it ends at once.
        """
        caller = CALLER.get()
        assert caller.claims is not None
        job = await self._database.look_up("job", lambda store: store.job(request.job_id))
        is_own = str(job.owner_id) == caller.claims.user_id
        if not is_own and not may(caller.claims.role, Permission.ADMINISTER):
            raise Refused(
                CallFailure(
                    "PERMISSION_DENIED", "OWNER",
                    f"job {job.id}: expected its owner {job.owner} or an administrator, found "
                    f"{caller.name}", 2,
                )
            )  # fmt: skip
        by = caller.name
        ended = await self._database.ask("cancel", lambda store: _canceled(store, job, by))
        return pb.CancelJobResponse(job=job_message(ended))

    async def Watch(self, request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        """Tell how far a job is until it has ended."""
        async for job in self._watch.changes(request.job_id, request.after_seq):
            yield pb.WatchJobResponse(job=job_message(job))


def _canceled(store: Store, job: JobRecord, by: str) -> JobRecord:
    if job.kind == SESSION and job.state == "running":
        live = store.live_among([job.id]).get(job.id)
        if live is not None and live.wish not in ("stop", "kill"):
            store.wish_live(job.id, "stop", by=by)
            return store.job(job.id)
    return store.cancel_job(job.id, by=by)
