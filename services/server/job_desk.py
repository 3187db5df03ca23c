"""Where jobs are asked for: what a call says, as a worker is told it."""

from typing import Any, Final

from tapewire.errors import ConfigError, StoreError
from tapewire.services.proto import jobs_pb2 as pb
from tapewire.services.server.database import Database
from tapewire.services.server.failures import CallFailure
from tapewire.services.server.guarding import CALLER, Refused
from tapewire.services.server.moments import put_moment
from tapewire.store import JobRecord
from tapewire.store.jobs import ATTEMPTS, ONCE

STATES: Final[dict[str, Any]] = {
    "waiting": pb.JOB_STATE_WAITING,
    "running": pb.JOB_STATE_RUNNING,
    "done": pb.JOB_STATE_DONE,
    "failed": pb.JOB_STATE_FAILED,
    "canceled": pb.JOB_STATE_CANCELED,
}


class JobDesk:
    """Takes what calls ask for.

    Parameters
    ----------
    database
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, kind: str, request: Any) -> Any:
        """Add a job of what a message asks for, once for its key; return its message.

        Raises
        ------
        ConfigError
            If there is no key.
        """
        key = request.idempotency_key
        if not key:
            raise ConfigError(
                "idempotency_key: expected one of your choice, so that a call which comes twice "
                "asks once, found none"
            )
        asked = plain_of(request)
        del asked["idempotency_key"]
        claims = CALLER.get().claims
        assert claims is not None
        # What nobody may see twice, a holdout, is not begun again by itself; nor what can't be.
        attempts_max = 1 if asked.get("holdout") or kind in ONCE else ATTEMPTS
        job = await self._database.ask(
            "add_job",
            lambda store: store.add_job(
                kind, asked, int(claims.user_id), key=key, attempts_max=attempts_max
            ),
        )
        return job_message(job)

    async def done(self, job_id: int, kinds: tuple[str, ...]) -> JobRecord:
        """Return a job of some kinds that has a result.

        Raises
        ------
        Refused
            If it has failed, as the command line would; or was canceled.
        StoreError
            If it has not ended, or is of another kind.
        """
        job = await self._database.look_up("job", lambda store: store.job(job_id))
        if job.kind not in kinds:
            raise StoreError(
                f"job {job_id}: expected one of kind {' or '.join(kinds)}, found {job.kind}"
            )
        if not job.has_ended:
            raise StoreError(
                f"job {job_id}: expected one that is done, found {job.state}, "
                f"{100 * job.progress:.0f} %; watch it"
            )
        if job.state != "done":
            raise Refused(CallFailure("FAILED_PRECONDITION", job.reason, job.error, job.exit_code))
        return job


def job_message(job: JobRecord) -> Any:
    """Return a job as a message."""
    shown = pb.Job(
        id=job.id, kind=job.kind, owner=job.owner, state=STATES[job.state], attempt=job.attempt,
        progress=job.progress, steps_done=job.steps_done, steps_total=job.steps_total,
        message=job.message, seq=job.seq, error=job.error, reason=job.reason,
        exit_code=job.exit_code, generation_id=job.generation_id,
        is_cancel_asked=job.is_cancel_asked,
    )  # fmt: skip
    put_moment(shown.created_at, job.created_at)
    for name in ("started_at", "ended_at"):
        if (moment := getattr(job, name)) is not None:
            put_moment(getattr(shown, name), moment)
    return shown


def plain_of(message: Any) -> dict[str, Any]:
    """Return the fields of a message that are set, by name, messages within it, too."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None:
            found[field.name] = plain_of(value)
        elif isinstance(value, bool | int | float | str):
            found[field.name] = value
        else:
            found[field.name] = list(value)
    return found
