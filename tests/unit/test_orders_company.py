"""Strategies of one run do not feel one another, and nothing else moves a digest."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from markets import market, session, spec
from stories import (
    INSTRUMENT,
    OTHER_INSTRUMENT,
    OTHER_SYMBOL,
    Log,
    Tape,
    configure,
    ns,
    play,
    run,
)
from tapewire.router import Simulation, StrategySpec
from tapewire.strategies import STRATEGIES

MAKER = spec("maker", "market_maker")
LARGE = spec("large", "market_maker", quantity=7, max_inventory=50)
CROSSOVER = spec("crossover", "sma_crossover", fast_period=3, slow_period=9)


def digests(records: np.ndarray, *specs: StrategySpec, **settings) -> dict[str, str]:
    config = replace(configure(None, **settings), strategies=specs)
    simulation, rows = run(config, records, 10_000)
    assert rows.fills.size
    return simulation.digests()


@pytest.mark.parametrize("watched", [MAKER, CROSSOVER, LARGE], ids=lambda s: s.strategy_id)
def test_another_strategy_beside_changes_nothing(watched: StrategySpec) -> None:
    records = market()
    alone = digests(records, watched)
    others = [s for s in (MAKER, LARGE, CROSSOVER) if s is not watched]
    before = digests(records, *others, watched)
    after = digests(records, watched, *others)
    assert alone[watched.strategy_id] == before[watched.strategy_id] == after[watched.strategy_id]


def test_many_copies_are_all_the_same() -> None:
    copies = [replace(MAKER, strategy_id=f"maker {k}") for k in range(12)]
    assert len(set(digests(market(10_000), *copies).values())) == 1


def test_two_logs_with_the_same_orders_take_the_same_lots(tmp_path: Path) -> None:
    """What one strategy took is not gone for the other."""
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10).tick(500)
    log = Log().buy(10, "all", 10)
    other = StrategySpec(
        "other", STRATEGIES["order_log"], {"path": log.write(tmp_path / "other.csv")}
    )
    played = play(tmp_path, tape, log, others=[other])
    assert played.rows.fills["last_qty"].tolist() == [10, 10]
    assert played.digest == played.simulation.digests()["other"]


def test_open_orders_are_reported_in_the_order_of_sending_in_any_company(tmp_path: Path) -> None:
    """Records of closed orders are used again; in whose company must not show in the report."""
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10)
    for k in range(2, 40):
        tape.tick(25 * k)
    log = Log().buy(10, "a", 1, 99).buy(20, "b", 1, 98).cancel(30, "a").buy(300, "c", 1, 97)
    log.buy(320, "d", 1, 96)
    busy = Log()
    for k in range(12):
        busy.buy(15 + 11 * k, f"x{k}", 1, 90)
        if k % 3:
            busy.cancel(100 + 40 * k, f"x{k}")
    alone = play(tmp_path, tape, log)
    other = StrategySpec(
        "other", STRATEGIES["order_log"], {"path": busy.write(tmp_path / "other.csv")}
    )
    for specs in ([other], [other, replace(other, strategy_id="third")]):
        beside = play(tmp_path, tape, log, others=specs)
        mine = beside.rows.orders[beside.rows.orders["leg"] == 0]
        assert mine["client_order_id"].tolist() == [1, 2, 3, 4]
        assert beside.digest == alone.digest


def test_another_instrument_beside_changes_nothing() -> None:
    records = market(10_000)
    two = session(20_000, 2, 9)
    two["instrument_id"] += 100
    both = np.concatenate([records, two])
    both = both[np.argsort(both["ts_recv"], kind="stable")]
    both = both[both["ts_recv"] <= records["ts_recv"][-1]]  # so that the data end at one time
    assert len(both) > len(records) + 1_000
    maker = replace(MAKER, symbols=("TWX",))
    assert digests(records, maker) == digests(both, maker)


def test_no_book_wakes_up_too_late_for_a_strategy_on_two_books(tmp_path: Path) -> None:
    """What happens on one book brings a message forward for which the other one has to look."""
    feed_us = 20
    tape, log = Tape(), Log()
    for k in range(60):
        tape.instrument = (INSTRUMENT, OTHER_INSTRUMENT)[k % 3 == 0]
        if k < 6:
            tape.add(10 * k, 2 * k + 1, "B", 100, 5).add(10 * k + 1, 2 * k + 2, "A", 101, 5)
        else:
            tape.tick(10 * k)
    for k in range(12):
        log.symbol = ("TWX", OTHER_SYMBOL)[k % 2]
        log.buy(100 + 37 * k, f"order {k}", 1, 101 if k % 4 else 99)
    path = log.write(tmp_path / "log.csv")
    simulation = Simulation(configure(path, feed_us=feed_us))
    records = tape.records()
    waited_for = set()
    for k in range(len(records)):
        simulation.feed(records[k : k + 1])
        simulation.drain()
        (instance,) = simulation._memory.instances.records[: simulation._roster.instance_n]
        assert {leg.symbol for leg in simulation.legs} == {"TWX", OTHER_SYMBOL}
        for leg in simulation.legs:
            watch = simulation._memory.watches.records[
                simulation._memory.legs.records[leg.leg]["book"]
            ]
            assert watch["local_due"] <= instance["local_due"]
            assert watch["wake"] <= instance["local_due"] - feed_us * 1_000
        waited_for.add(int(instance["local_due"]))
    assert len([due for due in waited_for if ns(100) < due < ns(600)]) > 10


def test_a_simulation_gives_its_memory_back_when_it_goes() -> None:
    gc.collect()
    gc.disable()  # at once, not when the collector comes by
    try:
        simulation, rows = run(replace(configure(None), strategies=(MAKER,)), market(3_000))
        gone = weakref.ref(simulation)
        del simulation, rows
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("batch", [1, 7, 4_096])
def test_batches_of_any_size(batch: int) -> None:
    records = market(5_000)
    config = replace(configure(None), strategies=(MAKER, CROSSOVER))
    whole, _ = run(config, records)
    parts, _ = run(config, records, batch)
    assert whole.digest() == parts.digest()


def test_the_digest_says_when_something_differs(tmp_path: Path) -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10).tick(500)
    log = Log().buy(10, "all", 10)
    first = play(tmp_path, tape, log).digest
    assert first == play(tmp_path, tape, log).digest
    assert first != play(tmp_path, tape, Log().buy(10, "all", 9)).digest
    assert first != play(tmp_path, tape, log, response_us=51).digest
    assert first != play(tmp_path, tape, log, fee=1).digest
