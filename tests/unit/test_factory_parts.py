"""Parts of the factory: what bars are known by, what is asked for, drawn searches, sums."""

import dataclasses
import hashlib
import json
import statistics
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapewire.candles.rules import DeclaredStrategy
from tapewire.errors import ConfigError
from tapewire.factory.asked import FactorySettings
from tapewire.factory.datasets import FactoryBars, read_again, read_bars, require_same_bars
from tapewire.factory.searches import DrawnSearch
from tapewire.factory.summing import BEST_KEPT, SAMPLE_KEPT, GenerationSums, TriedStrategy
from tapewire.generator import StrategyConstraints, draw_strategies
from tapewire.inputs.candles import CandleRequest

REQUEST = CandleRequest("")


def bars_file(path: Path, *, lift: int = 0, symbol: str = "TWA1") -> Path:
    close = 16_000 + lift + np.arange(100) % 7
    columns = dict.fromkeys(("open", "high", "low", "close"), close / 4)
    times = 1_709_942_400 * 10**9 + np.arange(100) * 60 * 10**9
    table = {"ts_event": times, **columns, "volume": np.ones(100, int), "symbol": [symbol] * 100}
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture
def bars(tmp_path: Path) -> FactoryBars:
    return read_bars(bars_file(tmp_path / "bars.parquet"), REQUEST)


def test_bars_are_known_by_their_content_symbol_length_and_clock(
    bars: FactoryBars, tmp_path: Path
) -> None:
    same = read_bars(bars_file(tmp_path / "copy.parquet"), REQUEST, session="00:00-00:00")
    assert same.digest == bars.digest
    assert bars.name == "bars.parquet TWA1 60s 00:00-00:00 UTC"
    others = [
        read_bars(bars_file(tmp_path / "other.parquet", lift=1), REQUEST),
        read_bars(bars_file(tmp_path / "named.parquet", symbol="TWB1"), REQUEST),
        read_bars(tmp_path / "bars.parquet", REQUEST, session="17:00 America/Chicago"),
        read_bars(tmp_path / "bars.parquet", CandleRequest("", tick_size="0.125")),
    ]
    assert len({bars.digest, *(one.digest for one in others)}) == 5


def test_bars_are_read_again_from_where_they_were(bars: FactoryBars, tmp_path: Path) -> None:
    again = read_again(bars.description)
    assert (again.digest, again.name) == (bars.digest, bars.name)
    require_same_bars(again, bars.description, bars.digest, "generation 1")
    other = read_again(bars.description, bars_file(tmp_path / "other.parquet", lift=1))
    with pytest.raises(ConfigError, match="expected the bars of generation 1, 100 bars from 2024"):
        require_same_bars(other, bars.description, bars.digest, "generation 1")


def test_a_dataset_has_a_name_that_can_be_shown(tmp_path: Path) -> None:
    path = bars_file(tmp_path / "bars.parquet")
    assert read_bars(path, REQUEST, name="mine").name == "mine"
    with pytest.raises(ConfigError, match="dataset: expected a name of at most 200 letters"):
        read_bars(path, REQUEST, name="a\nb")


