"""``LiveTradingService``: sessions started, watched, paused, stopped and killed; accounts, too."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc.aio

from tapewire.errors import ConfigError, StoreError
from tapewire.services.proto import live_pb2 as pb
from tapewire.services.proto import live_pb2_grpc
from tapewire.services.server.account_desk import NONE, AccountDesk
from tapewire.services.server.callers import CALLER, Refused
from tapewire.services.server.database import Database
from tapewire.services.server.failures import CallFailure
from tapewire.services.server.job_desk import JobDesk, job_message
from tapewire.services.server.moments import put_moment
from tapewire.services.server.run_desk import RunDesk
from tapewire.services.server.runs import bounded
from tapewire.services.server.watching import LOOK_S
from tapewire.store.live import LiveRecord

KIND: Final = "live"
#: How long a session may last, s: less than the day that an attempt at a job may take.
DURATION_S_MAX: Final = 23 * 3600.0


class LiveTrading(live_pb2_grpc.LiveTradingServiceServicer):
    """Answers calls of ``LiveTradingService``.

    Parameters
    ----------
    database, desk, runs
        As of any server.
    accounts
        At a broker.
    is_draining
        Whether the server is about to end.
    """

    def __init__(
        self,
        database: Database,
        desk: JobDesk,
        runs: RunDesk,
        accounts: AccountDesk,
        is_draining: Callable[[], bool],
    ) -> None:
        self._database, self._desk, self._runs = database, desk, runs
        self._accounts, self._is_draining = accounts, is_draining

    async def Describe(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Say what may be asked for."""
        return pb.DescribeSessionsResponse(**await self._runs.ask("describe_session"))

    async def CheckConfig(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Turn YAML into JSON, or back, and say what is wrong with it."""
        told = {
            name: bounded(name, getattr(request, name))
            for name in ("yaml", "json")
            if request.HasField(name)
        }
        return pb.CheckSessionConfigResponse(**await self._runs.ask("check_session", **told))

    async def Start(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for a session."""
        if request.HasField("duration_s") and not 0 < request.duration_s <= DURATION_S_MAX:
            raise ConfigError(
                f"duration_s: expected more than 0, at most {DURATION_S_MAX:,.0f}, found "
                f"{request.duration_s:g}"
            )
        found = await self._runs.ask("check_session", yaml=bounded("config", request.config))
        if found["problems"]:
            raise ConfigError("\n".join(found["problems"]))
        return pb.StartSessionResponse(job=await self._desk.ask(KIND, request))

    async def Stop(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Have a session end in order."""
        return pb.StopSessionResponse(session=await self._wish(request.job_id, "stop"))

    async def Pause(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Have a session hold new orders."""
        return pb.PauseSessionResponse(session=await self._wish(request.job_id, "pause"))

    async def Resume(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Have a session go on."""
        return pb.ResumeSessionResponse(session=await self._wish(request.job_id, "go"))

    async def Kill(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Have a session cancel all that is open, and end."""
        return pb.KillSessionResponse(session=await self._wish(request.job_id, "kill"))

    async def Watch(self, request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        """Tell what is to be seen of a session until it has ended."""
        job_id, after_seq, seen_job_seq = request.job_id, request.after_seq, -1
        while True:
            job = await self._database.look_up("job", lambda store: store.job(job_id))
            if job.kind != KIND:
                raise StoreError(f"job {job_id}: expected a session, found one of {job.kind}")
            found = await self._database.ask(
                "session", lambda store: store.live_among([job_id], looks=True)
            )
            live = found.get(job_id)
            seq = live.seq if live else 0
            if seq > after_seq or job.has_ended or (job.seq != seen_job_seq and live is None):
                yield _seen(job, live)
                after_seq, seen_job_seq = seq, job.seq
            if job.has_ended:
                return
            if self._is_draining():
                sentence = f"the server is about to end: watch session {job_id} again"
                raise Refused(CallFailure("UNAVAILABLE", "DRAINING", sentence))
            await asyncio.sleep(LOOK_S)

    async def ListAccounts(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give accounts at a broker, as their journals have them."""
        if not self._accounts.has_accounts:
            return pb.ListAccountsResponse(none_because=NONE)
        found = await self._accounts.seen()
        return pb.ListAccountsResponse(
            accounts=[_account(one) for one in found["accounts"]], left_out=found["left_out"]
        )

    async def KillAccount(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Have an account's rails cancel everything, and send no more orders."""
        where = "the web" if getattr(context, "is_of_page", False) else "a client"
        killed, was_killed = await self._accounts.kill(
            request.name, request.why, by=CALLER.get().name, where=where
        )
        return pb.KillAccountResponse(killed=killed, was_killed=was_killed)

    async def _wish(self, job_id: int, wish: str) -> Any:
        caller = CALLER.get()
        found = await self._database.ask(
            "wish", lambda store: store.wish_live(job_id, wish, by=caller.name)
        )
        return _wish_message(found)


def _seen(job: Any, live: LiveRecord | None) -> Any:
    shown = pb.WatchSessionResponse(job=job_message(job))
    if live is not None:
        shown.seq, shown.state = live.seq, live.state
        shown.session.CopyFrom(_wish_message(live))
        put_moment(shown.told_at, live.told_at)
    return shown


def _account(seen: dict[str, Any]) -> Any:
    told = dict(seen)
    positions = [pb.AccountPosition(**one) for one in told.pop("positions", ())]
    return pb.BrokerAccount(**told, positions=positions)


def _wish_message(live: LiveRecord) -> Any:
    return pb.SessionWish(job_id=live.job_id, wish=live.wish, wished_by=live.wished_by)
