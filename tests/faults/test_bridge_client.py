"""A model's process and a run that asks, hangs up, or talks nonsense."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bridge_peers as peers
from bridge_peers import FakeRun, rows_of, served
from tapewire.bridge import protocol as msg

SIGN = """
import numpy as np
from tapewire.bridge import StrategyBase

class Mine(StrategyBase):
    def on_features(self, features):
        return np.sign(features[:, 0])
"""


def model(body: str, head: str = "") -> str:
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return (
        "import asyncio, os, time\nimport numpy as np\nfrom tapewire.bridge import StrategyBase\n"
        f"{head}\nclass Mine(StrategyBase):\n{lines}\n"
    )


def returning(what: str) -> str:
    return model(f"def on_features(self, features):\n    return {what}")


@pytest.fixture
def run(short_folder: Path) -> Iterator[FakeRun]:
    with FakeRun(f"ipc://{short_folder}/run/mine") as fake:
        yield fake


# --- what goes well -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_many_frames_in_flight_are_answered_in_order(
    run: FakeRun, tmp_path: Path, dtype: str
) -> None:
    source = SIGN.replace("    def on_f", f"    dtype = {dtype!r}\n\n    def on_f")
    with served(tmp_path, source, run.endpoint) as client:
        hello = run.welcome()
        assert (hello.name, hello.pid, hello.dtype) == ("Mine", client.process.pid, dtype)
        assert not hello.keeps_state
        ts, instrument, values = rows_of(20_000)
        cuts = [0, 1, 8, 9, 265, *range(1_000, 20_000, 517), 20_000]
        for at, stop in itertools.pairwise(cuts):
            run.send_rows(at, (ts[at:stop], instrument[at:stop], values[at:stop]))
        np.testing.assert_array_equal(run.hear_targets(0, 20_000), np.sign(values[:, 0]))
        run.bye()
        code, said = client.end()
        assert (code, said.splitlines()[-1]) == (0, "done: 20,000 rows answered")


def test_over_tcp_it_is_the_same(tmp_path: Path) -> None:
    with FakeRun("tcp://127.0.0.1:*") as run, served(tmp_path, SIGN, run.endpoint) as client:
        run.welcome()
        rows = rows_of(4_096)
        for k in range(300):  # 50 MB, and more than a socket's buffers hold
            run.send_rows(4_096 * k, rows)
        got = run.hear_targets(0, 300 * 4_096)
        np.testing.assert_array_equal(got[-4_096:], np.sign(rows[2][:, 0]))
        run.bye()
        assert client.end()[0] == 0


def test_one_row_at_a_time_and_slowly_is_answered_in_parts(run: FakeRun, tmp_path: Path) -> None:
    source = model("""
batches = False
def on_features(self, features):
    assert features.shape == (2,) and len(self.rows) == 1
    time.sleep(0.05)
    return self.rows.first_row if features[0] > 0 else None
""")
    with served(tmp_path, source, run.endpoint) as client:
        run.welcome(first_row=100)
        rows = rows_of(12)
        run.send_rows(100, rows)
        answers = run.hear_answers(100, 112)
        assert len(answers) > 2
        got = np.concatenate([arrays[0] for _, arrays in answers])
        expected = np.where(rows[2][:, 0] > 0, np.arange(100, 112), msg.NO_TARGET)
        np.testing.assert_array_equal(got, expected)
        assert all(signals.busy_ns > 0 for signals, _ in answers)
        run.bye()
        assert client.end()[0] == 0


def test_hooks_may_be_coroutines_and_tasks_go_on_between_messages(
    run: FakeRun, tmp_path: Path
) -> None:
    source = model("""
async def on_start(self, session):
    self.ticks = 0
    self.task = asyncio.ensure_future(self.tick())
async def tick(self):
    while True:
        await asyncio.sleep(0.01)
        self.ticks += 1
async def on_features(self, features):
    await asyncio.sleep(0.001)
    return {"target": np.full(len(features), self.ticks), "confidence": [0.5] * len(features)}
