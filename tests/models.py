"""Models beside a simulation: real sockets, a thread in the place of the model's process."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import zmq

from stories import configure
from tapewire.bridge import protocol as msg
from tapewire.bridge.ahead import ALL_ROWS
from tapewire.bridge.company import Company
from tapewire.bridge.desk import Desk
from tapewire.bridge.latency import InferenceLatency
from tapewire.bridge.lockstep import OWN_COLUMNS, LockstepDesk, lockstep_definition
from tapewire.bridge.model_spec import ModelSpec
from tapewire.features import RowReach
from tapewire.router import RiskLimits, Simulation, StrategySpec
from tapewire.strategies.follower import EXTERNAL
from tapewire.wire import private_endpoint

#: Features (n, columns), times (n,), first row -> targets (n,) and requests (m,) REQUEST.
Rule = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
NOTHING = np.zeros(0, msg.REQUEST)


def targets(rule: Callable[[np.ndarray], np.ndarray]) -> Rule:
    """A rule that gives targets alone."""
    return lambda features, ts, first: (rule(features), NOTHING)


def request(kind: int, row: int = 0, **fields: int) -> np.ndarray:
    """One request."""
    one = np.zeros(1, msg.REQUEST)
    one["kind"], one["row"], one["instrument"] = kind, row, msg.SAME_INSTRUMENT
    one["price"] = msg.NO_PRICE
    for name, value in fields.items():
        one[name] = value
    return one


class ModelThread:
    """A model in a thread: connects, says hello, answers by a rule.

    ``answer`` may be replaced by something that misbehaves.
    """

    def __init__(
        self, endpoint: str, rule: Rule, *, delay_s: float = 0.0, split: int = 0,
        keeps_state: bool = False, name: str = "rule",
    ) -> None:  # fmt: skip
        self.endpoint, self.rule, self.delay_s, self.split = endpoint, rule, delay_s, split
        self.keeps_state, self.name = keeps_state, name
        self.heard: list[Any] = []
        self.rows: list[np.ndarray] = []
        self.state: bytes | None = None  # that it goes on from
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        with contextlib.suppress(SystemExit):
            self._run()

    def _run(self) -> None:
        context = zmq.Context()
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 200
        self.socket.connect(self.endpoint)
        try:
            self.say(msg.BridgeHello(msg.PROTOCOL, self.name, 1, "float64", self.keeps_state))
            columns = 0
            while not self._stop.is_set():
                if not self.socket.poll(50):
                    continue
                parts = self.socket.recv_multipart(copy=False)
                message = msg.decode_message(parts[0].buffer)
                if isinstance(message, msg.BridgeWelcome):
                    columns = len(message.columns)
                arrays = msg.read_arrays(message, [p.buffer for p in parts[1:]], columns)
                if isinstance(message, msg.BridgeWelcome) and arrays:
                    self.state = arrays[0].tobytes()
                if not isinstance(message, msg.BridgeHeartbeat):
                    self.heard.append(message)
                if isinstance(message, msg.FeatureBatch):
                    self.rows.append(arrays[2].copy())
                    time.sleep(self.delay_s)
                    self.answer(message, arrays)
                elif isinstance(message, msg.BridgeGoodbye | msg.BridgeError):
                    return
        finally:
            self.socket.close()
            context.term()

    def say(self, message: msg.Message, *arrays: np.ndarray) -> None:
        self.socket.send_multipart([msg.encode_message(message), *(a.tobytes() for a in arrays)])

    def answer(self, message: msg.FeatureBatch, arrays: list[np.ndarray]) -> None:
        """Answer, in parts if asked to."""
        ts, _, features = arrays
        aims, requests = self.rule(features, ts, message.first_row)
        size = self.split or message.rows
        for at in range(0, message.rows, size):
            to = min(at + size, message.rows)
            mine = requests[(requests["row"] >= at) & (requests["row"] < to)].copy()
            mine["row"] -= at
            parts = [np.asarray(aims[at:to], msg.TARGET)]
            if mine.size:
                parts.append(mine)
            self.say(
                msg.SignalBatch(message.first_row + at, to - at, False, mine.size, 1_000), *parts
            )
        if message.wants_state:
            self.say(msg.State(message.first_row + message.rows, 0))

    def end(self) -> None:
        self._stop.set()
        self._thread.join(10)


Make = Callable[[str], ModelThread]


@dataclasses.dataclass
class Played:
    """What came of a run with models."""

    simulation: Simulation
    fills: np.ndarray
    orders: np.ndarray
    desks: dict[str, Desk]
    models: dict[str, ModelThread]
    said: list[str]


def spec_of(
    name: str = "model", features: Sequence[str] = ("mid",), every: str = "1ev", **settings: Any
) -> ModelSpec:
    """A model as a run is told of it; where it connects comes later."""
    if settings.get("mode") == "lockstep":
        settings["own_columns"] = OWN_COLUMNS
    latency = InferenceLatency.fixed(settings.pop("latency_ns", 1_000))
    return ModelSpec(
        name, tuple(features), every, "", latency=settings.pop("latency", latency), **settings
    )


@contextlib.contextmanager
def company_of(specs: Sequence[ModelSpec], said: list[str]) -> Iterator[Company]:
    """Desks for models, each with an address of its own."""
    with contextlib.ExitStack() as stack:
        placed = [
            dataclasses.replace(one, endpoint=stack.enter_context(private_endpoint()))
            for one in specs
        ]
        company = Company(placed, said.append)
        stack.callback(company.close)
        yield company


def play_models(
    records: np.ndarray, models: Sequence[tuple[ModelSpec, Make]], *, batch: int = 1_000_000,
    ahead: int = 16, others: Sequence[StrategySpec] = (), limits: RiskLimits | None = None,
    reach: RowReach = ALL_ROWS, **settings: Any,
) -> Played:  # fmt: skip
    """Run records with models.

    Parameters
    ----------
    models
        Each with what makes it, of an address.
    settings
        Of `stories.configure`.
    """
    said: list[str] = []
    with company_of([spec for spec, _ in models], said) as company:
        strategies = []
        for spec, _ in models:
            desk = company.desk_of(spec.strategy_id)
            kind = lockstep_definition(desk) if isinstance(desk, LockstepDesk) else EXTERNAL
            strategies.append(StrategySpec(spec.strategy_id, kind, limits=limits or RiskLimits()))
        simulation = Simulation(configure(None, others=[*strategies, *others], **settings))
        threads = {}
        for spec, make in models:
            threads[spec.strategy_id] = make(company.desk_of(spec.strategy_id).line.endpoint)
        try:
            company.connect(lambda: None)
            source = (records[at : at + batch] for at in range(0, len(records), batch))
            drained = []
            for some in company.batches(
                simulation, source, lambda: None,
                lambda k, p, n: msg.BridgeInstrument(k, p, n, str(n), 0), ahead=ahead,
                reach=reach,
            ):  # fmt: skip
                simulation.feed(some)
                drained.append(simulation.drain())
            simulation.finish()
            drained.append(simulation.drain())
        finally:
            for one in threads.values():
                one.end()
        return Played(
            simulation,
            np.concatenate([one.fills for one in drained]),
            np.concatenate([one.orders for one in drained]),
            {desk.spec.strategy_id: desk for desk in company.desks},
            threads,
            said,
        )


def by(rule: Rule, kind: type[ModelThread] = ModelThread, **settings: Any) -> Make:
    """What makes a model of an address."""
    return lambda endpoint: kind(endpoint, rule, **settings)
