"""A simulation that is stepped: the same run, however it is cut, and what is seen on the way."""

import inspect
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapewire as tw
from analytics_rows import COSTS, uncosted
from stories import INSTRUMENT, PUBLISHER, SYMBOL, Log, Tape, ns, px
from tapewire.errors import (
    ConfigError,
    FormatError,
    InterruptedRunError,
    MissingFileError,
    NoDataError,
    SimulationError,
    StrategyError,
)
from tapewire.market import BookSet
from tapewire.replay import read_records
from tapewire.router import Simulation

ASKED: dict[str, Any] = {
    "strategies": ["market_maker", "sma_crossover"],
    "instruments": {"TWA1": {"tick_size": 0.25, "multiplier": 50}},
    "overrides": {"backtest.execution.fees.per_contract": 1},
    "seed": 3,
}


@pytest.fixture(scope="module")
def whole(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    """The run that every stepped one must come to."""
    folder = tmp_path_factory.mktemp("stepping") / "out"
    return tw.run(synthetic_file, transport="inproc", output=folder, **ASKED)


@pytest.fixture(scope="module")
def records(synthetic_file: Path) -> np.ndarray:
    return read_records(synthetic_file)[1]


def assert_same(sim: tw.Simulation, whole: tw.RunResult) -> None:
    assert sim.finish() == whole.digest
    assert sim.digests() == whole.manifest["digests"]
    for name in ("fills", "orders", "equity"):
        assert uncosted(sim.table(name)).equals(uncosted(getattr(whole, name))), name
    orders = sim.table("orders")
    assert all(orders[name].null_count == len(orders) for name in COSTS)
    assert sim.events == whole.manifest["events"]
    assert sim.counts == whole.manifest["counts"]


# --- the same run -----------------------------------------------------------------------------


@pytest.mark.parametrize("events", [None, 7, 997, 16_384, 1_000_000])
def test_any_step_comes_to_the_same(
    synthetic_file: Path, whole: tw.RunResult, events: int | None
) -> None:
    with tw.Simulation(synthetic_file, **ASKED) as sim:
        taken = []
        while n := sim.step(events):
            taken.append(n)
        assert sum(taken) == 30_000
        assert events is None or set(taken[:-1]) <= {events}
        assert sim.step() == 0
        assert_same(sim, whole)


def test_looking_all_the_time_changes_nothing(synthetic_file: Path, whole: tw.RunResult) -> None:
    sim = tw.Simulation(synthetic_file, **ASKED)
    while sim.step(1_234):
        assert sim.fills().num_rows == sim.table("fills").num_rows
        _ = sim.book("TWA1"), sim.orders(), sim.positions(), sim.pnl, sim.digest(), repr(sim)
    assert_same(sim, whole)


def test_batches_are_the_records_of_the_file(
    synthetic_file: Path, whole: tw.RunResult, records: np.ndarray
) -> None:
    with tw.Simulation(synthetic_file, **ASKED) as sim:
        sim.step(1_000)
        batches, seen = [], []
        for batch in sim:
            batches.append(batch)
            seen.append(sim.events)
            with pytest.raises(ValueError, match="read-only"):
                batch["price"] = 0
        assert np.concatenate(batches).tobytes() == records[1_000:].tobytes()
        assert seen == list(1_000 + np.cumsum([len(batch) for batch in batches]))
        assert_same(sim, whole)


@pytest.mark.parametrize("size", [1_000, 4_097])
def test_records_of_ones_own(whole: tw.RunResult, records: np.ndarray, size: int) -> None:
    ids = {"TWA1": np.int64(records["instrument_id"][0])}
    sim = tw.Simulation(instrument_ids=ids, **ASKED)
    for at in range(0, len(records), size):
        part = records[at : at + size]
        assert sim.feed(part) == len(part)
    assert_same(sim, whole)


def test_a_start_and_an_end_are_those_of_a_run(
    synthetic_file: Path, records: np.ndarray, tmp_path: Path
) -> None:
    start, end = (int(records["ts_recv"][k]) for k in (10_000, 25_000))
    run = tw.run(
        synthetic_file, start=start, end=end, transport="inproc", output=tmp_path / "out", **ASKED
    )
    sim = tw.Simulation(synthetic_file, start=np.datetime64(start, "ns"), end=end, **ASKED)
    while sim.step(777):
        pass
    assert_same(sim, run)
    fed = tw.Simulation(instrument_ids={"TWA1": records["instrument_id"][0]}, start=start, **ASKED)
    fed.feed(records[records["ts_recv"].astype(np.int64) < end])
    assert fed.events == run.manifest["events"]
    assert fed.finish() == run.digest


def test_the_synthetic_session_of_no_files_at_all() -> None:
    small = {"backtest.data_source": {"type": "synthetic", "events": 5_000, "seed": 2}}
    with tw.Simulation(strategies="market_maker", overrides=small) as sim:
        assert sim.step(1_000_000) == 5_000


def test_until_is_a_moment_of_the_captures_clock(
    synthetic_file: Path, whole: tw.RunResult, records: np.ndarray
) -> None:
    clock = np.maximum.accumulate(records["ts_recv"].astype(np.int64))
    sim = tw.Simulation(synthetic_file, **ASKED)
    done = 0
    for moment in [*(clock[::499] + 1), clock[-1], clock[-1] + 1]:
        done += sim.step(until=int(moment))
        assert done == np.count_nonzero(clock < moment)
        assert sim.step(until=int(moment)) == 0
    assert done == 30_000
    assert_same(sim, whole)


def test_until_leaves_a_record_of_that_very_time_for_later(
    synthetic_file: Path, records: np.ndarray
) -> None:
    moment = np.datetime64(int(records["ts_recv"][20_000]), "ns")
    first = int(np.searchsorted(records["ts_recv"], records["ts_recv"][20_000], side="left"))
    sim = tw.Simulation(synthetic_file, **ASKED)
    assert sim.step(events=10, until=moment) == 10
    assert sim.step(until=moment) == first - 10
    assert sim.now < records["ts_recv"][20_000]


# --- what can be seen -------------------------------------------------------------------------


def test_the_book_is_as_of_the_last_record(synthetic_file: Path, records: np.ndarray) -> None:
    sim, books = tw.Simulation(synthetic_file, **ASKED), BookSet()
    assert sim.book("TWA1").best_bid is None  # there is none yet
    assert sim.book("TWA1").bid_prices.size == 0
    for at in range(0, 6_000, 500):
        sim.step(500)
        books.apply(records[at : at + 500])
        ((publisher_id, instrument_id),) = books.keys()
        view = sim.book("TWA1", 5)
        columns = books.top(publisher_id, instrument_id, 5)
        names = ("bid_prices", "bid_sizes", "bid_counts", "ask_prices", "ask_sizes", "ask_counts")
        for name, column in zip(names, columns, strict=True):
            mine = getattr(view, name)
            assert mine.tolist() == column[: len(mine)].tolist()
            assert (column[len(mine) :] == column[len(mine) :].max(initial=0)).all()
        assert (view.publisher_id, view.instrument_id) == (publisher_id, instrument_id)
    frame = view.to_pandas()
    assert frame["bid_px"].iloc[0] == view.best_bid
    assert frame["ask_ct"].tolist() == view.ask_counts.tolist()


def told(tape: Tape, log: Log, folder: Path) -> tw.Simulation:
    """A simulation of one order log, to be fed with a tape."""
    path = log.write(folder / "log.csv")
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([f"{lines[0]},publisher_id", *(f"{x},{PUBLISHER}" for x in lines[1:])])
    )
    return tw.Simulation(
        strategies={"type": "order_log", "name": "log", "parameters": {"path": str(path)}},
        instruments={SYMBOL: {"tick_size": 1, "multiplier": 2}},
        instrument_ids={SYMBOL: INSTRUMENT},
        overrides={"backtest.execution.latency_model.network_latency_us": 0},
    )


