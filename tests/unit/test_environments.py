"""Environments to train agents in: the engine's own run, stepped decision by decision."""

import gc
import sys
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pyarrow as pa
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import tapewire as tw
from episodes import play
from streams import dbn_bytes
from tapewire.bridge.gym import TradingEnv, make_vec
from tapewire.errors import ConfigError, NoDataError
from tapewire.replay import read_records
from tapewire.replay.synth import synthesize

NS_PER_S = 10**9
FEATURES = ("mid", "imbalance_1", "returns_10s")
SETTINGS: dict[str, Any] = {"features": FEATURES, "every": "1s"}
INSTRUMENTS = {"TWA1": {"tick_size": 0.25, "multiplier": 50}}


@pytest.fixture(scope="module")
def simulate(synthetic_file: Path) -> Callable[..., tw.Simulation]:
    return partial(
        tw.Simulation, synthetic_file, instruments=INSTRUMENTS,
        overrides={"backtest.execution.fees.per_contract": 1},
    )  # fmt: skip


MIXED = np.random.default_rng(5).integers(0, 3, 97).tolist()


# --- the same engine --------------------------------------------------------------------------


@pytest.mark.parametrize("actions", ["discrete", "continuous"])
@pytest.mark.parametrize("steps_max", [None, 20])
def test_gymnasiums_own_checks(simulate: Any, actions: Any, steps_max: int | None) -> None:
    env = TradingEnv(simulate, actions=actions, steps_max=steps_max, **SETTINGS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(infinity|render modes).*")
        check_env(env)
    env.close()


class Agent(tw.Strategy):
    """What the environment does with fixed actions, written as any strategy."""

    wants = tw.Wants(features=FEATURES)  # what is seen moves a strategy's clock
    latency: str

    def on_start(self, context: Any) -> None:
        self.k, self.pending, self.target = 0, [], 0
        first = (context.now // NS_PER_S + 1) * NS_PER_S
        context.set_timer(at=first, every="1s", name="decide")

    def on_timer(self, timer: Any, context: Any) -> None:
        if timer.name == "decide":
            self.pending.append(MIXED[self.k % len(MIXED)] - 1)
            self.k += 1
            context.set_timer(after=self.latency)
            return
        self.target = self.pending.pop(0)
        self.go(context)

    def on_fill(self, fill: Any, context: Any) -> None:
        self.go(context)

    def go(self, context: Any) -> None:
        missing = self.target - context.position
        if missing and not context.orders:
            context.submit(1 if missing > 0 else -1, abs(missing))


@pytest.mark.parametrize(
    ("latency", "network_us"), [("1ms", 50), ("700ms", 50), ("2500ms", 50), ("1ms", 700_000)]
)
def test_an_episode_is_the_run_of_a_strategy_that_does_the_same(
    synthetic_file: Path, latency: str, network_us: int
) -> None:
    simulate = partial(tw.Simulation, synthetic_file, instruments=INSTRUMENTS, overrides={
        "backtest.execution.fees.per_contract": 1,
        "backtest.execution.latency_model.network_latency_us": network_us,
    })  # fmt: skip
    env = TradingEnv(simulate, latency=latency, **SETTINGS)
    seen, rewards, info = play(env, MIXED)
    with simulate(strategies=[Agent(latency=latency)]) as sim:
        while sim.step():
            pass
        assert sim.finish() == info["digest"]
        assert sim.fills().num_rows == info["fills"] > 100
        # All rewards come to the net P&L, commissions paid, and what was not told any more.
        assert seen[-1][4] == sim.positions()[0].position
        assert sum(rewards) == pytest.approx(sim.pnl, abs=1e-6)
        assert sim.positions()[0].fees > 0


def test_same_actions_same_episode_and_others_not(simulate: Any) -> None:
    env = TradingEnv(simulate, **SETTINGS)
    first, again = play(env, MIXED, seed=3), play(env, MIXED, seed=3)
    assert np.array(first[0]).tobytes() == np.array(again[0]).tobytes()
    assert first[1:] == again[1:]
    assert play(env, MIXED[1:])[2]["digest"] != first[2]["digest"]


def test_a_seed_is_that_of_the_simulations_draws(synthetic_file: Path) -> None:
    uniform = {
        "backtest.execution.latency_model": {
            "type": "uniform",
            **{
                f"{leg}_latency_{end}_us": value
                for leg in ("order", "response", "feed")
                for end, value in (("min", 100), ("max", 900_000))
            },
        }
    }
    env = TradingEnv(partial(tw.Simulation, synthetic_file, overrides=uniform), **SETTINGS)
    digests = [play(env, MIXED, seed=seed)[2]["digest"] for seed in (1, 2, 1, None)]
    assert digests[0] == digests[2] == digests[3] != digests[1]


# --- what is seen -----------------------------------------------------------------------------


def rows_like_those_of_the_file(env: TradingEnv, path: Path, every: str) -> int:
    """See the very rows of `tapewire.features_table`; how many there were."""
    table = tw.features_table(path, every=every, features=FEATURES)
    moments = table["ts_recv"].cast(pa.int64()).to_pylist()
    values = np.column_stack([table[name].to_numpy() for name in FEATURES])
    rows = dict(zip(moments, values, strict=True))
    found, over = 0, False
    observation, info = env.reset()
    while not over:
        row = rows.get(info["ts_ns"])  # none before the first event is complete
        values = np.zeros(3) if row is None else np.where(np.isnan(row), 0.0, row)
        assert observation[:3].tobytes() == values.tobytes()
        assert observation[3] == float(row is not None and not np.isnan(row).any())
        found += row is not None
        observation, _, over, _, info = env.step(found % 3)
    return found


def test_what_is_seen_are_the_rows_that_features_are_written_with(
    simulate: Any, synthetic_file: Path
) -> None:
    env = TradingEnv(simulate, **SETTINGS)
    assert env.observation_names == (*FEATURES, "known", "position", "open_lots", "pnl")
    assert rows_like_those_of_the_file(env, synthetic_file, "1s") > 300


def test_and_so_it_is_on_a_real_capture(data_file: Callable[[str], Path]) -> None:
    path = data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    sim = partial(tw.Simulation, path, instruments={"ESH4": {"tick_size": 0.25, "multiplier": 50}})
    env = TradingEnv(sim, features=FEATURES, every="10s")
    assert rows_like_those_of_the_file(env, path, "10s") > 700
    first, again = play(env, MIXED), play(env, MIXED)
    assert first[1:] == again[1:]
    assert first[2]["fills"] > 300


def test_nothing_of_what_comes_later_is_seen(simulate: Any, synthetic_file: Path, tmp_path: Path):
    records = read_records(synthetic_file)[1]
    cut = 20_000
    moment = int(records["ts_recv"][cut])
    changed = records.copy()
    # From there on another market: everything is 5.00 dearer.
    changed["price"][cut:] += np.where(changed["price"][cut:] < 2**62, 5 * 10**9, 0)
    other = tmp_path / "other.mbo.dbn"
    mappings = {"TWA1": [(int(records["instrument_id"][0]), 0, 10_000)]}
    other.write_bytes(dbn_bytes(changed, mappings=mappings))
    seen, rewards, _ = play(TradingEnv(simulate, **SETTINGS), MIXED)
    seen_2, rewards_2, _ = play(TradingEnv(partial(tw.Simulation, other, instruments=INSTRUMENTS,
        overrides={"backtest.execution.fees.per_contract": 1}), **SETTINGS), MIXED)  # fmt: skip
    first = (int(records["ts_recv"][0]) // NS_PER_S + 1) * NS_PER_S
    n = (moment - 1 - first) // NS_PER_S + 1
    assert 100 < n < len(seen) - 50
    assert np.array(seen[:n]).tobytes() == np.array(seen_2[:n]).tobytes()
    assert rewards[: n - 1] == rewards_2[: n - 1]
    assert np.array(seen[n + 1]).tobytes() != np.array(seen_2[n + 1]).tobytes()


def test_own_position_is_as_it_was_told(simulate: Any) -> None:
    # 500 ms there and back: what was decided at one second is held, and known, at the next but one.
    slow = partial(simulate, overrides={
        "backtest.execution.latency_model.network_latency_us": 500_000,
        "backtest.execution.fees.per_contract": 0,
    })  # fmt: skip
    env = TradingEnv(slow, position_size=2, latency=0, **SETTINGS)
    env.reset()
    long = [env.step(2)[0] for _ in range(3)]
    assert [(one[4], one[5]) for one in long] == [(0.0, 2.0), (2.0, 0.0), (2.0, 0.0)]
    flat = [env.step(1)[0] for _ in range(3)]
    assert [(one[4], one[5]) for one in flat] == [(2.0, -2.0), (0.0, 0.0), (0.0, 0.0)]
    env.close()


def test_a_share_of_the_position(simulate: Any) -> None:
    env = TradingEnv(simulate, actions="continuous", position_size=10, **SETTINGS)
    env.reset()
    held = [
        env.step(np.array([share], np.float32))[0][4] for share in (0.3, -1, 1, 0.04, 0.06, -0.26)
    ]
    assert held == [3, -10, 10, 0, 1, -3]
    env.close()


# --- episodes ---------------------------------------------------------------------------------


def test_an_episode_may_be_a_window(simulate: Any, synthetic_file: Path) -> None:
    records = read_records(synthetic_file)[1]
    start, end = (int(records["ts_recv"][k]) for k in (10_000, 20_000))
    env = TradingEnv(simulate, **SETTINGS)
    _, _, info = play(env, MIXED, options={"start": start, "end": end})
    windowed = TradingEnv(partial(simulate, start=start, end=end), **SETTINGS)
    seen, _, info_2 = play(windowed, MIXED)
    assert info == info_2
    assert 50 < len(seen) < 200
    assert start <= windowed.reset()[1]["ts_ns"] < start + NS_PER_S
    windowed.close()


def test_it_is_truncated_and_the_digest_is_that_until_then(simulate: Any) -> None:
    env = TradingEnv(simulate, steps_max=50, **SETTINGS)
    seen, rewards, info = play(env, MIXED)
    assert len(rewards) == 50
    again = play(env, MIXED)
    assert again[2] == info
    longer = play(TradingEnv(simulate, **SETTINGS), MIXED)
    assert longer[1][:49] == rewards[:49]
    assert longer[2]["digest"] != info["digest"]
    assert seen[-1][-1] == pytest.approx(sum(rewards))


def test_it_can_be_given_up_half_way(simulate: Any) -> None:
    env = TradingEnv(simulate, **SETTINGS)
    whole = play(env, MIXED)[2]
    env.reset()
    env.step(2)
    assert play(env, MIXED)[2] == whole
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(0)
    env.reset()
    env.close()
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(0)


def test_what_is_forgotten_is_closed(simulate: Any) -> None:
    made = []

    def kept(**given: Any) -> tw.Simulation:
        made.append(simulate(**given))
        return made[-1]

    env = TradingEnv(kept, **SETTINGS)
    env.reset()
    episode = weakref.ref(env._episode)
    del env
    gc.collect()
    assert "failed" in repr(made[0]) or "closed" in repr(made[0])
    assert made[0]._records._ended  # its files are closed
    made.clear()
    gc.collect()
    assert episode() is None


def test_a_symbol_that_is_not_there(simulate: Any) -> None:
    with pytest.raises(NoDataError, match="found 'NONE'"):
        TradingEnv(simulate, symbol="NONE", **SETTINGS).reset()


# --- vectors ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Callable[..., tw.Simulation]]:
    folder = tmp_path_factory.mktemp("days")
    for seed in (1, 2):
        synthesize(folder / f"{seed}.dbn", events=4_000, seed=seed)
    return [partial(tw.Simulation, folder / f"{k}.dbn", instruments=INSTRUMENTS) for k in (1, 2, 1)]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_vectors_over_days(days: list[Any], asynchronous: bool) -> None:
    alone = [play(TradingEnv(day, **SETTINGS), [2, 0])[2]["digest"] for day in days]
    assert alone[0] == alone[2] != alone[1]
    vector = make_vec(days, asynchronous=asynchronous, **SETTINGS)
    assert vector.num_envs == 3
    observations, _ = vector.reset(seed=4)
    assert observations.shape == (3, 7)
    found: dict[int, str] = {}
    k = 0
    while len(found) < 3:
        _, _, over, _, infos = vector.step(np.full(3, 2 if k % 2 == 0 else 0))
        for at in np.flatnonzero(over).tolist():
            found.setdefault(at, infos["digest"][at])
        k += 1
    vector.close()
    assert [found[at] for at in range(3)] == alone


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"every": "0s"}, "every: expected at least 1 ns"),
        ({"every": "often"}, "every: expected a span like 100ms"),
        ({"latency": -1}, "latency: expected at least 0 ns"),
        ({"actions": "any"}, "actions: expected discrete or continuous"),
        ({"position_size": 0}, "position_size: expected a whole number from 1"),
        ({"steps_max": 1.5}, "steps_max: expected a whole number"),
        ({"features": ["midd"]}, "midd"),
    ],
)
def test_wrong_settings(simulate: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TradingEnv(simulate, **settings)


def test_wrong_actions(simulate: Any) -> None:
    env = TradingEnv(simulate, **SETTINGS)
    env.reset()
    for action in (3, -1, 0.5, "long", None):
        with pytest.raises(ConfigError, match="expected 0 "):
            env.step(action)
    share = TradingEnv(simulate, actions="continuous", **SETTINGS)
    share.reset()
    for action in (np.nan, 1.01, np.zeros(2)):
        with pytest.raises(ConfigError, match="from -1 to 1"):
            share.step(action)
    env.close()
    share.close()


def test_several_instruments_need_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "two.dbn"
    synthesize(path, events=4_000, instruments=2, seed=1)
    env = TradingEnv(partial(tw.Simulation, path), **SETTINGS)
    with pytest.raises(ConfigError, match="expected one instrument to trade, found TWA"):
        env.reset()
    one = TradingEnv(partial(tw.Simulation, path), symbol="TWA2", **SETTINGS)
    assert play(one, MIXED)[2]["fills"] > 0


def test_data_too_short_for_a_decision(simulate: Any) -> None:
    with pytest.raises(NoDataError, match="at least one decision"):
        TradingEnv(simulate, features=FEATURES, every="24h").reset()


def test_no_simulation(simulate: Any) -> None:
    with pytest.raises(ConfigError, match="expected what makes a simulation"):
        TradingEnv("day.dbn")
    with pytest.raises(ConfigError, match="at least one"):
        make_vec([])


@pytest.mark.parametrize("name", ["gymnasium", "greenlet"])
def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for module in ("tapewire.bridge.gym", "tapewire.bridge._episodes"):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"the package {name}.*pip install 'tapewire\[rl\]'"):
        import tapewire.bridge.gym  # noqa: F401


def test_gymnasium_knows_it_as_an_environment(simulate: Any) -> None:
    wrapped = gymnasium.wrappers.FlattenObservation(TradingEnv(simulate, **SETTINGS))
    observation, _ = wrapped.reset(seed=1)
    assert observation.shape == (7,)
    wrapped.close()