async def on_market_close(self):
    self.task.cancel()
""")
    with served(tmp_path, source, run.endpoint) as client:
        run.welcome()
        seen = []
        for k in range(4):
            time.sleep(0.1)
            run.send_rows(3 * k, rows_of(3))
            [(signals, (targets, confidence))] = run.hear_answers(3 * k, 3 * k + 3)
            assert signals.has_confidence
            assert confidence.tolist() == [0.5] * 3
            seen.append(int(targets[0]))
        assert seen[0] > 0
        assert seen == sorted(set(seen))
        run.say(msg.Close(1, True))
        run.bye()
        assert client.end()[0] == 0


def test_it_is_told_of_its_orders_closes_and_the_end(run: FakeRun, tmp_path: Path) -> None:
    source = model("""
def note(self, *words):
    with open(self.parameters["path"], "a") as file:
        print(*words, file=file)
def on_start(self, session):
    self.note("start", session.strategy_id, session.mode, session.columns, session.latency_ns)
def on_features(self, features):
    self.note("row", self.rows.ts[0], self.session.instruments[0].symbol)
    return self.signals().buy(0, 2, 4800.25, tag=9).target(0, 3)
def on_update(self, update):
    self.note("update", update.tag, update.status)
def on_fill(self, update):
    self.note("fill", update.fill_quantity)
def on_market_close(self):
    self.note("close")
def on_stop(self):
    self.note("stop")
""")
    accepted = msg.OrderUpdate(5, 9, 0, 1, "ACCEPTED", "NONE", 10**9, 2, 0, 0, 0, 0, 0)
    filled = msg.OrderUpdate(6, 9, 0, 1, "FILLED", "QUEUE", 10**9, 2, 2, 2, 10**9, 2, 3)
    notes = tmp_path / "notes"
    with served(tmp_path, source, run.endpoint, "-p", f"path={notes}", "-p", "n=3") as client:
        run.welcome(mode="lockstep", rows_max=1, parameters='{"path": "elsewhere", "m": [1]}')
        run.send_rows(0, rows_of(1))
        [(signals, (targets, requests))] = run.hear_answers(0, 1)
        assert (signals.requests, targets.tolist()) == (1, [3])
        assert requests[0].tolist()[:-2] == (
            9, 4_800_250_000_000, 2, 0, -1, msg.SUBMIT, msg.BUY, msg.LIMIT, msg.GTC,
        )  # fmt: skip
        run.say(msg.Updates((accepted, filled)))
        run.say(msg.BridgeHeartbeat())
        run.say(msg.Close(7, True))
        run.bye()
        assert client.end()[0] == 0
    assert notes.read_text().splitlines() == [
        "start mine lockstep ('mid', 'imbalance_5') 1000000",
        f"row {rows_of(1)[0][0]} ESH4",
        "update 9 ACCEPTED", "update 9 FILLED", "fill 2", "close", "stop",
    ]  # fmt: skip


STATEFUL = model("""
total = 0.0
def on_features(self, features):
    sums = self.total + np.cumsum(features[:, 0])
    self.total = float(sums[-1])
    return np.round(sums)
def save(self):
    return repr(self.total).encode()
def load(self, state):
    self.total = float(state)
""")


def test_its_state_goes_from_one_process_to_the_next(short_folder: Path, tmp_path: Path) -> None:
    ts, instrument, values = rows_of(300)
    endpoint = f"ipc://{short_folder}/run/one"
    with FakeRun(endpoint) as run, served(tmp_path, STATEFUL, endpoint) as client:
        assert run.welcome().keeps_state
        run.send_rows(0, (ts[:100], instrument[:100], values[:100]), wants_state=True)
        before = run.hear_targets(0, 100)
        message, (state,) = run.hear()
        assert message == msg.State(100, len(state))
        client.process.kill()
        client.end()
    endpoint = f"ipc://{short_folder}/run/two"
    with FakeRun(endpoint) as run, served(tmp_path, STATEFUL, endpoint) as client:
        run.welcome(state.tobytes(), first_row=100)
        run.send_rows(100, (ts[100:], instrument[100:], values[100:]))
        after = run.hear_targets(100, 300)
        run.bye()
        assert client.end()[0] == 0
    expected = np.round(np.cumsum(values[:, 0]))
    np.testing.assert_array_equal(np.concatenate([before, after]), expected)


def test_more_requests_than_a_message_may_have_travel_in_several(
    run: FakeRun, tmp_path: Path
) -> None:
    source = model("""