def test_an_orders_place_in_the_queue(tmp_path: Path) -> None:
    # Latency 10 µs each way: sent at 100, at the exchange at 110.
    log = Log().buy(100, "mine", 4, 99).sell(100, "far", 2, 103).cancel(400, "far")
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 50).add(2, 2, "B", 99, 2)
    sim = told(tape, log, tmp_path)
    sim.feed(tape.records())
    assert sim.orders() == []
    fed = len(tape.records())

    def go_on() -> list[tuple[str, int, int | None]]:
        nonlocal fed
        fresh = tape.records()[fed:]
        fed += sim.feed(fresh)
        return [(x.client_order_id, x.leaves, x.ahead) for x in sim.orders()]

    tape.add(105, 3, "B", 98, 1)  # on its way
    assert go_on() == []
    tape.add(120, 4, "B", 99, 9)  # behind it
    assert go_on() == [("mine", 4, 7), ("far", 2, 0)]
    first = sim.orders()[0]
    assert (first.side, first.price, first.status, first.strategy_id, first.symbol) == (
        "BUY", px(99), "NEW", "log", SYMBOL,
    )  # fmt: skip
    assert first.ts_arrived == ns(110)
    tape.cancel(130, 1, 3)  # ahead of it
    assert go_on()[0] == ("mine", 4, 4)
    tape.cancel(140, 4)  # behind it: nothing to it
    assert go_on()[0] == ("mine", 4, 4)
    tape.cancel(150, 2)
    assert go_on()[0] == ("mine", 4, 2)
    tape.trade(160, (1, 2))  # what stands ahead is taken
    assert go_on()[0] == ("mine", 4, 0)
    tape.tick(405)  # the cancel is on its way
    assert len(go_on()) == 2
    tape.tick(450)
    assert [name for name, *_ in go_on()] == ["mine"]
    sim.finish()
    assert [row["client_order_id"] for row in sim.table("orders").to_pylist()] == ["far", "mine"]


