"""Jobs of a server, as Python: asked for, watched through lost connections, canceled."""

import base64
import functools
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc

from tapewire.errors import PeerLostError, TapewireError
from tapewire.services.client.plain import given, moment_of
from tapewire.services.client.refusals import ServerRefusal
from tapewire.services.proto import (
    backtests_pb2,
    backtests_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    optimizer_pb2,
    optimizer_pb2_grpc,
    strategies_pb2,
    strategies_pb2_grpc,
)

#: For how long a server is asked again that does not answer, s, and how often.
RESUMED_S: Final = 120.0
_AGAIN_S: Final = 0.5
#: One stream; the next one goes on from where it ended.
_STREAM_S: Final = 600.0


@dataclass(frozen=True)
class ServerJob:
    """A job of a server.

    Attributes
    ----------
    id : int
    kind, owner : str
    state : str
        ``waiting``, ``running``, ``done``, ``failed`` or ``canceled``.
    attempt : int
    progress : float
        0 to 1.
    steps_done : int
    steps_total : int or None
    message : str
        What the steps are.
    seq : int
        Grows with every change.
    error, reason : str
        Why it is not done: for people, and for programs.
    exit_code : int
    generation_id : int or None
        The search that it began, or went on with.
    created_at, started_at, ended_at : str
        ISO 8601; empty: not yet.
    """

    id: int
    kind: str
    owner: str
    state: str
    attempt: int
    progress: float
    steps_done: int
    steps_total: int | None
    message: str
    seq: int
    error: str
    reason: str
    exit_code: int
    generation_id: int | None
    created_at: str
    started_at: str
    ended_at: str

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in ("waiting", "running")

    def require_done(self) -> None:
        """Refuse one that came to nothing.

        Raises
        ------
        ServerRefusal
            With the sentence, reason and exit code of the command that does the same here.
        """
        if self.state != "done":
            status = "CANCELLED" if self.state == "canceled" else "FAILED_PRECONDITION"
            raise ServerRefusal(self.error, self.reason, status, self.exit_code)


def new_key() -> str:
    """Return an idempotency key that nobody has used."""
    return base64.urlsafe_b64encode(os.urandom(18)).decode()


