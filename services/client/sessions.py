"""Live sessions of a server, as Python: started, watched through lost connections, ended."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tapewire.services.client.broker_accounts import BrokerAccountCalls
from tapewire.services.client.jobs import ServerJob, job_of, new_key, streamed
from tapewire.services.client.plain import plain
from tapewire.services.client.runs import either, patient
from tapewire.services.proto import live_pb2, live_pb2_grpc


@dataclass(frozen=True)
class ServerSession:
    """What is to be seen of a session.

    Attributes
    ----------
    job : ServerJob
    seq : int
        Grows with every change of what follows.
    state : dict or None
        Books, own orders with their places, accounts, fills, feed, warnings; None: nothing yet.
    wish, wished_by : str
        ``go``, ``pause``, ``stop``, ``kill``, and whose; empty: nobody has wished anything.
    """

    job: ServerJob
    seq: int
    state: dict[str, Any] | None
    wish: str
    wished_by: str


class SessionCalls(BrokerAccountCalls):
    """The calls of a client that are about live sessions, accounts at a broker, and jobs."""

    def describe_sessions(self) -> dict[str, Any]:
        """Return what may be asked for: ``schema`` of a configuration, ``example`` in YAML."""
        found = self._call(patient(self._live.Describe), live_pb2.DescribeSessionsRequest())
        return plain(found, parsed=("schema",))

    def check_session(self, config: str | Mapping[str, Any]) -> dict[str, Any]:
        """Say what is wrong with a configuration of a session; see `RunCalls.check_run`."""
        request = live_pb2.CheckSessionConfigRequest(**either(config))
        return plain(self._call(patient(self._live.CheckConfig), request), parsed=("json",))

    def start_session(
        self, config: str, *, duration_s: float | None = None, key: str = ""
    ) -> ServerJob:
        """Ask for a session on paper.

        Parameters
        ----------
        config
            YAML as of ``tapewire live``; without its key ``live``, over files at their pace.
        duration_s
            How long at most; None: a day but for an hour, or to the end of the files.
        key
            The same key again is the same session; empty: one of its own.

        Raises
        ------
        ServerRefusal
            If it may not be started, with the keys that are wrong.
        """
        request = live_pb2.StartSessionRequest(
            config=config, duration_s=duration_s, idempotency_key=key or new_key()
        )
        return job_of(self._again(lambda: self._call(self._live.Start, request)).job)

    def stop_session(self, job_id: int) -> str:
        """Have a session end in order; return what is wished of it now."""
        return self._wished(self._live.Stop, live_pb2.StopSessionRequest(job_id=job_id))

    def pause_session(self, job_id: int) -> str:
        """Have a session hold new orders."""
        return self._wished(self._live.Pause, live_pb2.PauseSessionRequest(job_id=job_id))

    def resume_session(self, job_id: int) -> str:
        """Have a session go on."""
        return self._wished(self._live.Resume, live_pb2.ResumeSessionRequest(job_id=job_id))

    def kill_session(self, job_id: int) -> str:
        """Have a session cancel all that is open, and end."""
        return self._wished(self._live.Kill, live_pb2.KillSessionRequest(job_id=job_id))

    def watch_session(self, job_id: int, after_seq: int = 0) -> Iterator[ServerSession]:
        """Give a session whenever it has changed, until it has ended; at most four times a second.

        Raises
        ------
        PeerLostError
            If the server does not answer for two minutes.
        """

        def asked(after: int) -> Any:
            return live_pb2.WatchSessionRequest(job_id=job_id, after_seq=after)

        watch = self._live.Watch
        for message in streamed(self, watch, asked, after_seq, lambda one: one.seq):
            state = json.loads(message.state) if message.state else None
            wish = message.session
            seen = ServerSession(
                job_of(message.job), message.seq, state, wish.wish, wish.wished_by
            )  # fmt: skip
            yield seen
            if seen.job.has_ended:
                return

    @property
    def _live(self) -> Any:
        return live_pb2_grpc.LiveTradingServiceStub(self._channel)

    def _wished(self, call: Callable[..., Any], request: Any) -> str:
        return str(self._again(lambda: self._call(call, request)).session.wish)