def test_positions_are_the_accounts_at_the_exchange(synthetic_file: Path) -> None:
    sim = tw.Simulation(synthetic_file, **ASKED)
    assert sim.positions() == []
    while sim.step(3_000):
        fills = sim.fills().to_pylist()
        for position in sim.positions():
            mine = [f for f in fills if f["strategy_id"] == position.strategy_id]
            signed = sum(f["last_qty"] * (1 if f["order_side"] == "BUY" else -1) for f in mine)
            assert position.position == signed
            assert position.volume == sum(f["last_qty"] for f in mine)
            assert position.fees == sum(f["commission"] for f in mine)
            cash = -sum(
                f["last_px"] * f["last_qty"] * (1 if f["order_side"] == "BUY" else -1) for f in mine
            )
            assert position.mark is not None
            assert position.pnl == (cash + signed * position.mark) * 50 - position.fees
            assert position.pnl == (position.realized_pnl + position.unrealized_pnl - position.fees)
        assert sim.pnl == pytest.approx(sum(p.pnl for p in sim.positions()) / 1e9)
    assert len(sim.positions()) == 2


def test_a_symbol_of_several_books_has_to_be_told_apart() -> None:
    sim = tw.Simulation(strategies="market_maker", instrument_ids={"TWX": 7})
    tapes = [Tape(publisher=k).add(k, 1, "B", 90 + k, 5).records() for k in (1, 2)]
    sim.feed(np.concatenate(tapes))
    with pytest.raises(ConfigError, match="found 2: publisher 1, instrument 7, publisher 2, instr"):
        sim.book("TWX")
    assert sim.book("TWX", publisher_id=2).best_bid == px(92)
    assert sim.book("TWX", publisher_id=3).best_bid is None


# --- what can't be done -----------------------------------------------------------------------


def test_nothing_goes_on_after_its_end(synthetic_file: Path, records: np.ndarray) -> None:
    sim = tw.Simulation(synthetic_file, **ASKED)
    sim.step(5_000)
    digest = sim.finish()
    assert sim.finish() == digest == sim.digest()
    assert sim.book("TWA1").best_bid is not None
    for go_on in (sim.step, lambda: sim.feed(records[:5]), lambda: next(iter(sim))):
        with pytest.raises(SimulationError, match=r"goes on, found one that is finished; make a n"):
            go_on()
    assert "finished" in repr(sim)
    with tw.Simulation(synthetic_file, **ASKED) as left:
        left.step(5_000)
    assert left.events == 5_000
    for go_on in (left.step, left.finish):
        with pytest.raises(SimulationError, match="found one that is closed"):
            go_on()


