"""Daily marks at settlement prices, by hand: over two days, a weekend, and a file of statistics."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapewire as tw
from analytics_rows import DAY_NS, E9, NOON_NS, Book, FakeLeg, drained, manifest
from tapewire.analytics import Collector, load_run
from tapewire.analytics.settlements import SettlementPrices
from tapewire.config.schema import SessionHours
from tapewire.errors import SimulationError
from tapewire.market.instruments import InstrumentTable
from tapewire.market.statistics import STATISTICS, settlements_in
from tapewire.replay.statistics import StatisticsFile
from tapewire.runs.contracts import Contracts
from tapewire.runs.expiries import Expiries
from tapewire.runs.settlements import settlement_prices
from tapewire.wire import StreamInfo

P = 100 * E9
#: 25 December 2023, a Monday; it is noon as the books begin.
DAY = NOON_NS // DAY_NS
MIDNIGHTS = [((DAY + k + 1) * DAY_NS, DAY + k) for k in range(5)]


def settled(
    path: Path, book: Book, prices: dict[str, list[tuple[int, int]]], **more: Any
) -> list[dict[str, Any]]:
    fills, orders, samples = drained(book)
    settlements = SettlementPrices(MIDNIGHTS, prices)
    with Collector(path, "seed: 0\n", settlements=settlements, row_group_rows=2, **more) as to:
        to.add(fills, orders, samples, [book.leg])
        to.finish("complete", manifest())
    return load_run(path).settlements.to_pylist()


def test_variation_over_two_days_by_hand(tmp_path: Path) -> None:
    """10 a point. Long 3 from 100, a fee of 1; 1 is sold at 104, and 2 are held overnight.

    The last mark is 103: realised 40, open 60, less 1: 99. It settles at 105: open 100, so that 139
    are credited. The next day 2 are sold at 104: realised 40 + 80, less 1: 119 in all. Flat, it
    settles at 999 and nothing hangs on that: 20 are debited.
    """
    book = Book(FakeLeg(symbol="X", multiplier_num=10)).fill(3, P, E9).fill(-1, P + 4 * E9)
    book.sample(P + 3 * E9)
    book.fill(-2, P + 4 * E9, after_ns=DAY_NS).sample(P + 4 * E9)
    first, second = settled(tmp_path / "run", book, {"X": [(DAY, P + 5 * E9), (DAY + 1, 999 * E9)]})
    assert (first["day"], first["position"], first["mark"]) == ("2023-12-25", 2, P + 3 * E9)
    assert (first["settlement_price"], first["ts_close"].value) == (P + 5 * E9, MIDNIGHTS[0][0])
    assert (first["pnl"], first["variation"]) == (139 * E9, 139 * E9)
    assert (second["day"], second["position"]) == ("2023-12-26", 0)
    assert (second["pnl"], second["variation"]) == (119 * E9, -20 * E9)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "By trading day, at settlement prices" in page
    assert "2023-12-26" in page


def test_where_no_price_is_known_the_last_mark_counts(tmp_path: Path) -> None:
    """A short of 1 from 100, marked at 98, 97 and 97: +2, +3; the second settles at 101: -1."""
    book = Book(FakeLeg(symbol="X", multiplier_num=1)).fill(-1, P).sample(P - 2 * E9)
    book.sample(P - 3 * E9, after_ns=DAY_NS).sample(P - 3 * E9, after_ns=DAY_NS)
    found = settled(tmp_path / "run", book, {"X": [(DAY + 1, P + E9)], "Y": [(DAY, 1)]})
    assert [row["settlement_price"] for row in found] == [None, P + E9, None]
    assert [row["variation"] for row in found] == [2 * E9, -3 * E9, 4 * E9]
    assert found[-1]["pnl"] == 3 * E9


def test_a_day_without_samples_is_marked_where_its_price_is_known(tmp_path: Path) -> None:
    book = Book(FakeLeg(symbol="X", multiplier_num=1)).fill(2, P).sample(P)
    book.sample(P, after_ns=3 * DAY_NS)
    found = settled(tmp_path / "run", book, {"X": [(DAY + 1, P + E9)]})
    days = [(row["day"][-2:], row["position"], row["variation"]) for row in found]
    assert days == [("25", 2, 0), ("26", 2, 2 * E9), ("28", 2, -2 * E9)]


def test_a_sample_at_the_close_belongs_to_the_day_that_it_ends(tmp_path: Path) -> None:
    book = Book(FakeLeg(symbol="X", multiplier_num=1), MIDNIGHTS[0][0] - 2 * E9)
    book.fill(1, P).sample(P, after_ns=E9).sample(P + E9, after_ns=1)
    found = settled(tmp_path / "run", book, {"X": [(DAY, P + 7 * E9)]})
    assert [row["variation"] for row in found] == [7 * E9, -6 * E9]


def test_the_rate_is_that_of_the_sample(tmp_path: Path) -> None:
    """2 from 100 at 2 a point; marked at 100 at a rate that makes it 3: 2 x 1 x 3."""
    book = Book(FakeLeg(symbol="X", multiplier_num=2)).fill(2, P)
    book.sample(P, after_ns=E9)
    rates = {"X": [(0, 2, 1), (book.ts, 3, 1)]}
    (row,) = settled(tmp_path / "run", book, {"X": [(DAY, P + E9)]}, rates=rates)
    assert row["pnl"] == 6 * E9


def test_without_a_price_there_is_no_table(tmp_path: Path) -> None:
    book = Book(FakeLeg(symbol="X")).fill(1, P).sample(P)
    assert settled(tmp_path / "run", book, {}) == []
    assert not (tmp_path / "run" / "settlements.parquet").exists()


def test_samples_behind_all_days_are_refused(tmp_path: Path) -> None:
    book = Book(FakeLeg(symbol="X")).fill(1, P).sample(P, after_ns=9 * DAY_NS)
    with pytest.raises(SimulationError, match="expected samples before the last close of a sess"):
        settled(tmp_path / "run", book, {"X": [(DAY, P)]})


# --- days and prices of a run ---------------------------------------------------------------------


def statistics(*rows: tuple[int, int, int, int]) -> np.ndarray:
    """Settlement prices: day, price, captured, update action."""
    made = np.zeros(len(rows), STATISTICS)
    made["instrument_id"], made["stat_type"] = 7, 3
    for k, (day, price, captured, action) in enumerate(rows):
        made[k]["ts_ref"], made[k]["price"], made[k]["ts_recv"] = day * DAY_NS, price, captured
        made[k]["update_action"] = action
    return made


def test_the_price_of_a_day_is_the_last_that_was_captured() -> None:
    records = statistics((9, 30, 5, 1), (9, 20, 4, 1), (10, 40, 6, 1), (10, 40, 7, 2))
    assert settlements_in(records, 7) == {9: 30}
    assert settlements_in(records, 8) == {}


def test_days_are_those_of_the_sessions_close() -> None:
    """Chicago is 6 h behind in winter: a close at 16:00 there is 22:00 UTC of the same date."""
    file = StatisticsFile("s", 0, 3, "X", "", 1, statistics((DAY, 5, 1, 1)))
    contracts = Contracts(InstrumentTable([("ESH4", 7)]), expiries=Expiries(files=[file]))
    info = StreamInfo(
        dataset="X", schema="mbo", files=(), mappings=(), start_ns=NOON_NS,
        end_ns=NOON_NS + DAY_NS, batch_records=1, speed=None,
    )  # fmt: skip
    hours = SessionHours(close="16:00", timezone="America/Chicago")
    found = settlement_prices(contracts, hours, info)
    closes = [(DAY * DAY_NS + 22 * 3600 * E9 + k * DAY_NS, DAY + k) for k in range(3)]
    assert (list(found.closes), found.prices) == (closes, {"ESH4": [(DAY, 5)]})
    found = settlement_prices(contracts, None, info)
    assert list(found.closes) == MIDNIGHTS[:3]
    assert not settlement_prices(Contracts(contracts.table), None, info)


def test_a_run_with_a_file_of_statistics(tmp_path: Path, synthetic_file: Path) -> None:
    """Two settlement prices of the same day: two runs differ by what was held, times a point."""
    import databento_dbn as dbn

    import streams

    def run(name: str, price: int) -> tw.RunResult:
        made = np.zeros(1, np.dtype(dbn.StatMsg._dtypes))
        made["length"], made["rtype"] = made.itemsize // 4, 0x18
        made["instrument_id"], made["stat_type"], made["update_action"] = 90_001, 3, 1
        made["ts_ref"], made["price"] = 1_709_510_400 * E9, price  # 4 March 2024
        path = tmp_path / f"{name}.dbn"
        header = streams.dbn_header(schema="statistics", version=3, dataset=dataset)
        streams.write(path, header + made.tobytes())
        config = {
            "backtest": {
                "data_source": {
                    "type": "databento", "files": [str(synthetic_file)],
                    "statistics_files": [str(path)],
                },
                "replay": {"transport": "inproc"},
                "instruments": {"TWA1": {"tick_size": 0.25, "multiplier": 50}},
            },
            "strategy": {"type": "market_maker"},
        }  # fmt: skip
        return tw.run(config, output=tmp_path / name)

    dataset = tw.run(synthetic_file, strategies="market_maker").manifest["inputs"][0]["dataset"]
    low, high = run("low", 4_000 * E9), run("high", 4_001 * E9)
    (one,), (other,) = (r.settlements.to_pylist() for r in (low, high))
    assert one["position"] != 0
    assert other["variation"] - one["variation"] == one["position"] * 50 * E9
    assert low.digest == high.digest
    assert low.to_pandas("settlements")["settlement_price"].tolist() == [4_000.0]