def on_features(self, features):
    signals = self.signals()
    for row in range(len(features)):
        for k in range(32):
            signals.cancel(row, row * 32 + k)
    return signals
""")
    n = msg.REQUESTS_MAX // 32 + 100
    with served(tmp_path, source, run.endpoint):
        run.welcome(rows_max=n)
        run.send_rows(0, rows_of(n))
        answers = run.hear_answers(0, n)
    assert [signals.rows for signals, _ in answers] == [n - 100, 100]
    tags = np.concatenate([arrays[1]["tag"] for _, arrays in answers])
    rows = np.concatenate([s.first_row + arrays[1]["row"] for s, arrays in answers])
    np.testing.assert_array_equal(tags, np.arange(n * 32))
    np.testing.assert_array_equal(rows, np.repeat(np.arange(n), 32))


def test_it_may_come_before_the_run(short_folder: Path, tmp_path: Path) -> None:
    endpoint = f"ipc://{short_folder}/run/mine"
    with served(tmp_path, SIGN, endpoint) as client:
        assert client.process.stderr is not None
        assert client.process.stderr.readline() == f"waiting for the run at {endpoint} …\n"
        with FakeRun(endpoint) as run:
            run.welcome()
            run.bye()
            assert client.end()[0] == 0


# --- what the model does wrong --------------------------------------------------------------------

WRONG = {
    "features[:3, 0]": "at rows 0 to 9: target: expected shape (10,), found (3,)",
    "features": "target: expected shape (10,), found (10, 2)",
    "3": "target: expected shape (10,), found ()",
    "np.arange(10) / 4": "row 1: expected a target in whole lots within ±2147483647, or NaN, found",
    "np.full(10, np.inf)": "row 0: expected a target in whole lots within ±2147483647, or NaN, fou",
    "[2**40] * 10": "row 0: expected a target within ±2147483647 lots, or NO_TARGET, found 1099",
    "features[:, 0] > 0": "target: expected whole numbers (NaN in an array of floats is none), fou",
    "[None] * 10": "target: expected None, an array of targets, a mapping with target and conf",
    "'buy'": "expected None, an array of targets, a mapping with target and confidence, or what ",
    "{'targets': [1] * 10}": "expected the keys target and confidence, found targets",
    "{'confidence': [np.nan] * 10}": "row 0: expected a confidence from 0 to 1, found nan",
    "{'confidence': [0.5] * 9 + [1.5]}": "row 9: expected a confidence from 0 to 1, found 1.5",
    "self.signals().target(10, 1)": "ValueError: row: expected 0 to 9, found 10",
    "self.signals().target(1, 1.5)": "TypeError: row 1: target: expected a whole number, found 1.5",
    "self.signals().buy(2, 1, tag=1, instrument=7)": "row 2: instrument: expected one of the sess",
    "self.signals().sell(2, 0, tag=1)": "row 2: quantity: expected 1 to 2147483647, found 0",
    "self.signals().buy(0, 1, float('nan'), tag=1)": "row 0: price: expected a finite price of",
    "[self.signals().cancel(4, 1) for s in [self.signals()] for _ in '12'][0]": "",
    "(s := self.signals(), [s.cancel(4, 1) for _ in range(33)])[0]": "row 4: expected at most 32",
    "1 / 0": "ZeroDivisionError: division by zero",
    "exit(0)": "SystemExit: 0",
}


@pytest.mark.parametrize(("what", "expected"), [(w, e) for w, e in WRONG.items() if e])
def test_what_it_returns_wrongly_is_one_clear_error_at_both_ends(
    run: FakeRun, tmp_path: Path, what: str, expected: str
) -> None:
    with served(tmp_path, returning(what), run.endpoint) as client:
        run.welcome()
        run.send_rows(0, rows_of(10))
        message, _ = run.hear()
        code, said = client.end()
    assert isinstance(message, msg.BridgeError)
    assert code == 6
    assert "Mine" in message.message
    assert expected in message.message
    told = said[said.index("error: ") + len("error: ") :].rstrip("\n")
    assert told.replace("\n", "\\n") == message.message


def test_its_traceback_has_its_own_lines_and_none_of_ours(run: FakeRun, tmp_path: Path) -> None:
    source = model(
        "async def on_features(self, features):\n    return helper(features)",
        "def helper(features):\n    raise KeyError('what')\n",
    )
    with served(tmp_path, source, run.endpoint) as client:
        run.welcome()
        run.send_rows(0, rows_of(2))
        message, _ = run.hear()
        _, said = client.end()
    assert isinstance(message, msg.BridgeError)
    path = tmp_path / "model.py"
    assert said.splitlines()[1:] == [
        "error: model Mine failed in on_features at rows 0 to 1:",
        f'  File "{path}", line 9, in on_features',
        "    return helper(features)",
        f'  File "{path}", line 5, in helper',
        "    raise KeyError('what')",
        "KeyError: 'what'",
    ]


@pytest.mark.parametrize(
    ("body", "parameters", "expected"),
    [
        ("def __init__(self, window): pass", "{}", "can't be made :"),
        ("def __init__(self): pass", '{"window": 3}', "can't be made with parameters window=3"),
        (
            "def on_start(self, session):\n    session.column('vwap')",
            "{}",
            "found mid, imbalance_5",
        ),
        (
            "def on_start(self, session):\n    return 1",
            "{}",
            "expected it to return nothing, found 1",
        ),
    ],
)
def test_a_model_that_cannot_start_says_why(
    run: FakeRun, tmp_path: Path, body: str, parameters: str, expected: str
) -> None:
    with served(tmp_path, model(body), run.endpoint) as client:
        run.welcome(parameters=parameters)
        message, _ = run.hear()
        assert isinstance(message, msg.BridgeError)
        assert expected.rstrip(" :") in message.message
        assert client.end()[0] == 6


def test_rows_before_the_failing_one_are_answered(run: FakeRun, tmp_path: Path) -> None:
    source = model("""
