"""The stream of a run: the replay, started or found, and the receiver of what it sends.

The replay is a child process (ipc or tcp), a thread (inproc), or a process that the user started
by hand.
"""

import contextlib
import importlib
from typing import TYPE_CHECKING, Any, Final

from tapewire.config.loading import make_config
from tapewire.config.schema import DatabentoSource, Replay, SyntheticSource
from tapewire.errors import PeerLostError, TapewireError
from tapewire.inputs.batch_folder import check_downloads
from tapewire.inputs.rolls import with_rolls
from tapewire.inputs.same_data import require_different
from tapewire.inputs.symbology_files import symbology_used
from tapewire.processes.child import ChildProcess
from tapewire.processes.replay_process import ReplayProcess
from tapewire.processes.signals import Signals
from tapewire.processes.transports import (
    ThreadedReplay,
    chosen_transport,
    replay_plan,
    temporary_endpoint,
)
from tapewire.runs.hooks import Hooks
from tapewire.runs.manifest import RunFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapewire.config.schema import RunConfig
    from tapewire.replay import ReplayPlan
    from tapewire.wire import Receiver, StreamInfo
    from tapewire.wire.messages import FeedState


#: Keys that change what comes, and that a replay started by hand has of its own.
_OF_WHO_READS: Final = (
    "symbols", "roll", "publishers", "start", "end", "warmup", "duplicates", "allow_truncated",
    "speed",
)  # fmt: skip


class Stream:
    """Both ends of a run's stream, until the stack it was opened on is closed.

    Parameters
    ----------
    facts
        The run; transport, input cache and warnings are noted there.
    connect
        Endpoint of a replay that was started by hand.
    hooks, signals
        Told of what takes long, and asked meanwhile.
    stack
        What ends with the run.
    plan
        What is replayed, where that is not all that the configuration names.
    told
        Called with what becomes of a live feed.
    idle
        Called while nothing comes, several times a second.

    Raises
    ------
    TapewireError
        The replay's own error about its files, or that it said nothing in time.
    """

    def __init__(
        self,
        facts: RunFacts,
        connect: str | None,
        hooks: Hooks,
        signals: Signals,
        stack: contextlib.ExitStack,
        plan: "ReplayPlan | None" = None,
        told: "Callable[[FeedState, str], None]" = lambda state, text: None,
        idle: "Callable[[], None]" = lambda: None,
    ) -> None:
        self._facts = facts
        self._plan = plan
        self._connect = connect
        self._hooks = hooks
        self._signals = signals
        self._told, self._idle = told, idle
        self._replay: ChildProcess | ThreadedReplay | None = None
        self.receiver = self._open(stack)
        stack.callback(self.receiver.close, "the run ended before its data")

    def begin(self) -> "StreamInfo":
        """Connect both ends; return what will come.

        Raises
        ------
        TapewireError
            If the replay is gone, or is none.
        """
        try:
            info = self.receiver.connect()
        except PeerLostError as lost:
            raise self.named(lost) from None
        if self._connect is not None:
            self._note_foreign(info)
        return info

    def check(self) -> None:
        """Raise what ended a replay of ours badly, for who waits for something else meanwhile.

        Raises
        ------
        TapewireError
            The replay's own error, or that it was lost.
        """
        if isinstance(self._replay, ChildProcess):
            self._replay.check()

    def wait_end(self) -> None:
        """Wait for the replay's own end after the last batch."""
        if isinstance(self._replay, ChildProcess):
            self._replay.wait_end()

    def named(self, error: TapewireError) -> TapewireError:
        """Prefer what the replay itself said to how its silence looked from here."""
        if isinstance(error, PeerLostError) and isinstance(self._replay, ChildProcess):
            return self._replay.error() or error
        return error

    # --- opening it -----------------------------------------------------------------------------

    def _open(self, stack: contextlib.ExitStack) -> "Receiver":
        """Start the replay and wait until it has checked its files; return this end."""
        options = self._facts.config.backtest.replay
        timeout_s = float(options.peer_timeout_s)
        if self._connect is not None:
            return self._receiver(self._connect)
        plan = self._plan or replayed_plan(self._facts, self._hooks, self._signals, stack)
        transport = self._facts.transport = chosen_transport(options.transport)
        if transport == "inproc":
            thread = stack.enter_context(ThreadedReplay(plan, peer_timeout_s=timeout_s))
            thread.wait_ready(self._signals)
            self._replay = thread
            return self._receiver(thread.endpoint, context=thread.context)
        endpoint = stack.enter_context(temporary_endpoint(transport))
        process = stack.enter_context(
            ReplayProcess(plan.to_json(), endpoint, peer_timeout_s=timeout_s)
        )
        importlib.import_module("tapewire.router")  # while the other process opens its files
        self._replay = process
        return self._receiver(process.wait_ready(self._signals), process)

    def _receiver(
        self, endpoint: str, process: ChildProcess | None = None, context: Any = None
    ) -> "Receiver":
        from tapewire.wire import Receiver

        # They hold what they need, not this object, which holds the receiver: all memory of a run
        # would wait for the collector of cycles.
        signals, hooks, is_foreign = self._signals, self._hooks, self._connect is not None
        idle = self._idle

        def tick() -> None:
            signals.check()
            idle()
            if process is not None:
                process.check()

        def notice(text: str) -> None:
            if is_foreign:
                hooks.announce(text)

        options = self._facts.config.backtest.replay
        return Receiver(
            endpoint,
            payload=options.payload,
            peer_timeout_s=float(options.peer_timeout_s),
            context=context,
            tick=tick,
            notice=notice,
            told=self._told,
        )

    def _note_foreign(self, info: "StreamInfo") -> None:
        """Let the configuration of the run folder name the files that were really replayed."""
        left = not_applied(self._facts.config)
        name_inputs(self._facts, info)
        self._facts.warnings.append(
            f"the events came from a replay at {self._connect} that was started by hand: filters "
            "given there are not in config.yaml"
        )
        if left:
            self._facts.warnings.append(
                f"that replay did not know of the configuration's {', '.join(left)}: not applied"
            )


