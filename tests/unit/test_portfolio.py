"""P&L by instrument over all strategies: worked by hand, and adding up to the run's."""

from decimal import Decimal
from pathlib import Path

from analytics_rows import E9, Book, FakeLeg
from analytics_runs import run_of

P = 100 * E9


def test_strategies_are_added_up_by_instrument(tmp_path: Path) -> None:
    """X at 10 a point: one makes 2 * 3 = 6 points, one is short 1 at 100, marked at 102: -2 points.

    Y at 1 a point: one lost 1 point, and paid 0.5 twice.
    """
    x = {"symbol": "X", "instrument_id": 1, "multiplier_num": 10}
    legs = [
        FakeLeg(0, "a", **x), FakeLeg(1, "b", **x),
        FakeLeg(2, "a", symbol="Y", instrument_id=2, multiplier_num=1),
    ]  # fmt: skip
    won = Book(legs[0]).fill(2, P).fill(-2, P + 3 * E9).sample(P)
    short = Book(legs[1]).fill(-1, P, E9 // 4).sample(P + 2 * E9)
    lost = Book(legs[2]).fill(1, P, E9 // 2).fill(-1, P - E9, E9 // 2).sample(P)
    run = run_of(tmp_path, won, short, lost, legs=legs)
    first, second = run.manifest["instrument_totals"]
    assert first == {
        "publisher_id": 1, "instrument_id": 1, "symbol": "X", "strategies": 2, "position": -1,
        "volume": 5, "realized_pnl": "60", "unrealized_pnl": "-20", "fees": "0.25",
        "net_pnl": "39.75",
    }  # fmt: skip
    assert (second["symbol"], second["strategies"], second["net_pnl"]) == ("Y", 1, "-2")
    total = sum(Decimal(one["net_pnl"]) for one in (first, second))
    assert total == Decimal(run.manifest["results"]["total"]["net_pnl"])
    page = (run.path / "report.html").read_text()
    assert "By instrument, all strategies together" in page


def test_one_leg_alone_has_no_table_of_its_own(tmp_path: Path) -> None:
    run = run_of(tmp_path, Book(FakeLeg()).fill(1, P).fill(-1, P).sample(P))
    assert len(run.manifest["instrument_totals"]) == 1
    assert "By instrument, all strategies together" not in (run.path / "report.html").read_text()
