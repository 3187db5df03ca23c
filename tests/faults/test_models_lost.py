"""Models that never come, hang, die or talk nonsense: the policy holds, and others don't notice."""

import time
from typing import Any

import numpy as np
import pytest

from markets import market
from models import (
    NOTHING,
    ModelThread,
    Played,
    by,
    company_of,
    play_models,
    request,
    spec_of,
    targets,
)
from stories import us
from tapewire.bridge import protocol as msg
from tapewire.bridge.answers import signals_of
from tapewire.errors import ProtocolError, StrategyError

NONE = msg.NO_TARGET


def wavering(features: np.ndarray) -> np.ndarray:
    x = np.nan_to_num(features[:, 0])
    return np.where(x > 0.5, 2, np.where(x < -0.5, -2, NONE))


RULE = targets(wavering)


@pytest.fixture(scope="module")
def records() -> np.ndarray:
    """A session; with kernels loaded, so that times are the models' alone."""
    found = market(20_000)
    play_models(found[:100], [(spec(), by(RULE))])
    return found


def spec(name: str = "model", rows_max: int = 64, **settings: Any) -> Any:
    return spec_of(name, ("imbalance_1",), "7ev", rows_max=rows_max, **settings)


class Odd(ModelThread):
    """Misbehaves at its third message of rows."""

    seen = 0

    def answer(self, message: msg.FeatureBatch, arrays: list[np.ndarray]) -> None:
        self.seen += 1
        if self.seen == 3:
            self.misbehave(message)
        else:
            super().answer(message, arrays)

    def misbehave(self, message: msg.FeatureBatch) -> None:
        raise NotImplementedError

    def signals(self, message: msg.FeatureBatch, **changes: Any) -> msg.SignalBatch:
        fields = {"first_row": message.first_row, "rows": message.rows, "has_confidence": False,
                  "requests": 0, "busy_ns": 1} | changes  # fmt: skip
        return msg.SignalBatch(**fields)


def aims(message: msg.FeatureBatch, value: int = NONE) -> np.ndarray:
    return np.full(message.rows, value, msg.TARGET)


