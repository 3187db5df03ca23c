"""Records that are formally right and mean nothing: bounded work, and a signal is always heard."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streams
import tapewire as tw
from tapewire.analytics import Collector
from tapewire.errors import InputError, InterruptedRunError, SimulationError
from tapewire.inputs.books import write_book
from tapewire.inputs.inspection import inspect_file
from tapewire.market import BookLimitError, BookSet, InstrumentTable
from tapewire.market.book import STEP_RECORDS
from tapewire.market.layout import LEVELS_PER_SIDE_MAX
from tapewire.router import Simulation, SimulationConfig, StrategySpec, _memory
from tapewire.router._roster import Roster
from tapewire.strategies import STRATEGIES

SIGNALS = ((signal.SIGINT, 130), (signal.SIGTERM, 143))


def nonsense(count: int, *, books: int = 1 << 32) -> np.ndarray:
    """Random bits in every field that may hold any."""
    rng = np.random.default_rng(5)
    records = streams.make_records(count)
    records["action"] = rng.choice(np.frombuffer(b"ACMRTFN", np.uint8), count)
    records["side"] = rng.choice(np.frombuffer(b"ABN", np.uint8), count)
    records["instrument_id"] = rng.integers(0, books, count)
    for field, kind in (("order_id", np.uint64), ("price", np.int64), ("ts_event", np.uint64),
                        ("ts_recv", np.uint64), ("size", np.uint32), ("flags", np.uint8),
                        ("sequence", np.uint32), ("ts_in_delta", np.int32)):  # fmt: skip
        bounds = np.iinfo(kind)
        records[field] = rng.integers(bounds.min, bounds.max, count, kind, endpoint=True)
    return records


def two_strategies() -> Simulation:
    specs = tuple(
        StrategySpec(name, STRATEGIES[name], {k: v.default for k, v in parameters.items()})
        for name in ("market_maker", "sma_crossover")
        for parameters in [STRATEGIES[name].parameters]
    )
    return Simulation(SimulationConfig(InstrumentTable([]), specs))


def config(path: Path) -> dict[str, Any]:
    return {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(path)]},
            "replay": {"transport": "inproc"},
        },
        "strategy": [{"type": "market_maker"}, {"type": "sma_crossover"}],
    }


def test_opening_books_costs_the_same_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[int] = []
    real = _memory.np.arange

    def counted(*arguments: Any, **options: Any) -> Any:
        numbers = real(*arguments, **options)
        told.append(numbers.size)
        return numbers

    many = two_strategies()
    monkeypatch.setattr(_memory.np, "arange", counted)
    many.feed(nonsense(1_500))
    assert len(many.legs) == 3_000
    assert sum(told) < 20 * len(many.legs)  # addresses handed out, and free lists that grew


def test_a_step_between_two_looks_at_signals_is_small() -> None:
    ticks: list[int] = []
    two_strategies().feed(streams.make_records(5 * STEP_RECORDS + 1), lambda: ticks.append(1))
    assert len(ticks) >= 6
    ticks.clear()
    two_strategies().feed(nonsense(400), lambda: ticks.append(1))
    assert len(ticks) >= 400


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_a_run_within_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    path = tmp_path / "x.dbn"
    path.write_bytes(streams.dbn_bytes(nonsense(2_000)))
    opened: list[int] = []
    real = Roster.open_book

    def open_book(self: Roster, key: int) -> int:
        opened.append(key)
        if len(opened) == 500:
            os.kill(os.getpid(), number)
        return real(self, key)

    monkeypatch.setattr(Roster, "open_book", open_book)
    with pytest.raises(InterruptedRunError, match="stopped by") as caught:
        tw.run(config(path), output=tmp_path / "run")
    assert caught.value.exit_code == code
    assert len(opened) == 500
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert (manifest["status"], "digest" in manifest) == ("incomplete", False)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("step", ["add", "finish"])
def test_a_signal_ends_collecting_and_analysing_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "x.dbn"
    path.write_bytes(streams.dbn_bytes(nonsense(500)))
    went_on: list[str] = []

    def stopped(self: Collector, *_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        went_on.append(step)

    monkeypatch.setattr(Collector, step, stopped)
    with pytest.raises(InterruptedRunError, match="stopped by Ctrl-C"):
        tw.run(config(path), output=tmp_path / "run")
    assert went_on == [] or step == "add"  # which a thread does, and no signal reaches
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["manifest.json"]


def test_a_book_of_more_levels_than_any_market_has_is_refused(tmp_path: Path) -> None:
    records = streams.make_records(LEVELS_PER_SIDE_MAX + 1)
    records["price"] = np.arange(len(records))
    said = f"more than {LEVELS_PER_SIDE_MAX:,} price levels on one side of a book"
    BookSet().apply(records[:-1])
    with pytest.raises(BookLimitError, match=said):
        BookSet().apply(records)
    with pytest.raises(SimulationError, match=said):
        Simulation(SimulationConfig(InstrumentTable([]), ())).feed(records)
    path = tmp_path / "x.dbn"
    path.write_bytes(streams.dbn_bytes(records))
    with pytest.raises(InputError, match=rf"x\.dbn: has {said}"):
        inspect_file(path)
    with pytest.raises(InputError, match=rf"x\.dbn: has {said}"):
        write_book(path, tmp_path / "b.parquet", depth=1)
    assert [p.name for p in tmp_path.iterdir()] == ["x.dbn"]