def test_nothing_goes_on_after_a_failure(
    synthetic_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = tw.Simulation(synthetic_file, **ASKED)
    sim.step(5_000)

    def failing(*_: Any) -> None:
        raise StrategyError("no such colour\n  line 3", "market_maker")

    with monkeypatch.context() as patch:
        patch.setattr(Simulation, "feed", failing)
        with pytest.raises(StrategyError):
            sim.step()
    for go_on in (sim.step, sim.finish):
        with pytest.raises(SimulationError, match="found one that is failed: no such colour; make"):
            go_on()
    assert sim.fills().num_rows > 0
    sim.close()


def test_ctrl_c_stops_between_two_records_and_it_goes_on(
    synthetic_file: Path, whole: tw.RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim, feed = tw.Simulation(synthetic_file, **ASKED), Simulation.feed

    def interrupted(self: Simulation, *arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        feed(self, *arguments)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(Simulation, "feed", interrupted)
        with pytest.raises(InterruptedRunError, match="Ctrl-C"):
            sim.step(1_000_000)
    assert signal.getsignal(signal.SIGINT) is before
    assert 0 < (done := sim.events) < 30_000
    assert sim.step(1_000_000) == 30_000 - done
    assert_same(sim, whole)


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"config": 5}, ConfigError, "config: expected a configuration, or data"),
    ({"config": "none.dbn"}, MissingFileError, "none.dbn"),
    ({"strategies": "market_makr"}, ConfigError, "did you mean 'market_maker'?"),
    ({"instrument_ids": 5}, ConfigError, "instrument_ids: expected a mapping like"),
    ({"instrument_ids": {"A": "x"}}, ConfigError, "instrument_ids: expected symbols and whole num"),
    ({"instrument_ids": {"A": -1}}, ConfigError, "from 0 to 4294967295, found 'A': -1"),
    ({"instrument_ids": {}, "files": "a.dbn"}, ConfigError, "files: expected none where records a"),
    ({"instrument_ids": {}, "end": 5}, ConfigError, "end: expected none where records are fed"),
    ({"instrument_ids": {}, "start": "monday"}, ConfigError, "start: expected a time: ISO 8601"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        tw.Simulation(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_questions(synthetic_file: Path, records: np.ndarray) -> None:
    sim = tw.Simulation(synthetic_file, **ASKED)
    for events in (0, -1, 1.5, True, "5"):
        with pytest.raises(ConfigError, match="events: expected a whole number from 1, found"):
            sim.step(events)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"until: expected a time: ISO 8601 .*, found 'monday'"):
        sim.step(until="monday")
    with pytest.raises(ConfigError, match="depth: expected a whole number from 1, found 0"):
        sim.book("TWA1", 0)
    with pytest.raises(ConfigError, match=r"found 'TWA2' .*, did you mean 'TWA1'"):
        sim.book("TWA2")
    with pytest.raises(ConfigError, match=r"table: expected fills or .*, did you mean 'fills'"):
        sim.table("fill")
    with pytest.raises(ConfigError, match=r"feed: expected a simulation made for records of your"):
        sim.feed(records)
    fed = tw.Simulation(strategies="market_maker", instrument_ids={})
    for go_on in (fed.step, lambda: next(iter(fed))):
        with pytest.raises(ConfigError, match="found one made for records of your own: use feed"):
            go_on()
    with pytest.raises(TypeError, match="expected a 1-d array of MBO_DTYPE"):
        fed.feed(np.zeros(3))
    with pytest.raises(
        ConfigError, match=r"symbol: expected one of the data, found 'A' .*name none"
    ):
        fed.book("A")


def test_a_file_that_breaks_off_is_told_at_the_step_that_gets_there(
    tmp_path: Path, synthetic_file: Path
) -> None:
    path = tmp_path / "bad.mbo.dbn"
    good = synthetic_file.read_bytes()
    at = len(good) - 56 * 100
    path.write_bytes(good[:at] + b"\x03" + good[at + 1 :])
    sim = tw.Simulation(path, **ASKED)
    with pytest.raises(FormatError, match=r"bad\.mbo\.dbn"):
        sim.step(1_000_000)
    with pytest.raises(SimulationError, match=r"found one that is failed: .*bad\.mbo\.dbn"):
        sim.step()
    late = tw.Simulation(synthetic_file, start="2030-01-01", **ASKED)
    with pytest.raises(NoDataError, match="none of the 30000 records"):
        late.step(1_000_000)


def test_every_argument_is_documented() -> None:
    said = inspect.getdoc(tw.Simulation) or ""
    parameters = said.split("Parameters\n")[1].split("Raises\n")[0]
    for name in inspect.signature(tw.Simulation).parameters:
        assert any(name in line.split(", ") for line in parameters.splitlines()), name
