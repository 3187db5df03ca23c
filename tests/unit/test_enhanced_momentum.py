"""The strategy ml_enhanced_momentum: its rule, its state, what it refuses."""

import asyncio
import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor

from bridge_peers import FakeRun, served
from tapewire.bridge import NO_TARGET
from tapewire.bridge.calling import ModelCaller
from tapewire.bridge.model import ModelSession
from tapewire.bridge.model_files import load_model_file
from tapewire.bridge.momentum import EnhancedMomentum, columns_sent
from tapewire.bridge.protocol import BridgeInstrument, Instruments
from tapewire.errors import ConfigError, MissingFileError, StrategyError
from trained import fitted, write_onnx

COLUMNS = ("mid", "a", "b", "c")
INSTRUMENTS = tuple(BridgeInstrument(k, 1, 7 + k, f"TW{k}", 250_000_000) for k in range(3))
LOOKBACK, ENTRY, EXIT, SIZE = 10, 1.2, 0.3, 3
N = 600


@pytest.fixture(scope="module", params=["linear", "network", "classes"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    model = {
        "linear": lambda: fitted(LinearRegression()),
        "network": lambda: fitted(
            MLPRegressor(hidden_layer_sizes=(16,), max_iter=50, random_state=1)
        ),
        "classes": lambda: fitted(GradientBoostingClassifier(n_estimators=10), (-1, 0, 1)),
    }[request.param]()
    return write_onnx(tmp_path_factory.mktemp("model") / "m.onnx", model)


@pytest.fixture(scope="module")
def market() -> tuple[np.ndarray, np.ndarray]:
    """Rows of three instruments in turn, one of them without a mid now and then."""
    rng = np.random.default_rng(11)
    instrument = rng.integers(0, 3, N).astype(np.int32)
    features = rng.normal(size=(N, 4))
    for k in range(3):
        mine = instrument == k
        steps = 0.07 * rng.normal(size=mine.sum()) * (rng.random(mine.sum()) < 0.8)
        features[mine, 0] = (-5, 100, 4_800)[k] + np.cumsum(steps)
    features[rng.random(N) < 0.05, 0] = np.nan
    features[rng.random(N) < 0.05, 2] = np.nan
    return features, instrument


class Fed:
    """The strategy, told what a run tells it."""

    def __init__(self, path: str, **parameters: Any) -> None:
        asked = {
            "lookback_period": LOOKBACK, "entry_threshold": ENTRY, "exit_threshold": EXIT,
            "position_size": SIZE, "ml_model_path": path, **parameters,
        }  # fmt: skip
        columns = asked.pop("columns", COLUMNS)
        self.caller = ModelCaller(EnhancedMomentum, asked, ModelSession("m", "pipelined", columns))
        self.caller.add_instruments(INSTRUMENTS)

    def start(self, state: bytes | None = None) -> "Fed":
        asyncio.run(self.caller.start(state))
        return self

    def feed(
        self, features: np.ndarray, instrument: np.ndarray, size: int, first: int = 0
    ) -> tuple[np.ndarray, Any]:
        async def go() -> list[Any]:
            out = []
            for at in range(0, len(features), size):
                part = slice(at, at + size)
                ts = np.arange(first + at, first + at + len(features[part]))
                async for _, answer, _ in self.caller.answers(
                    first + at, ts, instrument[part], features[part]
                ):
                    out.append(answer)
            return out

        answers = asyncio.run(go())
        targets = np.concatenate([one.targets for one in answers])
        has = answers[0].confidence is not None
        return targets, np.concatenate([one.confidence for one in answers]) if has else None


def twin(features: np.ndarray, instrument: np.ndarray, said: np.ndarray) -> list[int]:
    """The rule as its words have it, row by row."""
    mids: dict[int, list[float]] = {}
    sides: dict[int, int] = {}
    out = []
    for k, (row, key) in enumerate(zip(features, instrument.tolist(), strict=True)):
        line, side = mids.setdefault(key, []), sides.get(key, 0)
        if math.isnan(row[0]):
            out.append(NO_TARGET)
            continue
        line.append(row[0])
        if len(line) <= LOOKBACK:
            out.append(NO_TARGET)
            continue
        last = line[-LOOKBACK - 1 :]
        moves = [b - a for a, b in pairwise(last)]
        root = math.sqrt(math.fsum(move * move for move in moves))
        z = (last[-1] - last[0]) / root if root else 0.0
        p = said[k]
        if side == 1 and (z <= EXIT or p < 0):
            side = 0
        if side == -1 and (-z <= EXIT or p > 0):
            side = 0
        if side == 0:
            if z >= ENTRY and p > 0:
                side = 1
            elif -z >= ENTRY and p < 0:
                side = -1
        sides[key] = side
        out.append(side * SIZE)
    return out


@pytest.mark.parametrize("size", [1, 7, 256, N])
def test_the_rule_whatever_the_frames(path: str, market: Any, size: int) -> None:
    features, instrument = market
    said = load_model_file(path, COLUMNS, COLUMNS[1:]).predict(features[:, 1:])
    targets, confidence = Fed(path).start().feed(features, instrument, size)
    expected = twin(features, instrument, said.direction)
    assert targets.tolist() == expected
    assert {SIZE, 0, -SIZE, NO_TARGET} == set(expected)
    assert np.count_nonzero(np.diff([one for one in expected if one != NO_TARGET])) > 30
    if said.confidence is None:
        assert confidence is None
    else:
        assert confidence.tobytes() == said.confidence.tobytes()


@pytest.mark.parametrize("at", [1, 5, 100, 333])
def test_it_goes_on_from_its_state(path: str, market: Any, at: int) -> None:
    features, instrument = market
    whole = Fed(path).start().feed(features, instrument, 256)[0]
    first = Fed(path).start()
    before = first.feed(features[:at], instrument[:at], 7)[0]
    state = asyncio.run(first.caller.save())
    after = Fed(path).start(state).feed(features[at:], instrument[at:], 50, first=at)[0]
    assert np.concatenate([before, after]).tolist() == whole.tolist()
    with pytest.raises(StrategyError, match="lookback_period: expected 10"):
        Fed(path, lookback_period=11).start(state)


def test_momentums_bits_do_not_depend_on_the_frames(path: str) -> None:
    # Sums over a long lookback of numbers without an end, where another order would show.
    mids = 100 + np.cumsum(np.random.default_rng(3).normal(size=3_000))
    parts = {}
    for size in (1, 7, 256, 3_000):
        strategy = Fed(path, lookback_period=1_000).caller.model
        parts[size] = np.concatenate(
            [strategy._momentum(0, mids[at : at + size]) for at in range(0, 3_000, size)]
        )
    assert np.isnan(parts[1]).sum() == 1_000
    assert len({part.tobytes() for part in parts.values()}) == 1


def test_what_is_sent_and_what_the_model_is_asked_with(tmp_path: Path) -> None:
    config = {
        "price_features": ["returns_1m", "returns_5m", "volatility"],
        "microstructure_features": ["book_imbalance", "trade_flow"],
        "use_time_features": True,
    }
    sent = columns_sent(config)
    assert sent[0] == "mid"
    assert len(sent) == 8
    assert columns_sent(None)[0] == "mid"
    assert columns_sent({"price_features": ["returns_1m", "mid"]}) == ["mid", "returns_1m"]
    path = write_onnx(tmp_path / "m.onnx", fitted(LinearRegression(), columns=7), columns=7)
    fed = Fed(path, feature_config=config, columns=tuple(sent)).start()
    assert fed.caller.model._model.columns == tuple(sent[1:])
    with_mid = {"price_features": ["mid", "returns_1m", "returns_5m"]}
    path = write_onnx(tmp_path / "n.onnx", fitted(LinearRegression()))
    fed = Fed(path, feature_config=with_mid, columns=tuple(columns_sent(with_mid))).start()
    assert fed.caller.model._model.columns == ("mid", "returns_1m", "returns_5m")


SOURCE = """
from tapewire.bridge.momentum import EnhancedMomentum

class Mine(EnhancedMomentum):
    pass
"""


def test_a_process_of_its_own_and_another_that_goes_on_in_its_place(
    market: Any, tmp_path: Path, short_folder: Path
) -> None:
    features, instrument = market
    path = write_onnx(tmp_path / "m.onnx", fitted(LinearRegression()))
    expected = Fed(path).start().feed(features, instrument, 256)[0].tolist()
    parameters = {
        "lookback_period": LOOKBACK, "entry_threshold": ENTRY, "exit_threshold": EXIT,
        "position_size": SIZE, "ml_model_path": path,
    }  # fmt: skip
    told = {"columns": COLUMNS, "parameters": json.dumps(parameters)}
    ts = np.arange(N, dtype="<i8")
    found: list[int] = []
    state = b""
    for part, size in ((range(250), 7), (range(250, N), 100)):
        with (
            FakeRun(f"ipc://{short_folder}/{part.start}") as run,
            served(tmp_path, SOURCE, run.endpoint) as client,
        ):
            assert run.welcome(state, first_row=part.start, **told).keeps_state
            run.say(Instruments(INSTRUMENTS[1:]))
            for first in range(part.start, part.stop, size):
                rows = slice(first, min(first + size, part.stop))
                is_last = rows.stop == part.stop
                given = (ts[rows], instrument[rows], features[rows])
                run.send_rows(first, given, wants_state=is_last)
                found += run.hear_targets(first, rows.stop).tolist()
            message, arrays = run.hear()
            assert message.next_row == part.stop
            state = arrays[0].tobytes()
            run.bye()
            assert client.end()[0] == 0
    assert found == expected


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"lookback_period": 0}, "lookback_period: expected a whole number from 1"),
        ({"lookback_period": 1.5}, "lookback_period: expected a whole number"),
        ({"position_size": True}, "position_size: expected a whole number"),
        ({"entry_threshold": math.nan}, "entry_threshold: expected a number"),
        ({"exit_threshold": "low"}, "exit_threshold: expected a number"),
        ({"exit_threshold": 2.5}, "expected more than exit_threshold"),
        ({"exit_threshold": -0.1}, "expected more than exit_threshold"),
        ({"trust_pickle": "yes"}, "trust_pickle: expected true or false"),
        ({"feature_config": ["mid"]}, "feature_config: expected a mapping"),
        ({"ml_model_path": 3}, "ml_model_path: expected a path"),
        ({"ml_model_path": "models/momentum_v1.pkl"}, "momentum_v1.pkl is a pickle, which may run"),
    ],
)
def test_wrong_parameters(path: str, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        EnhancedMomentum(**{"ml_model_path": path, **wrong})


def test_a_model_file_that_is_not_there() -> None:
    with pytest.raises(MissingFileError, match=r"found none at models/m\.onnx"):
        EnhancedMomentum(ml_model_path="models/m.onnx")


def test_columns_that_are_not_sent(path: str) -> None:
    with pytest.raises(StrategyError, match="expected 'mid' among the features sent"):
        Fed(path, columns=("a", "b", "c")).start()
    with pytest.raises(StrategyError, match="the model takes 3 columns, the features are 2"):
        Fed(path, columns=("mid", "a", "b")).start()
    with pytest.raises(StrategyError, match="at least one feature to ask the model with"):
        Fed(path, columns=("mid",)).start()


def test_it_loads_no_compiled_code(path: str) -> None:
    code = f"""
import sys
from tapewire.bridge.model import ModelSession
from tapewire.bridge.momentum import EnhancedMomentum
model = EnhancedMomentum(ml_model_path={path!r})
model.on_start(ModelSession("m", "pipelined", {COLUMNS!r}))
assert not [one for one in sys.modules if one.split(".")[0] in ("numba", "llvmlite", "sklearn")]
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
