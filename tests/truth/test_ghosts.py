"""Real orders sent again: a ghost directly ahead of a real order fills as that order did.

Whatever filled the real order would have hit its ghost first. Each ghost is an order log of its
own, so that no two share the same lots.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from naive.dbn import read_mbo
from stories import COLUMNS, INSTRUMENT, PUBLISHER, SNAPSHOT, SYMBOL, models_of, px
from tapewire.execution.codes import FillReason
from tapewire.market import InstrumentTable
from tapewire.router import Simulation, SimulationConfig, StrategySpec
from tapewire.strategies import STRATEGIES
from tapewire.validation import PlaceboPass

NAME = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
ENTRY_US = 50
ENTRY_NS = 1000 * ENTRY_US
CLEARING_PRICE = px("4800.25")


@pytest.fixture(scope="module")
def esh4(data_file: Callable[[str], Path]) -> np.ndarray:
    records = read_mbo(data_file(NAME)).copy()
    records["instrument_id"] = INSTRUMENT
    records["publisher_id"] = PUBLISHER
    return records


class Life:
    """What the capture says of one order that was added on its own and never moved."""

    def __init__(self, add: np.void) -> None:
        self.add = add
        self.fills: list[tuple[int, int, int]] = []  # ts_event, price, lots
        self.closed = 0

    @property
    def left(self) -> int:
        return int(self.add["size"]) - sum(lots for *_, lots in self.fills)


def lives(records: np.ndarray) -> list[Life]:
    """Orders that came after the snapshot, took nothing, and were then only filled or canceled."""
    alive: dict[int, Life] = {}
    aggressors = set(records["order_id"][records["action"] == ord("T")].tolist())
    for r in records:
        name, action, lots = int(r["order_id"]), chr(r["action"]), int(r["size"])
        if action == "A" and not r["flags"] & SNAPSHOT and name not in aggressors:
            alive[name] = Life(r)
        elif name not in alive:
            continue
        elif action == "F":
            alive[name].fills.append((int(r["ts_event"]), int(r["price"]), lots))
        elif action == "C":
            alive[name].closed = int(r["ts_event"])
        elif action == "M" and (r["price"], lots) != (alive[name].add["price"], alive[name].left):
            del alive[name]
    return list(alive.values())


def play(records: np.ndarray, chosen: list[Life], folder: Path) -> list[list[tuple[int, ...]]]:
    """Fills (ts_event, price, lots, reason) of the ghost of each order."""
    specs = []
    for k, life in enumerate(chosen):
        sent = int(life.add["ts_event"]) - ENTRY_NS - 1
        side = {"B": "BUY", "A": "SELL"}[chr(life.add["side"])]
        price = f"{int(life.add['price']) / 1e9:.2f}"
        rows = [f"{sent},new,g,{SYMBOL},{side},LIMIT,{price},{life.add['size']},GTC"]
        if life.left and life.closed:
            rows.append(f"{life.closed - ENTRY_NS - 1},cancel,g,{SYMBOL},,,,,")
        path = folder / f"{k}.csv"
        path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
        specs.append(StrategySpec(f"ghost{k}", STRATEGIES["order_log"], {"path": path}))
    simulation = Simulation(
        SimulationConfig(
            InstrumentTable([(SYMBOL, INSTRUMENT)]), tuple(specs),
            models=models_of(ENTRY_US, ENTRY_US), publishers=(PUBLISHER,),
        )
    )  # fmt: skip
    simulation.feed(records)
    simulation.finish()
    found: list[list[tuple[int, ...]]] = [[] for _ in chosen]
    number = {leg.leg: int(leg.strategy_id.removeprefix("ghost")) for leg in simulation.legs}
    for fill in simulation.drain().fills:
        found[number[int(fill["leg"])]].append(
            (
                int(fill["ts_event"]),
                int(fill["last_px"]),
                int(fill["last_qty"]),
                int(fill["reason"]),
            )
        )
    return found


def test_ghosts_of_orders_in_the_opening_auction(esh4: np.ndarray, tmp_path: Path) -> None:
    """The venue cleared 44 lots at 4800.25; every ghost trades at that price as its order did.

    But for the order that first crossed the book: its ghost can't know that the market is closed.
    """
    opening = esh4[: int(np.flatnonzero(esh4["action"] == ord("T"))[1])]
    chosen = [life for life in lives(opening) if life.fills]
    assert len(chosen) > 20
    assert any(life.add["price"] != CLEARING_PRICE for life in chosen)
    others = 0
    for life, fills in zip(chosen, play(opening, chosen, tmp_path), strict=True):
        real = [(ts, CLEARING_PRICE, lots, FillReason.AUCTION) for ts, _, lots in life.fills]
        others += fills != real
    assert others == 1


def test_ghosts_of_orders_of_the_session(esh4: np.ndarray, tmp_path: Path) -> None:
    """Lots, and the time of the first of them."""
    own_price = [life for life in lives(esh4) if all(f[1] == life.add["price"] for f in life.fills)]
    filled = [life for life in own_price if life.fills][::6]
    never = [life for life in own_price if not life.fills and life.closed][::60]
    assert len(filled) > 500
    assert len(never) > 150
    chosen = filled + never
    differ = []
    for life, fills in zip(chosen, play(esh4, chosen, tmp_path), strict=True):
        lots, real = sum(f[2] for f in fills), sum(f[2] for f in life.fills)
        assert lots >= real, "what hit the order would have hit its ghost first"
        if lots != real or [f[0] for f in fills][:1] != [f[0] for f in life.fills][:1]:
            differ.append(int(life.add["order_id"]))
    assert len(differ) <= 0.005 * len(chosen), differ
    # A placebo pass sends them directly before their records, not before the whole event: what the
    # event took away before them, as an order of the same owner, they do not meet.
    placebo = PlaceboPass()
    placebo.feed(esh4)
    placebo.finish()
    rows = placebo.differences
    assert placebo.difference_n == len(rows)
    known = {int(life.add["order_id"]) for life in chosen}
    found = known & set(rows["order_id"][rows["taker"] == 0].tolist())
    assert found <= set(differ)
    assert len(differ) <= len(found) + 2