class Twice(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        for _ in range(2):
            self.say(self.signals(message), aims(message))


class Early(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(self.signals(message, first_row=message.first_row + 1), aims(message))


class TooMany(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(self.signals(message, rows=60_000), np.zeros(60_000, msg.TARGET))


class Short(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(self.signals(message), aims(message)[:-1])


class NoArrays(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(self.signals(message))


class Confident(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(
            self.signals(message, has_confidence=True), aims(message),
            np.full(message.rows, np.nan),
        )  # fmt: skip


class Vast(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(self.signals(message), aims(message, 2**40))


class Elsewhere(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(
            self.signals(message, requests=1), aims(message),
            request(msg.CANCEL, tag=1, instrument=77),
        )  # fmt: skip


class Junk(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.socket.send(b"GET / HTTP/1.1")


class Many(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.socket.send_multipart([b"TWB1"] * 40)


class Huge(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.socket.send(b"x" * (msg.ARRAY_BYTES_MAX + 1))


class Silent(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.seen -= 1  # so is it to all that comes


class Leaving(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.socket.close(0)
        self._stop.set()
        raise SystemExit


class LeavingLater(ModelThread):
    """Leaves once it has answered the first hundred rows, however they came."""

    def answer(self, message: msg.FeatureBatch, arrays: list[np.ndarray]) -> None:
        if message.first_row >= 100:
            time.sleep(0.3)  # so that what it said has been heard
            self.socket.close(0)
            self._stop.set()
            raise SystemExit
        super().answer(message, arrays)


class Failing(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(msg.BridgeError("division by zero in line 7"))


class Polite(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(msg.BridgeGoodbye("enough"))


class Foreign(Odd):
    def misbehave(self, message: msg.FeatureBatch) -> None:
        self.say(msg.BridgeWelcome(1, "x", "pipelined", ("a",), "float64", 0, 1, "", 0, 0))


SAID = {
    Twice: "expected an answer from row",
    Early: "expected an answer from row",
    TooMany: "found one to rows",
    Short: "payload of",
    NoArrays: "expected 1 arrays behind a signals message, found 0",
    Confident: "expected a confidence from 0 to 1, found nan",
    Vast: "expected a target of ±2^31 lots, found 1099511627776",
    Elsewhere: "expected one it was told of, or -1, found instrument 77",
    Junk: "expected a message beginning with b'TWB1'",
    Many: "at most 4 frames",
    Huge: "has left",
    Silent: "has not answered row",
    Leaving: "has left",
    Failing: "division by zero in line 7",
    Polite: "left before the data ended: enough",
    Foreign: "expected an answer, found a welcome message",
}


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
def test_a_model_that_misbehaves_ends_the_run_by_name(
    records: np.ndarray, kind: type[ModelThread]
) -> None:
    began_s = time.monotonic()
    with pytest.raises(StrategyError) as caught:
        play_models(records, [(spec(answer_timeout_s=1), by(RULE, kind))], batch=2_000)
    assert time.monotonic() - began_s < 5
    assert SAID[kind] in str(caught.value)
    assert "model" in str(caught.value)
    assert caught.value.strategy_id == "model"


@pytest.mark.parametrize("kind", [Silent, Leaving, Vast, Junk], ids=lambda kind: kind.__name__)
def test_others_do_not_notice(records: np.ndarray, kind: type[ModelThread]) -> None:
    good = (spec("good"), by(RULE))
    alone = play_models(records, [good], batch=2_000)
    bad = spec("bad", on_failure="continue_without", answer_timeout_s=0.5)
    both = play_models(records, [(bad, by(RULE, kind)), good], batch=2_000)
    assert both.desks["bad"].fault is not None
    assert both.simulation.digests()["good"] == alone.simulation.digests()["good"]


def test_a_model_that_never_comes() -> None:
    said: list[str] = []
    with (
        company_of([spec(connect_timeout_s=0.3)], said) as company,
        pytest.raises(StrategyError, match=r"has not connected for 0\.3 s"),
    ):
        company.connect(lambda: None)


def _held(played: Played) -> int:
    return int(played.simulation._memory.accounts.records["position"][0])


@pytest.mark.parametrize(("policy", "flat"), [("flatten", True), ("continue_without", False)])
def test_the_run_goes_on_without_it(records: np.ndarray, policy: str, flat: bool) -> None:
    """A long position and an open order: what becomes of them."""

    def rule(features: np.ndarray, ts: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        rows = first + np.arange(len(features))
        asked = request(msg.SUBMIT, tag=1, side=1, price=10**9, quantity=1,
                        order_type=msg.LIMIT, time_in_force=msg.GTC)  # fmt: skip
        if 42 not in rows:
            return np.where(rows == 40, 3, NONE), NOTHING
        asked["row"] = 42 - first
        return np.where(rows == 40, 3, NONE), asked

    played = play_models(records, [(spec(on_failure=policy), by(rule, LeavingLater))], batch=2_000)
    assert _held(played) == (0 if flat else 3)
    resting = played.orders[played.orders["price"] == 10**9]
    assert len(resting) == 1
    assert resting["ts_closed"][0] > 0, "canceled, not left to the end of the data"
    assert any("the run goes on without it" in text for text in played.said)


class Mortal(ModelThread):
    """Dies at some messages, and is born again at once: a new connection without a memory."""

    deaths = (2, 5)
    seen = 0

    def answer(self, message: msg.FeatureBatch, arrays: list[np.ndarray]) -> None:
        Mortal.seen += 1
        if Mortal.seen in self.deaths:
            self.socket.close(0)
            self._stop.set()
            time.sleep(0.05)
            Mortal.heir = type(self)(
                self.endpoint, self.rule, keeps_state=self.keeps_state, split=self.split
            )
            raise SystemExit
        super().answer(message, arrays)


@pytest.mark.parametrize("split", [0, 5])
def test_started_again_it_goes_on_with_one_digest(records: np.ndarray, split: int) -> None:
    Mortal.seen = 0
    alone = play_models(records, [(spec(), by(RULE))], batch=2_000)
    played = play_models(
        records, [(spec(on_failure="restart"), by(RULE, Mortal, split=split))], batch=2_000
    )
    Mortal.heir.end()
    assert played.desks["model"].restarts == 2
    assert len(played.desks["model"].figures.faults) == 2
    assert played.simulation.digests() == alone.simulation.digests()


def test_what_a_message_was_answered_of_is_not_sent_again(records: np.ndarray) -> None:
    class Halfway(Mortal):
        def answer(self, message: msg.FeatureBatch, arrays: list[np.ndarray]) -> None:
            if Mortal.seen + 1 in self.deaths and message.rows > 5:
                aims, _ = self.rule(arrays[2], arrays[0], message.first_row)
                self.say(
                    msg.SignalBatch(message.first_row, 5, False, 0, 1), aims[:5].astype(msg.TARGET)
                )
                time.sleep(0.1)  # heard before it dies
            super().answer(message, arrays)

    Mortal.seen = 0
    alone = play_models(records, [(spec(), by(RULE))], batch=2_000)
    one = spec(on_failure="restart")
    played = play_models(records, [(one, by(RULE, Halfway))], batch=2_000)
    Mortal.heir.end()
    assert played.desks["model"].restarts == 2
    assert played.simulation.digests() == alone.simulation.digests()


def test_a_close_behind_a_state_is_told_again(records: np.ndarray) -> None:
    """Each message of rows has a close behind it, so that each state has one, too."""

    class Closing(ModelThread):
        deaths: tuple[int, ...] = (20, 45)
        seen = before = 0

        def answer(self, message: msg.FeatureBatch, arrays: list[np.ndarray]) -> None:
            Closing.seen += 1
            if Closing.seen in self.deaths:
                self.socket.close(0)
                self._stop.set()
                time.sleep(0.05)
                Closing.heir = type(self)(self.endpoint, self.rule, keeps_state=True)
                raise SystemExit
            if self.state is not None:
                self.before = int.from_bytes(self.state, "little")
                self.state = None
            closes = self.before + sum(isinstance(one, msg.Close) for one in self.heard)
            wanted = np.full(message.rows, NONE)
            wanted[0] = closes % 5 - 2
            self.say(msg.SignalBatch(message.first_row, message.rows, False, 0, 1), wanted)
            if message.wants_state:
                state = np.frombuffer(closes.to_bytes(8, "little"), np.uint8)
                self.say(msg.State(message.first_row + message.rows, 8), state)

    class Steady(Closing):
        deaths = ()

    times = np.unique(records["ts_recv"].astype(np.int64))
    settings = {"on_failure": "restart", "closes_ns": tuple(times[100::100].tolist())}
    digests = []
    for kind in (Steady, Closing):
        Closing.seen = 0
        made = by(RULE, kind, keeps_state=True)
        played = play_models(records, [(spec(**settings), made)], batch=1_000)
        digests.append(played.simulation.digests())
    Closing.heir.end()
    assert Closing.seen > 60
    assert played.desks["model"].restarts == 2
    assert digests[0] == digests[1]


def test_a_state_is_what_it_goes_on_from(records: np.ndarray) -> None:
    """A model that counts its rows: with its state it answers as if it had never died."""

    class Counting(ModelThread):
        count = 0
        deaths = (20, 45)
        seen = 0

        def _run(self) -> None:
            self.count = 0
            super()._run()

        def answer(self, message: msg.FeatureBatch, arrays: list[np.ndarray]) -> None:
            cls = Counting
            cls.seen += 1
            if not self.heard_welcome:
                self.heard_welcome = True
                welcome = next(m for m in self.heard if isinstance(m, msg.BridgeWelcome))
                self.count = welcome.first_row  # a state of so many rows, and its number is it
            if cls.seen in self.deaths:
                self.socket.close(0)
                self._stop.set()
                time.sleep(0.05)
                cls.heir = cls(self.endpoint, self.rule, keeps_state=True)
                raise SystemExit
            n = message.rows
            rows = self.count + np.arange(n)
            self.count += n
            self.say(
                msg.SignalBatch(message.first_row, n, False, 0, 1),
                np.where(rows % 50 == 0, rows % 7 - 3, NONE).astype(msg.TARGET),
            )
            if message.wants_state:
                self.say(msg.State(message.first_row + n, 8), np.array([self.count]))

        heard_welcome = False

    class Steady(Counting):
        deaths = ()

    settings = {"on_failure": "restart", "rows_max": 16}
    alone = play_models(
        records, [(spec(**settings), by(RULE, Steady, keeps_state=True))], batch=1_000
    )
    Counting.seen = 0
    played = play_models(
        records, [(spec(**settings), by(RULE, Counting, keeps_state=True))], batch=1_000
    )
    Counting.heir.end()
    welcomes = [m for m in Counting.heir.heard if isinstance(m, msg.BridgeWelcome)]
    assert welcomes[0].first_row > 0
    assert welcomes[0].state_bytes == 8
    assert played.desks["model"].restarts == 2
    assert played.simulation.digests() == alone.simulation.digests()


def test_a_second_model_is_refused_and_the_first_goes_on(records: np.ndarray) -> None:
    class Doubled(Odd):
        def misbehave(self, message: msg.FeatureBatch) -> None:
            Doubled.second = ModelThread(self.endpoint, self.rule, name="other")
            time.sleep(0.3)
            ModelThread.answer(self, message, self.arrays)

        def answer(self, message: msg.FeatureBatch, arrays: list[np.ndarray]) -> None:
            self.arrays = arrays
            super().answer(message, arrays)

    played = play_models(records, [(spec(), by(RULE, Doubled))], batch=2_000)
    Doubled.second.end()
    assert "expected one model at this address" in Doubled.second.heard[0].message
    assert played.desks["model"].fault is None


def test_times_of_latencies_never_cross(records: np.ndarray) -> None:
    """Drawn latencies: signals come in the order of their rows."""
    from tapewire.bridge.latency import InferenceLatency

    latency = InferenceLatency("lognormal", median_ns=3e6, sigma=1.5)
    played = play_models(records, [(spec(latency=latency), by(RULE))], batch=2_000)
    again = play_models(records, [(spec(latency=latency), by(RULE))], batch=333)
    assert played.simulation.digests() == again.simulation.digests()
    sent = played.orders["ts_sent"]
    assert us(int(sent.min())) > 0
    assert (np.diff(np.sort(sent)) >= 0).all()


def mutated(frames: list[bytes], random: np.random.Generator) -> list[bytes]:
    """Frames with something wrong: bits, lengths, order, number."""
    frames = list(frames)
    which = int(random.integers(len(frames)))
    data = bytearray(frames[which])
    how = random.integers(5)
    if how == 0 and data:
        for _ in range(int(random.integers(1, 8))):
            data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    elif how == 1:
        data = data[: int(random.integers(len(data) + 1))]
    elif how == 2:
        data += random.bytes(int(random.integers(1, 64)))
    elif how == 3:
        data = bytearray(random.bytes(int(random.integers(0, 200))))
        if random.integers(2):
            data[:4] = b"TWB1"
    else:
        frames = [frames[int(k)] for k in random.integers(len(frames), size=3)]
        return frames
    frames[which] = bytes(data)
    return frames


def play_mutated(count: int, seed: int) -> dict[str, int]:
    """Answers with something wrong are protocol errors, or answers: never anything else."""
    random = np.random.default_rng(seed)
    effect, books = np.arange(8), np.zeros(8, np.int64)
    good = msg.SignalBatch(0, 8, True, 3, 5)
    requests = np.concatenate(
        [request(kind, row, tag=row, side=1, price=10**9, quantity=1, order_type=msg.LIMIT,
                 time_in_force=msg.GTC) for row, kind in enumerate((1, 2, 3))]
    )  # fmt: skip
    frames = [
        msg.encode_message(good), np.arange(8, dtype=msg.TARGET).tobytes(),
        np.full(8, 0.5).tobytes(), requests.tobytes(),
    ]  # fmt: skip
    ends = {"refused": 0, "read": 0}
    for _ in range(count):
        changed = mutated(frames, random)
        try:
            message = msg.decode_message(changed[0])
            arrays = msg.read_arrays(message, [memoryview(part) for part in changed[1:]], 1)
            if isinstance(message, msg.SignalBatch) and message.rows == 8:
                signals_of(message, arrays, effect, books, np.ones(1, np.bool_))
            ends["read"] += 1
        except ProtocolError:
            ends["refused"] += 1
    return ends


def test_mutated_answers_are_errors_of_their_sender() -> None:
    ends = play_mutated(5_000, 1)
    assert ends["refused"] > 4_000
    assert ends["read"] > 0, "some changes say something else that is right"


@pytest.mark.long
def test_a_hundred_thousand_mutated_answers() -> None:
    assert play_mutated(100_000, 2)["refused"] > 80_000


def test_strangers_with_mutated_frames_disturb_nobody(records: np.ndarray) -> None:
    import threading

    import zmq

    random = np.random.default_rng(3)
    hello = [msg.encode_message(msg.BridgeHello(msg.PROTOCOL, "x", 1, "float64", False))]
    stop = threading.Event()
    sent = []

    def knock(endpoint: str) -> None:
        context = zmq.Context()
        while not stop.is_set():
            with context.socket(zmq.DEALER) as socket:
                socket.linger = 0
                socket.connect(endpoint)
                for _ in range(5):
                    socket.send_multipart(mutated(hello, random))
                    sent.append(1)
                socket.poll(5)
        context.term()

    class Besieged(ModelThread):
        def answer(self, message: msg.FeatureBatch, arrays: list[np.ndarray]) -> None:
            if message.first_row == 0:
                Besieged.thread = threading.Thread(target=knock, args=(self.endpoint,))
                Besieged.thread.start()
            time.sleep(0.01)
            super().answer(message, arrays)

    try:
        played = play_models(records, [(spec(), by(RULE, Besieged))], batch=2_000)
    finally:
        stop.set()
        Besieged.thread.join()
    assert played.desks["model"].fault is None
    assert len(sent) > 20
