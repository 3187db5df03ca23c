"""A run over live data: orders on paper, in the very simulation that replays files.

The market stream is a process of its own, which records what it publishes. The run folder's
configuration names that recording: run again it is a replay, to the same digest as long as no order
was denied for data that were late, cut off, or had a gap.
"""

import contextlib
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from tapewire.config.accounts import hedges
from tapewire.config.live import LiveSettings
from tapewire.config.orders import OrderSettings
from tapewire.config.schema import RunConfig
from tapewire.config.variants import checked_variants
from tapewire.errors import ConfigError, OutputError
from tapewire.inputs.databento_http import key_from_environment
from tapewire.live.plan import StreamPlan
from tapewire.live.rails.settings import require_confirmed
from tapewire.live.recorder import discard_empty
from tapewire.live.subscription import FeedRequest, GatewayAddress
from tapewire.processes.live_process import LiveStreamProcess
from tapewire.processes.signals import Signals
from tapewire.processes.transports import temporary_endpoint
from tapewire.runs.alerts import Alerts
from tapewire.runs.assembly import RunAssembly
from tapewire.runs.folders import RUNS, timed_name
from tapewire.runs.hooks import Hooks
from tapewire.runs.live_gate import LiveGate
from tapewire.runs.result import RunResult
from tapewire.runs.stream import Stream, name_inputs

if TYPE_CHECKING:
    from tapewire.router import Simulation
    from tapewire.runs.feed import OrderGate
    from tapewire.runs.live_orders import LiveOrders
    from tapewire.runs.manifest import RunFacts
    from tapewire.runs.session_desk import SessionDesk
    from tapewire.wire import Receiver, StreamInfo

#: Behind a run folder's name: what its data are recorded in.
RECORDING: Final = ".recording"


def run_live(
    config: RunConfig,
    settings: LiveSettings,
    *,
    name: str,
    output: str | Path | None = None,
    seconds: float | None = None,
    hooks: Hooks | None = None,
    role: str = "",
    confirmed: str | None = None,
    desk: "SessionDesk | None" = None,
) -> RunResult:
    """Run strategies over live data until Ctrl-C, or for some seconds: on paper, or at a broker.

    Parameters
    ----------
    config
        What a backtest is of; its `data_source` is put in place of by the recording.
    settings
        Which data.
    name
        What a new run folder is called after its time.
    output
        The run folder, a new one; its name with ``.recording`` behind is that of the data's folder.
    seconds
        How long; None: until the first Ctrl-C or SIGTERM, which ends the data there.
    hooks
        Told of what happens.
    role, confirmed
        Of who asks, and what they typed, where ``orders.mode`` is ``live``.
    desk
        Where it is seen, and told what to do.

    Raises
    ------
    ConfigError
        If there is no key, or the request can't be.
    FeedError
        If the gateway refuses it, or is not there.
    NoDataError
        If nothing came.
    OutputError
        If one of the folders is there already, or can't be written.
    InterruptedRunError
        By a second Ctrl-C; what was traded is kept.
    TapewireError
        As of any run.
    """
    key_from_environment()
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"--for: expected more than 0 seconds, found {seconds:g}")
    request = FeedRequest(settings.dataset, tuple(settings.symbols), stype_in=settings.stype_in)
    address = GatewayAddress.typed(settings.gateway) if settings.gateway else None
    if config.backtest.replay.days == "apart":
        raise ConfigError("replay.days: expected together in a live run, found apart")
    if settings.orders is not None:
        require_confirmed(settings.orders, role, confirmed)
        require_sendable(config)
    folder = Path(output) if output is not None else RUNS / timed_name(name)
    recording = folder.with_name(folder.name + RECORDING)
    for path in (folder, recording):
        if path.exists():
            raise OutputError(f"{path}: expected nothing there, for a session of its own")
    plan = StreamPlan(
        request, str(recording.absolute()), address, settings.patience_s,
        float(config.backtest.replay.peer_timeout_s),
    )  # fmt: skip
    hooks = hooks or Hooks()
    with SessionSignals() as signals:
        run = LiveRun(
            config, name, folder, hooks, signals, plan, settings, seconds, (role, confirmed), desk
        )
        try:
            return run.run()
        except KeyboardInterrupt:
            raise signals.error() from None
        finally:
            discard_empty(recording)


def require_sendable(config: RunConfig) -> None:
    """Check that orders of a configuration can go to a broker.

    Raises
    ------
    ConfigError
        If not: nobody could say whose position is whose, or who cuts a session off.
    """
    variants = sum(
        len(checked_variants(one, ("strategy", i))) for i, one in enumerate(config.strategy)
    )
    if variants != 1:
        raise ConfigError(
            f"live.orders: expected one strategy in an account, found {variants}: whose its "
            "position is could not be told"
        )
    [strategy] = config.strategy
    executions = [config.backtest.execution, strategy.execution]
    if any(one is not None and one.gateway is not None for one in executions):
        raise ConfigError(
            "execution.gateway: expected none where orders go to a broker, whose gateway is real"
        )
    if hedges(strategy, config.backtest):
        raise ConfigError(
            "live.orders: expected a position that nets, found longs and shorts beside each other"
        )