def not_applied(config: "RunConfig") -> list[str]:
    """Return the keys of a configuration that only whoever reads the files can apply."""
    whole = config.backtest
    default = DatabentoSource(type="databento", files=["-"])
    return [
        f"{section}.{name}"
        for section, given, usual in (
            ("data_source", whole.data_source, default), ("replay", whole.replay, Replay())
        )
        for name in _OF_WHO_READS
        if hasattr(given, name) and hasattr(usual, name)
        if getattr(given, name) != getattr(usual, name)
    ]  # fmt: skip


def name_inputs(facts: RunFacts, info: "StreamInfo") -> None:
    """Have a run's configuration name what a stream is of, in place of what it named."""
    content = facts.config.model_dump(mode="python", exclude_none=True)
    given = content["backtest"]["data_source"]
    content["backtest"]["data_source"] = {
        "type": "databento",
        "files": [file.name for file in info.files],
        "status_files": given.get("status_files", []),
        "definition_files": given.get("definition_files", []),
        "statistics_files": given.get("statistics_files", []),
        "flags": given.get("flags", {}),
    }
    facts.config = make_config(content)


def replayed_plan(
    facts: RunFacts, hooks: Hooks, signals: Signals, stack: contextlib.ExitStack
) -> "ReplayPlan":
    """Say what is replayed: the configuration's files, or what stands for them.

    Raises
    ------
    ConfigError, InputError
        If the same data are given twice, or a download is not whole.
    """
    source = facts.config.backtest.data_source
    if isinstance(source, SyntheticSource):
        from tapewire.inputs.synthetic import synthetic_file

        with signals.immediate():
            files = (str(synthetic_file(source, hooks.announce)),)
        source = DatabentoSource(type="databento", files=list(files))
    options = facts.config.backtest.replay
    plan = replay_plan(source, options)
    with signals.immediate():
        require_different(
            plan.files,
            allow_copies=plan.duplicates == "drop",
            allow_truncated=plan.allow_truncated,
        )
        facts.warnings += check_downloads(
            plan.files,
            start_ns=plan.start_ns,
            end_ns=plan.end_ns,
            allow_truncated=plan.allow_truncated,
            working=hooks.working,
        )
        facts.symbology = symbology_used(plan.files)
        plan, rolls = with_rolls(plan, source, hooks.working)
        if rolls is not None:
            facts.rolls = rolls
            facts.warnings += rolls.warnings()
    if not options.cache:
        return plan
    from tapewire.inputs.cache import InputCache

    cache = facts.cache = stack.enter_context(
        InputCache(options.cache_max_bytes, announce=hooks.announce, working=hooks.working)
    )
    with signals.immediate():
        plan = cache.prepare(plan)
    facts.warnings += cache.warnings
    return plan