class JobCalls:
    """The calls of a client that are about jobs."""

    server: str
    _channel: Any
    _call: Callable[[Callable[..., Any], Any], Any]
    _told: Callable[[Any], TapewireError]

    # --- asked for --------------------------------------------------------------------------------

    def generate(
        self, bars: Mapping[str, Any], settings: Mapping[str, Any], *, skip_judging: bool = False,
        key: str = "",
    ) -> ServerJob:  # fmt: skip
        """Ask for strategies that are made by rule, tried, judged and kept.

        Parameters
        ----------
        bars, settings
            Fields of the messages ``Bars`` and ``SearchSettings``; None is as usual.
        skip_judging
        key
            Of your choice: a call that comes again with it is the same job; empty: a new one.
        """
        chosen = given(settings)
        if "constraints" in chosen:
            chosen["constraints"] = given(chosen["constraints"])
        request = strategies_pb2.GenerateStrategiesRequest(
            bars=given(bars), settings=chosen, skip_judging=skip_judging
        )
        stub = strategies_pb2_grpc.StrategyServiceStub(self._channel)
        return self._asked(stub.Generate, request, key)

    def evolve(self, generation_id: int, *, key: str = "", **more: Any) -> ServerJob:
        """Ask for a search to go on; `more` are fields of ``EvolveGenerationRequest``."""
        request = strategies_pb2.EvolveGenerationRequest(generation_id=generation_id, **given(more))
        stub = strategies_pb2_grpc.StrategyServiceStub(self._channel)
        return self._asked(stub.Evolve, request, key)

    def run_backtest(
        self, bars: Mapping[str, Any], keys: Sequence[str] = (), *, key: str = "", **more: Any
    ) -> ServerJob:
        """Ask for strategies to be traded on bars; `more` are fields of ``RunBacktestRequest``."""
        request = backtests_pb2.RunBacktestRequest(bars=given(bars), keys=keys, **given(more))
        return self._asked(backtests_pb2_grpc.BacktestServiceStub(self._channel).Run, request, key)

    def judge(self, generation_id: int, *, key: str = "", **more: Any) -> ServerJob:
        """Ask for the best of a search to be judged; see ``JudgeGenerationRequest``."""
        request = backtests_pb2.JudgeGenerationRequest(generation_id=generation_id, **given(more))
        stub = backtests_pb2_grpc.BacktestServiceStub(self._channel)
        return self._asked(stub.Judge, request, key)

    def optimize(
        self, bars: Mapping[str, Any], strategy: str, parameters: Sequence[str], *, key: str = "",
        **more: Any,
    ) -> ServerJob:  # fmt: skip
        """Ask for every combination of parameters to be traded; see ``StartOptimizerRequest``."""
        request = optimizer_pb2.StartOptimizerRequest(
            bars=given(bars), strategy=strategy, parameters=parameters, **given(more)
        )
        stub = optimizer_pb2_grpc.OptimizerServiceStub(self._channel)
        return self._asked(stub.Start, request, key)

    def _asked(self, call: Callable[..., Any], request: Any, key: str) -> ServerJob:
        """Ask once, however often the connection is lost meanwhile."""
        request.idempotency_key = key or new_key()
        return job_of(self._again(lambda: self._call(call, request)).job)

    # --- looked at --------------------------------------------------------------------------------

    def job(self, job_id: int) -> ServerJob:
        """Return a job."""
        return job_of(self._got(job_id).job)

    def job_asked(self, job_id: int) -> dict[str, Any]:
        """Return what a job was asked for."""
        found: dict[str, Any] = json.loads(self._got(job_id).asked)
        return found

    def job_result(self, job_id: int) -> dict[str, Any]:
        """Return what came of a job.

        Raises
        ------
        ServerRefusal
            If it failed, was canceled or has not ended.
        """
        found = self._got(job_id)
        job = job_of(found.job)
        if not job.has_ended:
            sentence = f"job {job_id}: expected one that is done, found {job.state}"
            raise ServerRefusal(sentence, "STORE", "FAILED_PRECONDITION", 7)
        job.require_done()
        result: dict[str, Any] = json.loads(found.result)
        return result

    def _got(self, job_id: int) -> Any:
        stub = jobs_pb2_grpc.JobServiceStub(self._channel)
        return self._again(lambda: self._call(stub.Get, jobs_pb2.GetJobRequest(job_id=job_id)))

    def jobs(
        self, *, state: str = "", kind: str = "", page_size: int = 100, page_token: str = ""
    ) -> tuple[list[ServerJob], str]:
        """Return a page of jobs, the newest first, and where the next one begins."""
        request = jobs_pb2.ListJobsRequest(
            state=f"JOB_STATE_{state.upper()}" if state else None,
            kind=kind,
            page_size=page_size,
            page_token=page_token,
        )
        found = self._call(jobs_pb2_grpc.JobServiceStub(self._channel).List, request)
        return [job_of(one) for one in found.jobs], found.next_page_token

    def cancel_job(self, job_id: int) -> ServerJob:
        """Have a job end; return it as it is then.

        A session that trades is told to stop, in order; canceled once more, it ends at once.
        """
        stub = jobs_pb2_grpc.JobServiceStub(self._channel)
        request = jobs_pb2.CancelJobRequest(job_id=job_id)
        return job_of(self._again(lambda: self._call(stub.Cancel, request)).job)

    def watch_job(self, job_id: int, after_seq: int = 0) -> Iterator[ServerJob]:
        """Give a job whenever it has changed, until it has ended; lost streams are gone on with.

        Raises
        ------
        PeerLostError
            If the server does not answer for two minutes.
        """
        stub = jobs_pb2_grpc.JobServiceStub(self._channel)

        def asked(after: int) -> Any:
            return jobs_pb2.WatchJobRequest(job_id=job_id, after_seq=after)

        for message in streamed(self, stub.Watch, asked, after_seq, lambda one: one.job.seq):
            job = job_of(message.job)
            yield job
            if job.has_ended:
                return

    def follow_job(
        self, job_id: int, hear: Callable[[ServerJob], None] | None = None
    ) -> dict[str, Any]:
        """Wait for a job's end; return its result.

        Raises
        ------
        ServerRefusal
            If it failed or was canceled.
        PeerLostError
            If the server does not answer for two minutes.
        """
        for job in self.watch_job(job_id):
            if hear is not None:
                hear(job)
        return self.job_result(job_id)

    def _again(self, work: Callable[[], Any]) -> Any:
        """Do what may be done twice until somebody answers, or nobody does for too long."""
        until_s = time.monotonic() + RESUMED_S
        while True:
            try:
                return work()
            except PeerLostError:
                if time.monotonic() >= until_s:
                    raise
            except ServerRefusal as refusal:
                # It is about to end, or busy, or its store is away for a moment.
                passes = refusal.status == "UNAVAILABLE" or refusal.reason == "BUSY"
                if not passes or time.monotonic() >= until_s:
                    raise
            time.sleep(_AGAIN_S)


def streamed(
    client: "JobCalls", call: Callable[..., Any], asked: Callable[[int], Any], after_seq: int,
    seq_of: Callable[[Any], int],
) -> Iterator[Any]:  # fmt: skip
    """Give messages of a stream that tells of changes; one that is lost is gone on with.

    Parameters
    ----------
    client
        Whose call it is.
    call
        Of a stub.
    asked
        Makes the request of a stream behind a number.
    after_seq
        The number that was seen last.
    seq_of
        That of a message.

    Raises
    ------
    PeerLostError
        If the server does not answer for two minutes.
    ServerRefusal
        If the server refuses, or lets nobody hear more, as when a login has ended.
    """

    def stream(request: Any, *, metadata: Any, timeout: float) -> Any:
        # The first message decides whether the call was let in.
        messages = call(request, metadata=metadata, timeout=_STREAM_S)
        return next(messages), messages

    while True:
        try:
            begin = functools.partial(client._call, stream, asked(after_seq))
            first, rest = client._again(begin)
            for message in itertools.chain([first], rest):
                after_seq = seq_of(message)
                yield message
        except grpc.RpcError as error:
            if error.code().name not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"):
                raise client._told(error) from None
            time.sleep(_AGAIN_S)


def job_of(one: Any) -> ServerJob:
    """Return a job that a server has told of."""
    return ServerJob(
        one.id, one.kind, one.owner,
        jobs_pb2.JobState.Name(one.state).removeprefix("JOB_STATE_").lower(), one.attempt,
        one.progress, one.steps_done, one.steps_total if one.HasField("steps_total") else None,
        one.message, one.seq, one.error, one.reason, one.exit_code,
        one.generation_id if one.HasField("generation_id") else None,
        moment_of(one, "created_at"), moment_of(one, "started_at"), moment_of(one, "ended_at"),
    )  # fmt: skip