class SessionSignals(Signals):
    """Signals of a session: the first one ends its data, in order; the next ones end it at once.

    Attributes
    ----------
    end_data
        What the first one does, once there are data; False if there is nothing to end.
    look_at_time, obey
        Called as often as signals are looked at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.end_data: Callable[[], bool] = lambda: False
        self.look_at_time: Callable[[], None] = lambda: None
        self.obey: Callable[[], None] = lambda: None
        self._ends = False

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if not self._ends and not self._lost and self.end_data():
            self._ends = True
            return
        super()._caught(number, frame)

    def check(self) -> None:
        """Raise `InterruptedRunError` if the user asked to stop at once."""
        super().check()
        self.look_at_time()
        self.obey()


class LiveStream(Stream):
    """Both ends of a live stream, until the stack it was opened on is closed.

    Parameters
    ----------
    plan, seconds
        What is streamed, and for how long; None: until it is told to end.
    others
        As of `Stream`.
    """

    def __init__(
        self, plan: StreamPlan, seconds: float | None, facts: "RunFacts", hooks: Hooks,
        signals: SessionSignals, stack: contextlib.ExitStack,
        told: Callable[..., None], idle: Callable[[], None],
    ) -> None:  # fmt: skip
        self._stream_plan, self._seconds = plan, seconds
        self._session = signals
        self._ends_s: float | None = None
        super().__init__(facts, None, hooks, signals, stack, told=told, idle=idle)

    def begin(self) -> "StreamInfo":
        """Connect both ends; return what will come. Its time begins here."""
        info = super().begin()
        name_inputs(self._facts, info)
        self._ends_s = None if self._seconds is None else time.monotonic() + self._seconds
        return info

    def _open(self, stack: contextlib.ExitStack) -> "Receiver":
        endpoint = stack.enter_context(temporary_endpoint("ipc"))
        self._facts.transport = "live"
        process = stack.enter_context(LiveStreamProcess(self._stream_plan.to_json(), endpoint))
        importlib.import_module("tapewire.router")  # while the other process loads its own
        self._replay = process
        receiver = self._receiver(process.wait_ready(self._signals), process)
        is_ending = False

        def end_data() -> bool:
            nonlocal is_ending
            if not is_ending and not process.has_ended:
                is_ending = True
                process.end_stream()
                return True
            return False

        self._session.end_data = end_data
        self._session.look_at_time = self._look_at_time
        return receiver

    def _look_at_time(self) -> None:
        """End the data if their time is over."""
        if self._ends_s is not None and time.monotonic() >= self._ends_s:
            self._ends_s = None
            self._session.end_data()


class LiveRun(RunAssembly):
    """A live run's parts, from the first check to the manifest.

    Parameters
    ----------
    config, name, hooks, signals
        As of any run.
    folder
        Its run folder, which is not there yet.
    plan, settings, seconds, desk
        As `run_live` has them.
    confirmed
        Its role and what was typed.
    """

    keeps_rows = True
    signals: SessionSignals

    def __init__(
        self, config: RunConfig, name: str, folder: Path, hooks: Hooks, signals: SessionSignals,
        plan: StreamPlan, settings: LiveSettings, seconds: float | None,
        confirmed: tuple[str, str | None] = ("", None),
        desk: "SessionDesk | None" = None,
    ) -> None:  # fmt: skip
        hooks = hooks if desk is None else desk.heard_by(hooks)
        super().__init__(config, name, folder, False, None, hooks, signals)
        self._desk = desk
        self._plan, self._settings, self._seconds = plan, settings, seconds
        self._confirmed, self._name = confirmed, folder.name
        self.orders_go_abroad = settings.orders is not None
        self._alerts: Alerts | None = None
        self._live_gate = LiveGate(
            settings, self._tell, self.facts.warnings, None if desk is None else desk.holds
        )

    def run(self) -> RunResult:
        """Run it; who is told of alerts is told how it ended, too."""
        if self._settings.alerts is None:
            return super().run()
        with Alerts(self._settings.alerts, self._name) as alerts:
            self._alerts = alerts
            try:
                result = super().run()
            except BaseException as error:
                alerts.tell(f"the session ended: {str(error) or type(error).__name__}")
                raise
            else:
                alerts.tell("the session is complete")
            finally:
                if left := alerts.close():
                    self.hooks.announce(left)
        return result

    def _tell(self, text: str) -> None:
        """Say what a person should know at once, wherever they are."""
        self.hooks.announce(text)
        if self._alerts is not None:
            self._alerts.tell(text)

    def _stream(self, stack: contextlib.ExitStack) -> Stream:
        from tapewire.runs import wiring

        self._stack = stack
        with self.signals.immediate():  # no data shall wait for that
            wiring.warm_up(self.facts.config, self.hooks.announce, abroad=self.orders_go_abroad)
        return LiveStream(
            self._plan, self._seconds, self.facts, self.hooks, self.signals, stack,
            self._live_gate.told, self._live_gate.idle,
        )  # fmt: skip

    def _gate(self, simulation: "Simulation") -> "OrderGate":
        self._live_gate.attend(simulation)
        if self._settings.orders is not None:
            self._live_gate.orders = self._open_orders(self._settings.orders, simulation)
        if self._desk is None:
            return self._live_gate
        self._desk.attend(simulation, self._live_gate, self.signals.end_data)
        self.signals.obey = self._desk.obey
        return self._desk

    def _open_orders(self, settings: OrderSettings, simulation: "Simulation") -> "LiveOrders":
        """Start the rails of the account that orders go to."""
        from tapewire.live.rails.line import RailsLine
        from tapewire.runs.live_orders import LiveOrders, rails_settings

        assert self.facts.contracts is not None
        role, typed = self._confirmed
        told = rails_settings(settings, self.facts.contracts.table)
        line = self._stack.enter_context(RailsLine(told, role=role, confirmed=typed))
        self.facts.warnings.append(
            f"orders went to the account {settings.account} (session {line.session}), "
            f"mode {settings.mode}"
        )
        return LiveOrders(line, simulation, self._tell, self._live_gate.warn)
