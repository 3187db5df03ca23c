"""Latencies that are drawn: their formulas, their tables, their legs, on whom they depend."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from drawn import delays, draw, many_orders, of_orders, orders_of
from markets import market, spec
from stories import Log, Tape, configure, ns, play, run
from tapewire.compiled.draws import key_of
from tapewire.errors import ConfigError
from tapewire.execution.models import Model, Models, built_in, latency_profile
from tapewire.execution.models.latency.legs import LEGS
from tapewire.execution.models.latency.profiles import PROFILES
from tapewire.execution.models.latency.quantiles import DRAW_BITS, ENTRIES, STEPS

Parameters = dict[str, str | int]
#: With what a draw that means the probability ``p`` is, in µs.
FAMILIES: dict[str, tuple[Parameters, Callable[[float], float]]] = {
    "normal": (
        {"mean_us": 50, "std_us": 20, "min_us": 10},
        lambda p: max(10, 50 + 20 * NormalDist().inv_cdf(p)),
    ),
    "lognormal": (
        {"median_us": 40, "sigma": "0.7", "base_us": 5},
        lambda p: 5 + 40 * math.exp(0.7 * NormalDist().inv_cdf(p)),
    ),
    "gamma": ({"mean_us": 60, "shape": 3, "base_us": 20}, lambda p: 20 + 20 * erlang(p, 3)),
    "pareto": (
        {"tail_probability": 1, "tail_scale_us": 30, "tail_alpha": "2.5", "max_us": 9_000},
        lambda p: min(9_000, 30 * (1 - p) ** (-1 / 2.5)),
    ),
}
ENTRY = LEGS.index("entry")


def erlang(p: float, shape: int) -> float:
    """The quantile of a gamma variate of a whole shape, by halving: its sum is a short one."""
    low, high = 0.0, 200.0
    for _ in range(80):
        x = (low + high) / 2
        above = math.exp(-x) * sum(x**j / math.factorial(j) for j in range(shape))
        low, high = (x, high) if 1 - above < p else (low, x)
    return low


def some_bits(n: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 2**63 - 1, n, endpoint=True)


# --- tables and formulas --------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_a_draw_is_the_quantile_of_its_formula(name: str) -> None:
    given, formula = FAMILIES[name]
    ranks = [0, 1, 63, 64, 65, 2**20, 2**34, 2**35 - 1, 2**35, 2**36 - 2, 2**36 - 1]
    ranks += [int(rank) for rank in some_bits(300) >> 27]
    found = delays(of_orders(name, **given), [rank << 27 for rank in ranks])
    expected = [1_000 * formula((rank + 0.5) / 2**36) for rank in ranks]
    # Between two entries of a table a straight line stands for the curve.
    assert np.allclose(found, expected, rtol=2e-4, atol=2)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_mean_and_the_quantiles_of_many_draws_are_the_formulas(name: str) -> None:
    given, formula = FAMILIES[name]
    found = np.sort(delays(of_orders(name, **given), some_bits(200_000))) / 1_000
    # The mean by the formula itself, over equal steps of probability.
    middles = (np.arange(100_000) + 0.5) / 100_000
    expected = np.array([formula(float(p)) for p in middles])
    assert abs(found.mean() - expected.mean()) < 4 * expected.std() / math.sqrt(found.size)
    for p in (0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999):
        rank = np.searchsorted(found, formula(p)) / found.size
        if not (name == "normal" and formula(p) == 10):  # at the cut many are alike
            assert abs(rank - p) < 4 * math.sqrt(p * (1 - p) / found.size)
    if name == "normal":
        share = NormalDist(50, 20).cdf(10)
        error = math.sqrt(share * (1 - share) / found.size)
        assert abs((found == 10).mean() - share) < 4 * error


def test_between_two_entries_a_draw_is_on_the_straight_line() -> None:
    """The slow twin: search for the two entries, and a fraction."""
    ranks = list(range(STEPS))
    for octave in range(29):
        ranks += [(STEPS + k) << octave for k in range(STEPS)]
    ranks.append(2 ** (DRAW_BITS - 1))
    assert ranks == sorted(set(ranks))
    assert len(ranks) == ENTRIES
    model = of_orders("lognormal", median_us=1_000, sigma=2, max_us=10_000_000)
    values = delays(model, [rank << 27 for rank in ranks[:-1]])
    for bits in map(int, some_bits(2_000) >> 1):  # the lower half
        rank = bits >> 27
        k = bisect_right(ranks, rank) - 1
        if k + 1 == values.size:
            continue  # the last entry belongs to the middle, which no draw means
        share = Fraction(rank - ranks[k], ranks[k + 1] - ranks[k])
        exact = values[k] + share * int(values[k + 1] - values[k])
        (found,) = delays(model, [bits])
        # Whole ns, and at most 20 bits of the fraction.
        assert -1 - Fraction(int(values[k + 1] - values[k]), 2**20) <= found - exact <= 0


def test_a_mixture_takes_its_tail_as_often_as_it_says() -> None:
    model = of_orders(
        "pareto", median_us=50, sigma=0, tail_probability="0.02", tail_scale_us=400, tail_alpha=2,
        base_us=10, max_us=5_000,
    )  # fmt: skip
    found = delays(model, some_bits(200_000))
    tail = found[found != 60_000]
    assert tail.min() >= 410_000
    assert abs(tail.size - 4_000) < 4 * math.sqrt(4_000)
    assert tail.max() == 5_000_000
    # Half of a tail is beyond its median, scale sqrt(2); the cut holds (400 / 4990)^2 of it.
    assert abs((tail > 10_000 + 400_000 * math.sqrt(2)).mean() - 0.5) < 4 * 0.5 / math.sqrt(4_000)
    beyond = (400 / 4_990) ** 2
    assert abs((tail == 5_000_000).mean() - beyond) < 4 * math.sqrt(beyond / 4_000)


@pytest.mark.parametrize("name", FAMILIES)
def test_bounds_are_the_ends_of_the_tables(name: str) -> None:
    model = of_orders(name, **FAMILIES[name][0])
    low, high = Models(latency=model).latency_bounds()["entry"]
    ends = delays(model, [0, 2**63 - 1, 1 << 26, 2**63 - 1 - (1 << 26)])
    assert (low, high) == (ends.min(), ends.max())
    assert Models(latency=model).latency_bounds()["feed"] == (0, 0)


# --- legs -----------------------------------------------------------------------------------------


def test_legs_have_what_is_said_of_them_else_what_the_leg_before_has() -> None:
    model = built_in(
        "latency",
        "normal",
        order_latency_std_us=Decimal(0),
        cancel_latency_mean_us=Decimal(30),
        response_latency_mean_us=Decimal(20),
        fill_latency_mean_us=Decimal(15),
        feed_latency_mean_us=Decimal(9),
        feed_latency_std_us=Decimal(0),
        compute_us=Decimal("2.5"),
    )
    assert Models(latency=model).latency_bounds() == {
        "feed": (9_000, 9_000), "entry": (62_500, 62_500), "cancel": (32_500, 32_500),
        "replace": (62_500, 62_500), "response": (20_000, 20_000), "fill": (15_000, 15_000),
    }  # fmt: skip


def test_word_of_a_fill_has_a_leg_of_its_own_and_requests_wait_for_computing(
    tmp_path: Path,
) -> None:
    fixed = built_in(
        "latency", "fixed", entry_latency_us=Decimal(10), response_latency_us=Decimal(5),
        fill_latency_us=Decimal(50), compute_us=Decimal(7),
    )  # fmt: skip
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 5).tick(1_000)
    log = Log().buy(100, "a", 1, 101)
    played = play(tmp_path, tape, log, models=Models(latency=fixed), event_log=True)
    # Sent at 100, there 7 + 10 later; accepted 5 after that, but filled 50.
    assert [int(fill["ts_event"] - ns(0)) for fill in played.rows.fills] == [117_000]
    assert [int(fill["ts_known"] - ns(0)) for fill in played.rows.fills] == [167_000]
    accepted = played.rows.events[played.rows.events["event"] == 4]
    assert [int(row["ts_known"] - ns(0)) for row in accepted] == [122_000]


# --- what they depend on --------------------------------------------------------------------------

MAKER = spec("maker", "market_maker")
CROSSOVER = spec("crossover", "sma_crossover", fast_period=3, slow_period=9)
DRAWN = [
    latency_profile("colocated"),
    latency_profile("retail"),
    of_orders("normal", mean_us=60, std_us=30),
    built_in("latency", "gamma", feed_latency_mean_us=Decimal(20)),
]


def digests(model: Model, *specs: Any, seed: int = 1, batch: int = 10_000) -> list[str]:
    settings = configure(None, models=Models(latency=model), seed=seed)
    simulation, rows = run(replace(settings, strategies=specs), market(6_000), batch)
    assert rows.fills.size
    return [simulation.digests()[one.strategy_id] for one in specs]


@pytest.mark.parametrize("model", DRAWN, ids=lambda model: str(model.definition.name))
def test_draws_depend_on_seed_and_strategy_alone(model: Model) -> None:
    both = digests(model, MAKER, CROSSOVER)
    assert digests(model, MAKER, CROSSOVER, batch=777) == both
    assert digests(model, CROSSOVER, MAKER) == both[::-1]
    assert digests(model, MAKER) == both[:1]
    assert set(digests(model, MAKER, CROSSOVER, seed=2)).isdisjoint(both)
    assert digests(model, replace(MAKER, strategy_id="another")) != both[:1]


def test_an_orders_delay_is_the_draw_of_seed_strategy_order_and_leg(tmp_path: Path) -> None:
    model = of_orders("gamma", mean_us=80, shape=2)
    tape, log = many_orders(60, 2_000)
    orders = orders_of(play(tmp_path, tape, log, models=Models(latency=model), seed=5))
    key = key_of(5, "log", int(orders[0]["publisher_id"]), int(orders[0]["instrument_id"]))
    bits = [draw(draw(key, ENTRY, int(order)), ENTRY, 1) for order in orders["client_order_id"]]
    assert (orders["ts_arrived"] - orders["ts_sent"] == delays(model, bits)).all()


def test_messages_never_overtake_each_other_whatever_is_drawn(tmp_path: Path) -> None:
    tape, log = many_orders(200, 3)
    tape.tick(400_000)  # retail: what was sent last is there by then
    models = Models(latency=latency_profile("retail"))
    played = play(tmp_path, tape, log, models=models, seed=2, event_log=True)
    orders = orders_of(played)
    assert orders.size == 200
    assert (np.diff(orders["ts_arrived"]) >= 0).all()
    assert (np.diff(orders["ts_arrived"]) == 0).any(), "some had to wait for the one before"
    accepted = played.rows.events[played.rows.events["event"] == 4]
    assert (np.diff(accepted["ts_known"]) >= 0).all()


# --- bursts ---------------------------------------------------------------------------------------


def burst(window_us: int, **given: int) -> Model:
    parameters = {name: Decimal(value) for name, value in given.items() if name != "free"}
    return built_in(
        "latency", "burst", burst_window_us=Decimal(window_us), burst_free_events=given["free"],
        **parameters,
    )  # fmt: skip


def test_a_delay_grows_with_the_events_of_the_last_window(tmp_path: Path) -> None:
    model = burst(100, order_latency_us=10, burst_us_per_event=2, burst_max_us=17, free=1)
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 5)
    for t in (110, 120, 130, 140):
        tape.tick(t)
    tape.tick(1_000)
    log = Log()
    for name, t in (("a", 120.5), ("b", 150), ("c", 250), ("d", 350)):
        log.buy(t, name, 1, 90)
    orders = orders_of(play(tmp_path, tape, log, models=Models(latency=model)))
    # At 120.5 the venue has had 2 in this window (the second is captured a little later), and of 2
    # in the one before 79.5 % still count: 3, of which 1 is free. At 150: 4 and 1, less 1, which is
    # cut at 17. At 250 half of 4, less 1. At 350 none.
    took = ((orders["ts_arrived"] - orders["ts_sent"]) / 1_000).tolist()
    assert took == [14, 17, 12, 10]


def test_the_load_is_what_counting_finds(tmp_path: Path) -> None:
    """The slow twin: of all events, those captured in the window and in the one before it."""
    rng = np.random.default_rng(11)
    times = np.cumsum(rng.choice([1, 2, 3, 40, 250], 400))
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 5)
    for t in times:
        tape.tick(10 + int(t))
    captured = [ns(1), ns(2), *(ns(11 + int(t)) for t in times)]
    tape.tick(60_000)
    log = Log()
    sent = np.sort(rng.choice(times[-1], 150, replace=False))
    for k, t in enumerate(sent):
        log.buy(20.5 + int(t), f"o{k}", 1, 90)
    model = burst(100, order_latency_us=10, burst_us_per_event=1, burst_max_us=10_000, free=0)
    played = play(tmp_path, tape, log, models=Models(latency=model), event_log=True)
    arrived = 0
    for order in orders_of(played):
        now = int(order["ts_sent"])
        start = now // 100_000 * 100_000
        # The order log acts in time, when all that the exchange had before that has been seen.
        seen = [t for t in captured if t - 1_000 < now]
        here = sum(t >= start for t in seen)
        before = sum(start - 100_000 <= t < start for t in seen)
        load = here + before * (start + 100_000 - now) // 100_000
        arrived = max(arrived, now + 10_000 + 1_000 * load)
        assert order["ts_arrived"] == arrived
    assert max(orders_of(played)["ts_arrived"] - orders_of(played)["ts_sent"]) > 20_000


def test_loads_depend_on_the_book_alone() -> None:
    model = burst(1_000, order_latency_us=20, burst_us_per_event=3, burst_max_us=5_000, free=1)
    both = digests(model, MAKER, CROSSOVER)
    assert digests(model, MAKER, CROSSOVER, batch=777) == both
    assert digests(model, CROSSOVER, MAKER) == both[::-1]
    assert digests(model, MAKER) == both[:1]
    # Another window beside it, and no load at all.
    other = burst(70, order_latency_us=20, burst_us_per_event=3, burst_max_us=5_000, free=1)
    beside = replace(CROSSOVER, models=Models(latency=other))
    plain = replace(CROSSOVER, strategy_id="plain", models=Models())
    assert digests(model, beside, MAKER, plain)[1] == both[0]
    assert digests(other, MAKER) != both[:1]
    assert digests(built_in("latency", "fixed", network_latency_us=Decimal(10)), MAKER) != both[:1]


# --- recorded -------------------------------------------------------------------------------------

RECORDING = "req_ts,exch_ts,resp_ts\n1000,1100,1150\n2000,2300,2310\n3000,3040,3100\n"


def recording(folder: Path, text: str = RECORDING, **given: Any) -> Model:
    path = folder / "recording.csv"
    path.write_text(text)
    return built_in("latency", "recorded", file=str(path), **given)


def test_recorded_delays_are_interpolated_in_time(tmp_path: Path) -> None:
    model = recording(tmp_path, compute_us=Decimal(1))
    times = [0, 1_000, 1_500, 1_999, 2_000, 2_500, 3_000, 9_999]
    # A request takes 100, 300 and 40 ns at 1,000, 2,000 and 3,000, and computing 1,000 before it.
    expected = [1_100, 1_100, 1_200, 1_299, 1_300, 1_170, 1_040, 1_040]
    for leg in ("entry", "cancel", "replace"):
        assert delays(model, np.zeros(8), leg, times).tolist() == expected
    # A response takes 50, 10 and 60 ns at 1,100, 2,300 and 3,040.
    times = [0, 1_100, 1_700, 2_300, 2_670, 3_040, 3_041]
    for leg in ("response", "fill"):
        assert delays(model, np.zeros(7), leg, times).tolist() == [50, 50, 30, 10, 35, 60, 60]
    assert Models(latency=model).latency_bounds() == {
        "feed": (0, 0), "entry": (1_040, 1_300), "cancel": (1_040, 1_300),
        "replace": (1_040, 1_300), "response": (10, 60), "fill": (10, 60),
    }  # fmt: skip


def test_recorded_delays_agree_with_numpys_interpolation(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    requested = ns(0) + np.sort(rng.integers(0, 10**10, 500))
    arrived = requested + rng.integers(1, 10**6, 500)
    answered = arrived + rng.integers(1, 10**6, 500)
    rows = np.column_stack([requested, arrived, answered])
    model = recording(
        tmp_path, "req_ts,exch_ts,resp_ts\n" + "\n".join(",".join(map(str, r)) for r in rows)
    )
    times = ns(0) + rng.integers(-(10**9), 11 * 10**9, 2_000)
    order = np.argsort(arrived, kind="stable")
    for leg, at, took in (
        ("entry", requested, arrived - requested),
        ("response", arrived[order], (answered - arrived)[order]),
    ):
        exact = np.interp((times - ns(0)).astype(float), (at - ns(0)).astype(float), took)
        found = delays(model, np.zeros(2_000), leg, times)
        assert np.abs(found - exact).max() <= 1.01  # whole ns


def test_parquet_and_csv_say_the_same(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"req_ts": [1_000, 2_000], "exch_ts": [1_100, 2_300], "resp_ts": [1_150, 2_310]}
    pq.write_table(pa.table(columns), tmp_path / "one.parquet")
    rows = "\n".join(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))
    csv = recording(tmp_path, ",".join(columns) + "\n" + rows)
    parquet = built_in("latency", "recorded", file=tmp_path / "one.parquet")
    for leg in LEGS:
        found = [delays(model, np.zeros(40), leg, range(0, 4_000, 100)) for model in (csv, parquet)]
        assert (found[0] == found[1]).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("req_ts,exch_ts\n1,2\n", "expected columns req_ts, exch_ts, resp_ts, found req_ts, exch_"),
        ("req_ts,exch_ts,resp_ts\n", "expected req_ts of int64"),
        ("req_ts,exch_ts,resp_ts\n1,2,x\n", "expected resp_ts of int64 (ns since the epoch) in"),
        ("req_ts,exch_ts,resp_ts\n1,2,3\n1,-2,3\n", "row 2: expected exch_ts of a request the ven"),
        ("req_ts,exch_ts,resp_ts\n5,6,7\n4,8,9\n", "row 2: expected req_ts no earlier than in the"),
        ("req_ts,exch_ts,resp_ts\n5,4,7\n", "row 1: expected exch_ts no earlier than req_ts, foun"),
        ("req_ts,exch_ts,resp_ts\n5,8,7\n", "row 1: expected resp_ts no earlier than exch_ts, fou"),
        ("req_ts,exch_ts,resp_ts\n5,8,60000000009\n", "row 1: expected resp_ts within 60 s of ex"),
    ],
)
def test_a_recording_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    model = recording(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        Models(latency=model)
    assert said in str(caught.value)
    assert "recording.csv: " in str(caught.value)


# --- from a configuration -------------------------------------------------------------------------


def write_config(folder: Path, latency: str, own: str = "") -> Path:
    path = folder / "config.yaml"
    path.write_text(
        "backtest:\n  data_source: {type: synthetic}\n  execution:\n"
        f"    latency_model:\n{latency}"
        f"strategy:\n  - {{type: market_maker, name: plain}}\n{own}"
    )
    return path


def test_a_profile_stands_for_its_parameters(tmp_path: Path) -> None:
    from tapewire.config.loading import load_config
    from tapewire.config.models import chosen_models

    path = write_config(
        tmp_path, "      profile: cloud\n      order_latency_median_us: 700\n",
        "  - type: market_maker\n    name: near\n"
        "    execution: {latency_model: {profile: colocated}}\n",
    )  # fmt: skip
    config = load_config(path)
    written = config.to_dict()["backtest"]["execution"]["latency_model"]
    assert "profile" not in written
    assert written["type"] == "lognormal"
    assert written["order_latency_median_us"] == 700
    assert written["order_latency_base_us"] == 1_500
    chosen = chosen_models(config.backtest.execution).latency
    assert chosen == latency_profile("cloud", order_latency_median_us=Decimal(700))
    own = config.strategy[1].execution
    assert own is not None
    assert own.latency_model is not None
    assert own.latency_model.given["order_latency_base_us"] == Decimal(20)
    again = tmp_path / "again.yaml"
    again.write_text(config.to_yaml())
    assert load_config(again) == config


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_what_their_sources_say(name: str) -> None:
    """In µs: p90 of the feed, which is Databento's but for retail; an order's round trip."""
    feed_p90, fastest, slowest = {
        "colocated": (42.4, 200, 500), "same_city": (500, 500, 2_500),
        "cloud": (1_700, 4_000, 9_000), "retail": (43_500, 50_000, 150_000),
    }[name]  # fmt: skip
    model = latency_profile(name)
    bits = some_bits(20_000)
    feed = np.quantile(delays(model, bits, "feed"), 0.9) / 1_000
    assert feed == pytest.approx(feed_p90, rel=0.12)
    there = delays(model, bits, "entry")
    back = delays(model, bits[::-1], "response")
    usual, slow = np.quantile((there + back) / 1_000, [0.5, 0.95])
    assert fastest < usual < slow < slowest


@pytest.mark.parametrize(
    ("latency", "said"),
    [
        ("      profile: clud\n", ":5: backtest.execution.latency_model.profile: expected 'coloca"),
        ("      profile: cloud\n      type: normal\n", ":6: backtest.execution.latency_model.type"),
        ("      profile: cloud\n      order_latency_shape: 1\n", ":6: backtest.execution.latency"),
        (
            "      type: gamma\n      order_latency_shape: 0\n",
            ":6: backtest.execution.latency_model.order_latency_shape: expected at least 0.1, fou",
        ),
        (
            "      type: normal\n      order_latency_min_us: 9\n      order_latency_max_us: 8\n",
            "latency_model: expected a largest delay (max_us) of at least 9 µs, found 8",
        ),
        ("      type: recorded\n", "latency_model.file: expected this key (Parquet or CSV with c"),
        (
            "      type: recorded\n      file: nothing.csv\n",
            "nothing.csv: can't be read: No such file or directory",
        ),
        (
            "      type: burst\n      burst_max_us: 5\n",
            "latency_model: expected burst_max_us of at least the latency of entry, 60, found 5",
        ),
        (
            "      type: burst\n      burst_window_us: 2000000\n",
            ":6: backtest.execution.latency_model.burst_window_us: expected at most 1000000, found",
        ),
        ("      type: pareto\n      compute_us: -1\n", ":6: backtest.execution.latency_model.comp"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(tmp_path: Path, latency: str, said: str) -> None:
    from tapewire.config.loading import load_config

    with pytest.raises(ConfigError) as caught:
        load_config(write_config(tmp_path, latency))
    assert said in str(caught.value)


def test_a_recordings_path_starts_from_the_configurations_folder(tmp_path: Path) -> None:
    from tapewire.config.loading import load_config

    (tmp_path / "seen.csv").write_text(RECORDING)
    config = load_config(
        write_config(tmp_path, "      type: recorded\n      file: seen.csv\n"),
    )
    written = config.to_dict()["backtest"]["execution"]["latency_model"]
    assert written["file"] == str(tmp_path / "seen.csv")
