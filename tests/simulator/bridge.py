"""A run's desk and a model's client in a simulated world, and what must come of them.

Desk, ModelLine, ModelClient and Dialogue are the production's. Rows, updates and closes are drawn
from the seed; what the model answers hangs on all that it was told before, so that nothing can be
lost, told twice or told in another order without a trace.
"""

import re
import struct
import threading
from typing import Any
from unittest import mock

import numpy as np
import zmq
from greenlet import GreenletExit

from simulator.network import Connection, Parts, Pipe, Wires
from simulator.stream import IDLE_S, Wrong
from simulator.world import Actor, Hang, World
from tapewire.bridge import protocol as msg
from tapewire.bridge.client import ModelClient
from tapewire.bridge.desk import NEVER, Desk
from tapewire.bridge.latency import InferenceLatency
from tapewire.bridge.model import StrategyBase
from tapewire.bridge.model_spec import ModelSpec
from tapewire.errors import TapewireError
from tapewire.strategies.follower import SIGNAL_SUBMIT, SIGNAL_TARGET
from tapewire.wire.link import Link

ENDPOINT = "tcp://127.0.0.1:7002"
CONNECT_S, ANSWER_S = 30.0, 20.0
_LONG_S = 60.0
_OF_MESSAGES = (
    "lost hello", "lost welcome", "lost instruments", "lost features", "lost signals", "lost state",
    "lost goodbye", "lost heartbeat", "twice hello", "twice welcome", "twice instruments",
    "twice features", "twice signals", "twice heartbeat", "swapped features",
)  # fmt: skip
_OF_PROCESSES = (
    "kill model", "kill run", "stop model", "stop run", "cut", "stuck model", "failing model",
    "short answer",
)  # fmt: skip
KINDS = (*_OF_MESSAGES, *_OF_PROCESSES)
#: What a run may say of a model that it has lost, and the model of the run.
_RUN_SAYS = (
    "has not connected for 30 s|has not answered row|expected an answer from row|expected one hello"
    "|failed: expected|has left|failed: model .*Answering failed|failed: .*Answering.on_features"
    "|reads nothing|left before the data ended|connection closed"
)
_MODEL_SAYS = (
    "is gone|goes no further with this model|expected a welcome first|expected what a run may say"
    "|expected rows|failed in on_features|on_features at|has left|has not come|says no welcome"
)


