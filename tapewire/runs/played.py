"""A session over files, played at the pace at which they were recorded, or some times that.

It is a run like any other, but for who looks: it can be paused, stopped and killed, and one that is
stopped is whole as far as it came.
"""

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError, PeerLostError
from tapewire.runs.assembly import RunAssembly
from tapewire.runs.hooks import Hooks
from tapewire.runs.live import SessionSignals
from tapewire.runs.stream import Stream

if TYPE_CHECKING:
    from tapewire.router import Simulation
    from tapewire.runs.feed import OrderGate
    from tapewire.runs.result import RunResult
    from tapewire.runs.session_desk import SessionDesk
    from tapewire.wire import Receiver, StreamInfo
    from tapewire.wire.messages import Totals
    from tapewire.wire.receiver import Hops


def run_played(
    config: RunConfig, *, name: str, output: Path, desk: "SessionDesk", hooks: Hooks | None = None
) -> "RunResult":
    """Run strategies over files as if they were live.

    Parameters
    ----------
    config
        With a pace: ``replay.speed`` is ``realtime`` or ``{accelerated: N}``.
    name, output, hooks
        As of any run.
    desk
        Where it is seen, and told what to do.

    Raises
    ------
    ConfigError
        If it has no pace, or plays days apart.
    TapewireError
        As of any run.
    """
    replay = config.backtest.replay
    if replay.speed_factor is None:
        raise ConfigError(
            "replay.speed: expected realtime or accelerated in a session over files, found max"
        )
    if replay.days == "apart":
        raise ConfigError("replay.days: expected together in a session, found apart")
    with SessionSignals() as signals:
        run = PlayedRun(config, name, output, hooks or Hooks(), signals, desk)
        try:
            return run.run()
        except KeyboardInterrupt:
            raise signals.error() from None


class EndedReceiver:
    """A receiver whose stream can be ended before its end; what came until then is all of it.

    Parameters
    ----------
    receiver
        Of a replay.
    """

    def __init__(self, receiver: "Receiver") -> None:
        self._receiver = receiver
        self._ends = self.is_cut = False
        self._events = self._batches = self._first_ns = self._last_ns = 0

    def end(self) -> bool:
        """End the stream before its next batch; False if it is about to anyway."""
        was, self._ends = self._ends, True
        self._receiver.stop()
        return not was

    def batches(self) -> Generator[Any]:
        """Yield batches to the end, whichever it is; see `Receiver.batches`."""
        with contextlib.closing(self._receiver.batches()) as batches:
            try:
                for batch in batches:
                    if self._ends:
                        break
                    times = batch["ts_recv"]
                    self._first_ns = self._first_ns if self._batches else int(times[0])
                    self._last_ns = int(times[-1])
                    self._events += len(batch)
                    self._batches += 1
                    yield batch
            except PeerLostError:
                if not self._ends:
                    raise
            else:
                if not self._ends:
                    return
            self.is_cut = True

    @property
    def totals(self) -> "Totals":
        """What the stream carried: of one that was cut, what came of it."""
        if not self.is_cut:
            return self._receiver.totals
        from tapewire.wire.messages import Totals

        return Totals(
            events=self._events, batches=self._batches, first_ts_recv=self._first_ns,
            last_ts_recv=self._last_ns, digest="", clamped_ts_recv=0, filtered=0, files=(),
            decode_s=0.0, wait_s=0.0, pace_s=0.0, duplicates=0,
        )  # fmt: skip

    @property
    def info(self) -> "StreamInfo":
        """What the stream would carry."""
        return self._receiver.info

    def hops(self) -> "Iterator[Hops]":
        """See `Receiver.hops`."""
        return self._receiver.hops()

    def connect(self) -> "StreamInfo":
        """See `Receiver.connect`."""
        return self._receiver.connect()

    def stop(self) -> None:
        """See `Receiver.stop`."""
        self._receiver.stop()

    def close(self, reason: str) -> None:
        """See `Receiver.close`."""
        self._receiver.close(reason)


class PlayedStream(Stream):
    """Both ends of a replay that can be ended early."""

    def _open(self, stack: contextlib.ExitStack) -> Any:
        return EndedReceiver(super()._open(stack))

    def wait_end(self) -> None:
        """Wait for the replay's own end, unless it was cut."""
        if not self.receiver.is_cut:  # type: ignore[attr-defined]
            super().wait_end()


class PlayedRun(RunAssembly):
    """A session over files, from the first check to the manifest.

    Parameters
    ----------
    config, name, folder, hooks, signals
        As of any run.
    desk
        As `run_played` has it.
    """

    keeps_rows = True
    signals: SessionSignals

    def __init__(
        self, config: RunConfig, name: str, folder: Path, hooks: Hooks, signals: SessionSignals,
        desk: "SessionDesk",
    ) -> None:  # fmt: skip
        super().__init__(config, name, folder, False, None, desk.heard_by(hooks), signals)
        self._desk = desk
        self._playing: Any = None

    def _stream(self, stack: contextlib.ExitStack) -> Stream:
        stream = PlayedStream(self.facts, None, self.hooks, self.signals, stack)
        self._playing = stream.receiver
        return stream

    def _gate(self, simulation: "Simulation") -> "OrderGate":
        self._desk.attend(simulation, None, self._end)
        self.signals.end_data = self._end
        self.signals.obey = self._desk.obey
        return self._desk

    def _end(self) -> bool:
        if not self._playing.end():
            return False
        self.facts.warnings.append(
            "the session was ended before its data were: run again, they are played to their end"
        )
        return True