batches = False
def on_features(self, features):
    if self.rows.first_row == 7:
        raise ValueError("no")
    return 1
""")
    with served(tmp_path, source, run.endpoint) as client:
        run.welcome()
        run.send_rows(0, rows_of(10))
        assert run.hear_targets(0, 7).tolist() == [1] * 7
        message, _ = run.hear()
        assert isinstance(message, msg.BridgeError)
        assert "on_features at row 7" in message.message
        assert client.end()[0] == 6


def test_a_state_that_is_none_is_an_error(run: FakeRun, tmp_path: Path) -> None:
    source = model("def on_features(self, features): pass\ndef save(self): return {}")
    with served(tmp_path, source, run.endpoint) as client:
        run.welcome()
        run.send_rows(0, rows_of(1), wants_state=True)
        run.hear_answers(0, 1)
        message, _ = run.hear()
        assert message == msg.BridgeError("Mine.save: expected bytes, found dict")
        assert client.end()[0] == 6


# --- what the run does wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["before the welcome", "between rows", "in a hook", "awaiting"])
def test_a_run_that_is_gone_ends_the_model_within_five_seconds(
    short_folder: Path, tmp_path: Path, where: str
) -> None:
    endpoint = f"ipc://{short_folder}/run/mine"
    source = model({
        "in a hook": "def on_features(self, features): time.sleep(60)",
        "awaiting": "async def on_features(self, features): await asyncio.sleep(60)",
    }.get(where, "def on_features(self, features): pass"))  # fmt: skip
    script = (
        "import sys, time; import bridge_peers as p\n"
        "run = p.FakeRun(sys.argv[1])\n"
        "if sys.argv[2] == 'before the welcome': run.hear()\n"
        "else: run.welcome(); run.send_rows(0, p.rows_of(10))\n"
        "if sys.argv[2] == 'between rows': run.hear_answers(0, 10)\n"
        "time.sleep(0.3); print(flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, endpoint, where],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    with other, served(tmp_path, source, endpoint) as client:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
        code, said = client.ended_within(5)
    assert code == 5
    assert f"error: the run at {endpoint} is gone" in said


def test_a_stopped_run_is_noticed(short_folder: Path, tmp_path: Path) -> None:
    endpoint = f"ipc://{short_folder}/run/mine"
    script = "import sys, time; import bridge_peers as p; r = p.FakeRun(sys.argv[1]); r.welcome()"
    other = subprocess.Popen(
        [sys.executable, "-c", f"{script}; print(flush=True); time.sleep(60)", endpoint],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    with other, served(tmp_path, SIGN, endpoint) as client:
        assert other.stdout is not None
        other.stdout.readline()
        other.send_signal(signal.SIGSTOP)
        assert client.ended_within(10)[0] == 5
        other.kill()


def features(first: int = 0, rows: int = 1) -> bytes:
    return msg.encode_message(msg.FeatureBatch(first, rows, False))


ONE = tuple(array.tobytes() for array in rows_of(1))
NONSENSE: dict[str, tuple[list[Any], str]] = {
    "no msgpack": ([b"TWB1\xc1"], "a malformed bridge message"),
    "another magic": ([b"XXXX\x80"], "expected a message beginning with b'TWB1', found b'XXXX'"),
    "a header too large": ([b"TWB1" + b"\xc0" * (1 << 20)], "at most 1048576 allowed"),
    "too few arrays": ([features(), *ONE[:2]], "expected 3 arrays behind a features message, fou"),
    "too many frames": (
        [features(), *ONE, b"", b""],
        "expected 3 arrays behind a features message",
    ),
    "a short matrix": ([features(), ONE[0], ONE[1], ONE[2][:-1]], "payload of 15 bytes in 1 frame"),
    "rows left out": ([features(1), *ONE], "expected rows from 0 on, at most 4096, found 1 from 1"),
    "no rows": ([features(0, 0), *ONE], "a malformed bridge message"),
    "an unknown book": ([features(), ONE[0], b"\7\0\0\0", ONE[2]], "instruments it was told of, f"),
    "a negative book": (
        [features(), ONE[0], b"\xff" * 4, ONE[2]],
        "instruments it was told of, fou",
    ),
    "a second welcome": (
        [msg.encode_message(peers.WELCOME)],
        "what a run may say, found a welcome",
    ),
    "its own kind": (
        [msg.encode_message(msg.State(0, 0))],
        "what a run may say, found a state mes",
    ),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_of_the_run_is_named_at_both_ends(run: FakeRun, tmp_path: Path, name: str) -> None:
    frames, expected = NONSENSE[name]
    with served(tmp_path, SIGN, run.endpoint) as client:
        run.welcome()
        run.say(*frames)
        message, _ = run.hear()
        assert isinstance(message, msg.BridgeError)
        assert expected in message.message
        code, said = client.end()
    assert code == 5
    assert f"error: the run at {run.endpoint}: {message.message}\n" in said


@pytest.mark.parametrize(
    ("changed", "state", "expected"),
    [
        ({"protocol": 2}, b"", "expected version 1 of the bridge's protocol, found 2"),
        ({"dtype": "float32"}, b"", "expected features of float64, as the hello says"),
        ({"parameters": "[1]"}, b"", "expected parameters as an object of JSON, found '[1]'"),
        ({"parameters": "{"}, b"", "expected parameters in JSON, found none"),
        ({}, b"abc", "expected no state for a model that keeps none, found one"),
    ],
)
def test_a_welcome_that_does_not_fit_is_refused(
    run: FakeRun, tmp_path: Path, changed: dict[str, Any], state: bytes, expected: str
) -> None:
    with served(tmp_path, SIGN, run.endpoint) as client:
        run.welcome(state, **changed)
        message, _ = run.hear()
        assert isinstance(message, msg.BridgeError)
        assert expected in message.message
        assert client.end()[0] == 5


def test_rows_before_a_welcome_are_refused(run: FakeRun, tmp_path: Path) -> None:
    with served(tmp_path, SIGN, run.endpoint) as client:
        run.hear()
        run.say(msg.Close(0, False))
        message, _ = run.hear()
        assert message == msg.BridgeError("expected a welcome first, found a close message")
        assert client.end()[0] == 5


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (msg.BridgeError("row 3: no"), "goes no further with this model: row 3: no"),
        (msg.BridgeGoodbye("stopped by Ctrl-C"), "has left: stopped by Ctrl-C"),
    ],
)
def test_why_the_run_leaves_is_told(
    run: FakeRun, tmp_path: Path, word: msg.Message, expected: str
) -> None:
    with served(tmp_path, SIGN, run.endpoint) as client:
        run.welcome()
        run.say(word)
        code, said = client.end()
    assert (code, said.splitlines()[-1]) == (5, f"error: the run at {run.endpoint} {expected}")


# --- the user -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("where", ["between rows", "in a hook", "awaiting"])
def test_a_signal_ends_it_at_once_and_tells_the_run(
    run: FakeRun, tmp_path: Path, number: signal.Signals, where: str
) -> None:
    source = model({
        "in a hook": "def on_features(self, features): open('there', 'w'); time.sleep(60)",
        "awaiting": "async def on_features(self, f): open('there', 'w'); await asyncio.sleep(60)",
        "between rows": "def on_features(self, features): open('there', 'w')",
    }[where]).replace("'there'", repr(str(tmp_path / "there")))  # fmt: skip
    with served(tmp_path, source, run.endpoint) as client:
        run.welcome()
        run.send_rows(0, rows_of(1))
        if where == "between rows":
            run.hear_answers(0, 1)
        while not (tmp_path / "there").exists():
            time.sleep(0.01)
        client.process.send_signal(number)
        code, _ = client.ended_within(2)
        assert code == 128 + number
        assert run.hear()[0] == msg.BridgeGoodbye("stopped")


def test_nobody_there_is_told_with_what_to_do(short_folder: Path, tmp_path: Path) -> None:
    endpoint = f"ipc://{short_folder}/run/mine"
    with served(tmp_path, SIGN, endpoint, "--wait", "0.3") as client:
        code, said = client.ended_within(5)
    assert code == 5
    assert f"the run at {endpoint} has not come for 0 s: start it with this address" in said


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("Other", (), "expected a subclass of tapewire.bridge.StrategyBase under 'Other', found"),
        ("Mine", ("-p", "window"), "-p: expected key=value, found 'window'"),
    ],
)
def test_a_command_that_cannot_be_is_refused(
    tmp_path: Path, name: str, options: tuple[str, ...], expected: str
) -> None:
    with served(tmp_path, SIGN, "tcp://127.0.0.1:1", *options, name=name) as client:
        code, said = client.end()
    assert code == 2
    assert expected in said


def test_a_model_of_another_dtype_is_refused(tmp_path: Path) -> None:
    source = model("dtype = 'int64'")
    with served(tmp_path, source, "tcp://127.0.0.1:1") as client:
        code, said = client.end()
    assert (code, said) == (
        6, "error: Mine.dtype: expected 'float64' or 'float32', found 'int64'\n"
    )  # fmt: skip


def test_a_model_starts_at_once_and_without_compiled_code(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(SIGN)
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "import tapewire.cli.program, tapewire.bridge.client\n"
        "from tapewire.config.model_classes import find_model\n"
        "find_model(sys.argv[1], Path())\n"
        "print('numba' in sys.modules, 'pyarrow' in sys.modules, time.process_time() < 1)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["False", "False", "True"]