class Ready:
    """What `bridge.readiness` is to an event loop."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def wait(self) -> None:
        self._world.wait(0.1)

    async def pause(self) -> None:
        self._world.sleep(0.001)


class BridgeRun:
    """One desk and its models, drawn from a seed.

    Parameters
    ----------
    seed : int
    harm : str, optional
        "" for nothing, None: drawn.
    """

    def __init__(self, seed: int, harm: str | None = None) -> None:
        self.world = World(seed)
        self.wires = Wires(self.world)
        draw = self.draw = self.world.draw
        if harm is None:
            harm = "" if draw.random() < 0.5 else draw.choice(KINDS)
        self.harm = harm
        self.harm_row = draw.randrange(60)
        self.harm_after_s = draw.choice((0.0, 0.1, 3.0, 20.0)) * draw.random()
        self.countdown = draw.choice((0, 0, 1, 3))
        self.has_happened = False
        self.restarts = draw.random() < 0.5
        self.is_stateful = draw.random() < 0.6
        self.is_lockstep = draw.random() < 0.25
        self.takes_batches = draw.random() < 0.7
        self.delay_s = draw.choice((0.0, 0.0, 0.01, 0.01, 1.0, 6.0))
        self.wires.limit = draw.choice((0, 0, 6, 40))
        usual_s, rare_s = draw.choice((0.0, 0.0001, 0.02)), draw.choice((0.0, 0.5))
        self.wires.latency_s = lambda: rare_s if draw.random() < 0.02 else usual_s * draw.random()
        self.wires.alter = self._pass
        self.feed_ns = draw.choice((0, 500))
        self.latency_ns = draw.choice((0, 1, 3_000))
        self.spec = ModelSpec(
            "mine", ("a", "b"), "1ev", ENDPOINT, latency=InferenceLatency.fixed(self.latency_ns),
            feed_ns=self.feed_ns, rows_max=draw.choice((1, 3, 16)), connect_timeout_s=CONNECT_S,
            answer_timeout_s=ANSWER_S, on_failure="restart" if self.restarts else "halt",
        )  # fmt: skip
        self.model = self._model()
        self.desk: Desk | None = None
        self.taken: list[tuple[int, ...]] = []
        self.expected: list[tuple[int, ...]] = []
        self.effects: list[int] = []
        self.total = 0  # the twin's state
        self.progress_s = self.world.now_s()
        self.is_complete = False
        self.models: list[Actor] = []
        self._links: dict[Actor, Link] = {}
        self._held: tuple[Connection, Parts] | None = None
        self._ts = 1_000_000

    # --- the model ------------------------------------------------------------------------------

    def _model(self) -> type[StrategyBase]:
        run = self

        class Answering(StrategyBase):
            batches = run.takes_batches
            total = 0

            def on_features(self, features: Any) -> Any:
                run.at_model(self.rows.first_row, len(self.rows))
                answer = self.signals()
                for k, value in enumerate(features.reshape(-1, 2)[:, 0].astype(int).tolist()):
                    self.total += value * run.is_stateful
                    target, lots = answered(value, self.total)
                    if lots:
                        answer.buy(k, lots, tag=value)
                    if target is not None:
                        answer.target(k, target)
                if run.strikes("short answer", self.rows.first_row):
                    return np.zeros(len(self.rows) + 1)
                return answer

            def on_update(self, update: msg.OrderUpdate) -> None:
                self.total += update.tag * run.is_stateful

            def on_market_close(self) -> None:
                self.total += run.is_stateful

        if self.is_stateful:

            def save(self: Any) -> bytes:
                return struct.pack("<q", self.total)

            def load(self: Any, state: bytes) -> None:
                (self.total,) = struct.unpack("<q", state)

            Answering.save, Answering.load = save, load  # type: ignore[method-assign]
        if self.draw.random() < 0.2:

            async def on_start(self: Any, session: Any) -> None:
                pass

            Answering.on_start = on_start  # type: ignore[method-assign]
        return Answering

    def strikes(self, kind: str, row: int) -> bool:
        """Whether the harm comes at a row that the model is at."""
        if self.harm != kind or self.has_happened or row < self.harm_row:
            return False
        self._happen()
        return True

    def at_model(self, row: int, rows: int) -> None:
        """What happens where the model works on rows."""
        if self.strikes("failing model", row):
            raise RuntimeError("planted")
        if self.strikes("stuck model", row):
            self.world.sleep(_LONG_S)
        if self.delay_s:
            self.world.sleep(self.delay_s * self.draw.random() / (1 if self.takes_batches else 16))
            if self._links[self.world.current].closed_by_peer:
                raise GreenletExit  # the client's thread that watches ends its process

    def serve(self) -> None:
        """The work of a model's process."""
        client = ModelClient(
            self.model, ENDPOINT, {}, CONNECT_S, None, lambda text: None, self.wires
        )
        self._links[self.world.current] = client._link
        try:
            client.work_by(lambda: _drive(client.work(Ready(self.world))))  # type: ignore[arg-type]
        finally:
            client.close()

    def start_model(self, after_s: float = 0.0) -> None:
        """Have a model's process begin."""
        name = f"model.{len(self.models)}"
        self.models.append(self.world.start(name, self.serve, after_s))

    # --- the run --------------------------------------------------------------------------------

    def follow(self) -> None:
        """The work of the run's process."""
        draw = self.draw
        desk = self.desk = Desk(self.spec, threading.Condition(), self.wires)
        try:
            desk.add_instruments([_instrument(k) for k in range(draw.choice((1, 2)))])
            books = len(desk._instruments)
            while not desk.is_ready and not desk.is_lost:
                self._turn(0.1)
            for k in range(draw.randint(1, 25)):
                if draw.random() < 0.05:
                    desk.add_instruments([_instrument(books)])
                    books += 1
                if draw.random() < 0.1:
                    self._tell(k + 1)
                if draw.random() < 0.03:
                    desk.close_market(self._ts, is_end=False)
                    self.total += self.is_stateful
                self._add(1 if self.is_lockstep else draw.choice((1, 2, 9, 30)), books)
                self._go_on()
                if desk.fault is not None:
                    return
            desk.close_market(self._ts, is_end=True)
            while not desk.is_idle and desk.fault is None:
                desk.ship(everything=True)
                self._turn(0.1)
            self._take(NEVER - 1)
            desk.end()
            self.is_complete = desk.fault is None
            desk.say_goodbye()
        finally:
            if not desk.has_said_goodbye:
                desk.ask_end()
            desk.close()

    def _add(self, n: int, books: int) -> None:
        """Hand rows to the desk, and work out what has to come of them."""
        assert self.desk is not None
        ts, about, values = [], [], []
        for _ in range(n):
            self._ts += self.draw.choice((0, 1, 5_000))
            ts.append(self._ts)
            about.append(self.draw.randrange(books))
            values.append(self.draw.randrange(1, 1_000))
            effect = max([self._ts + self.feed_ns + self.latency_ns, *self.effects[-1:]])
            self.effects.append(effect)
            self.total += values[-1] * self.is_stateful
            target, lots = answered(values[-1], self.total)
            if lots:
                self.expected.append((effect, about[-1], SIGNAL_SUBMIT, lots, values[-1]))
            if target is not None:
                self.expected.append((effect, about[-1], SIGNAL_TARGET, target, 0))
        rows = np.zeros((n, 2))
        rows[:, 0] = values
        self.desk.add(np.array(ts, np.int64), np.array(about, np.int64), rows)

    def _tell(self, tag: int) -> None:
        assert self.desk is not None
        update = msg.OrderUpdate(self._ts, tag, 0, 1, "NEW", "", 1, 1, 0, 0, 0, 0, 0)
        self.desk.tell([update])
        self.total += tag * self.is_stateful

    def _go_on(self) -> None:
        """What the thread ahead and the simulation do between batches."""
        desk, draw = self.desk, self.draw
        assert desk is not None
        if self.is_lockstep:
            desk.wait_all(self._look)
            self.progress_s = self.world.now_s()
            self._take(NEVER - 1)
            return
        desk.ship(everything=draw.random() < 0.3)
        self._turn(0.0)
        if draw.random() < 0.1:
            self.world.sleep(draw.choice((0.1, 2.5)) * draw.random())
        if draw.random() < 0.4:  # the simulation is at the end of these rows
            while desk.next_effect_ns <= self._ts + self.feed_ns and desk.fault is None:
                desk.ship(everything=True)
                self._turn(0.1)
            self._take(self._ts + self.feed_ns)

    def _turn(self, wait_s: float) -> None:
        """One turn of whoever serves the desk."""
        assert self.desk is not None
        before = self.desk.answered_rows, self.desk.is_ready
        self.desk.serve()
        if before != (self.desk.answered_rows, self.desk.is_ready):
            self.progress_s = self.world.now_s()
        self._look()
        if wait_s:
            self.desk.line.wait(wait_s)

    def _look(self) -> None:
        """Start models anew, and hold the desk to what it says is due next."""
        desk = self.desk
        assert desk is not None
        while len(self.models) <= desk.restarts:
            self.progress_s = self.world.now_s()
            self.start_model(self.draw.choice((0.0, 1.0)))
        if desk.fault is None:
            due = self.effects[desk.answered_rows] if desk.answered_rows < desk.rows else NEVER
            if desk.next_effect_ns != due:
                raise Wrong(
                    f"the next signals are due at {due}, the desk says {desk.next_effect_ns}"
                )

    def _take(self, until_ns: int) -> None:
        """Take signals; all that are due by then have to be there."""
        assert self.desk is not None
        for some in self.desk.take_signals():
            names = ("ts", "leg", "kind", "quantity", "tag")
            self.taken += zip(*(some[name].tolist() for name in names), strict=True)
        if self.desk.fault is None:
            due = sum(one[0] <= until_ns for one in self.expected)
            if len(self.taken) < due:
                raise Wrong(f"{due} signals are due, {len(self.taken)} are there")

    # --- what goes wrong ------------------------------------------------------------------------

    def _happen(self) -> None:
        self.has_happened = True
        self.progress_s = self.world.now_s()
        self.world.note("harm", self.harm)

    def _pass(self, pipe: Pipe, parts: Parts) -> list[Parts]:
        name = msg.name_of(msg.decode_message(parts[0]))
        self.world.note(name, pipe.to.kind == zmq.ROUTER)
        if self._held is not None and name == "features":
            (connection, held), self._held = self._held, None
            return [parts, held] if connection is pipe.connection else [parts]
        kind, _, of = self.harm.partition(" ")
        if self.has_happened or of != name or kind not in ("lost", "twice", "swapped"):
            return [parts]
        self.countdown -= 1
        if self.countdown >= 0 and name in ("features", "signals", "heartbeat", "state"):
            return [parts]
        self._happen()
        if kind == "swapped":
            self._held = pipe.connection, parts
        return [parts, parts] if kind == "twice" else []

    def _strike(self) -> None:
        world = self.world
        actor = self.run if self.harm.endswith("run") else self.models[-1]
        if actor.ended_s is not None:
            return
        self._happen()
        if self.harm.startswith("kill"):
            world.kill(actor)
            return
        sockets = list(actor.sockets)
        if self.harm.startswith("stop"):
            world.freeze(actor, _LONG_S)
        for connection in [c for socket in sockets for c in socket.connections.values()]:
            self.wires.stall(connection, _LONG_S)
            world.at(world.now_s() + 5.0, lambda c=connection: self.wires.cut(c))

    def play(self) -> str:
        """Play it and look at what came of it; return a digest of the signals.

        Raises
        ------
        Wrong
            If that is not as it must be.
        """
        world, draw = self.world, self.draw
        self.run = world.start("run", self.follow, draw.choice((0.0, 0.0, 5.0)))
        self.start_model(draw.choice((0.0, 0.0, 5.0)))
        if self.harm in ("kill model", "kill run", "stop model", "stop run", "cut"):
            world.at(world.now_s() + self.harm_after_s, self._strike)
        at_s = world.now_s()
        for _ in range(draw.choice((0, 0, 1, 3))):
            at_s += draw.choice((0.001, 0.5, 10.0)) * draw.random()
            seconds = 2.5 * draw.random()
            whom = draw.choice((None, self.run, self.models[0]))
            if whom is None:
                world.at(at_s, lambda s=seconds: [self.wires.stall(c, s) for c in self.wires.open])
            else:
                world.at(at_s, lambda a=whom, s=seconds: world.freeze(a, s))
            at_s += seconds + 3.0
        try:
            # A state is asked for more often than in a run, so that short ones come to it.
            with mock.patch("tapewire.bridge.desk.STATE_EVERY", draw.choice((1, 2, 16))):
                world.run(lambda: self.progress_s + IDLE_S)
            self._check()
        except (Wrong, Hang) as error:
            fault = self.desk.fault if self.desk is not None else "no desk"
            error.add_note(f"harm: {self.harm or 'none'}, restarts: {self.restarts}; {fault!r}")
            error.add_note("ends: " + "; ".join(f"{a.name}: {a.error!r}" for a in world.actors))
            raise
        return str(hash(tuple(self.expected)))

    # --- what must come of it -------------------------------------------------------------------

    def _check(self) -> None:
        for actor in self.world.actors:
            if isinstance(actor.error, Wrong):
                raise actor.error
            if actor.error is not None and not isinstance(actor.error, TapewireError):
                raise Wrong(f"{actor.name} crashed") from actor.error
            if actor.error is not None and not re.search(_MODEL_SAYS, str(actor.error)):
                raise Wrong(f"{actor.name} says what names nothing: {actor.error}")
        if self.taken != self.expected[: len(self.taken)]:
            k = next(k for k, one in enumerate(self.taken) if one != self.expected[k])
            raise Wrong(f"signal {k} is {self.taken[k]}, expected {self.expected[k]}")
        assert self.desk is not None or self.run.is_dead
        if self.is_complete:
            if len(self.taken) != len(self.expected):
                raise Wrong(f"content with {len(self.taken)} of {len(self.expected)} signals")
        elif not self.run.is_dead:
            assert self.desk is not None
            if self.desk.fault is None or not re.search(_RUN_SAYS, self.desk.fault):
                raise Wrong(f"the run has not named what it lost: {self.desk.fault!r}")
        bears = not self.has_happened or (self.restarts and not self.harm.endswith("run"))
        if bears and not self.is_complete:
            assert self.desk is not None
            raise Wrong(f"what has to be borne ended the run: {self.desk.fault}")
        if not self.has_happened and any(actor.error for actor in self.world.actors):
            raise Wrong("a model ended with an error, and nothing had happened")
        if self.wires.bound or any(actor.sockets for actor in self.world.actors):
            raise Wrong("a socket was left open")


def answered(value: int, total: int) -> tuple[int | None, int]:
    """The target and the lots to buy that a row comes to, for the model and for its twin."""
    mixed = (value * 7_919 + total * 31) % 10_007
    return (None if mixed % 3 == 0 else mixed % 21 - 10), (mixed % 5 if mixed % 4 == 0 else 0)


def _instrument(index: int) -> msg.BridgeInstrument:
    return msg.BridgeInstrument(index, 1, index, f"S{index}", 0)


def _drive(work: Any) -> None:
    """Have a coroutine do its work that waits for nothing but the world."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise Wrong("the client waits for something outside of the world")