def test_settings_come_back_as_they_were() -> None:
    asked = FactorySettings(
        "random", 7, 3, timeframes=("5m", "1h"), assumptions=("commission_rate=0.0001",),
        constraints=StrategyConstraints(3, allowed_indicators=("rsi", "sma")),
    )  # fmt: skip
    again = FactorySettings.of_json(json.loads(json.dumps(asked.as_json())))
    assert again.as_json() == asked.as_json()
    assert again.config().commission_rate == 0.0001
    assert FactorySettings.of_json(FactorySettings().as_json()) == FactorySettings()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"method": "luck"}, "method: expected one of random, genetic, grammar, found 'luck'"),
        ({"count": 0}, "count: expected 1 to 1,000,000, found 0"),
        ({"objective": "joy"}, "objective: expected one of total_return"),
        ({"grammar": "x"}, "grammar: expected with method grammar only, found random"),
        ({"assumptions": ("fee=1",)}, "fee: unknown key"),
    ],
)
def test_settings_that_are_wrong_are_named(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        dataclasses.replace(FactorySettings(), **wrong)  # type: ignore[arg-type]


def drawn_names(search: DrawnSearch) -> list[str]:
    found: list[str] = []
    while asked := search.ask():
        assert [one.name for one in search.ask()] == [one.name for one in asked]
        found += [one.name for one in asked]
        search.tell([None] * len(asked))
    return found


def draw(count: int) -> "list[DeclaredStrategy]":
    return list(draw_strategies(count, seed=3))


def test_a_drawn_search_goes_on_where_it_was() -> None:
    whole = drawn_names(DrawnSearch(lambda n: iter(draw(n)), 10, 4))
    first = DrawnSearch(lambda n: iter(draw(n)), 10, 4)
    names = [one.name for one in first.ask()]
    first.tell([None] * 4)
    assert not first.done
    rest = DrawnSearch(lambda n: iter(draw(n)), 10, 4, first.state()["told"])
    assert names + drawn_names(rest) == whole == [one.name for one in islice(draw(10), 10)]
    assert rest.done
    with pytest.raises(ValueError, match="expected 0 results, found 1"):
        rest.tell([None])


def tried(value: float | None, name: str) -> TriedStrategy:
    return TriedStrategy(name, value, value, f"digest of {name}")


def test_sums_are_those_of_all_strategies_at_once() -> None:
    values = [float(v) for v in np.random.Generator(np.random.PCG64(1)).normal(size=50)]
    sums = GenerationSums()
    for number in range(5):
        part = values[number * 10 : number * 10 + 10]
        rows = [tried(v, f"{number}-{k}") for k, v in enumerate(part)]
        sums.add(number + 1, [*rows, tried(None, f"never-{number}")], {"distinct": 1.0})
    assert sums.sharpe_mean == pytest.approx(statistics.fmean(values))
    assert sums.sharpe_variance == pytest.approx(statistics.variance(values))
    assert [value for value, _ in sums.best] == sorted(values, reverse=True)
    assert sums.history[1] == {
        "number": 2, "evaluated": 11, "best": max(values[10:20]), "distinct": 1.0,
        "median": statistics.median(values[10:20]),
    }  # fmt: skip


def test_sums_go_on_from_what_was_kept_and_hang_on_the_order_of_batches() -> None:
    one, two = [tried(1.5, "a"), tried(0.1, "b")], [tried(1.5, "c"), tried(None, "d")]
    whole = GenerationSums()
    whole.add(1, one, {})
    kept = json.loads(json.dumps(whole.as_json()))
    whole.add(2, two, {})
    again = GenerationSums.of_json(kept)
    again.add(2, two, {})
    assert again == whole
    assert whole.best == [(1.5, "a"), (1.5, "c"), (0.1, "b")]
    other = GenerationSums()
    other.add(1, two, {})
    other.add(2, one, {})
    assert other.digest != whole.digest


def test_a_sample_of_all_hangs_on_neither_fitness_nor_packing() -> None:
    names = [hashlib.sha256(f"{k}".encode()).hexdigest() for k in range(3 * SAMPLE_KEPT)]
    least = sorted(names)[:SAMPLE_KEPT]
    for step, sign in ((50, 1), (1_700, -1)):
        sums = GenerationSums()
        for first in range(0, len(names), step):
            some = [
                tried(None if k % 7 == 0 else float(sign * k), names[k])
                for k in range(first, min(first + step, len(names)))
            ]
            sums.add(first, some, {})
            sums = GenerationSums.of_json(json.loads(json.dumps(sums.as_json())))
        assert sums.sample == least
        assert sums.tried == len(names)


def test_a_generation_that_was_begun_without_a_sample_goes_on_without() -> None:
    sums = GenerationSums()
    sums.add(1, [tried(1.0, "a")], {})
    kept = sums.as_json()
    del kept["sample"]
    again = GenerationSums.of_json(kept)
    again.add(2, [tried(1.0, "b")], {})
    assert again.sample is None


def test_only_so_many_of_the_best_are_kept() -> None:
    sums = GenerationSums()
    sums.add(1, [tried(float(k), f"{k}") for k in range(BEST_KEPT + 5)], {})
    assert len(sums.best) == BEST_KEPT
    assert sums.best[0] == (float(BEST_KEPT + 4), f"{BEST_KEPT + 4}")
    assert GenerationSums().sharpe_variance is None
