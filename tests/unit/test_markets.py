"""Synthetic markets as files: days, contracts that roll, correlation, and the commands."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import databento
import databento_dbn as dbn
import numpy as np
import pytest

from conftest import TapewireHere
from tapewire.errors import ConfigError, OutputError
from tapewire.inputs.inspection import inspect_file
from tapewire.market.definitions import facts_of
from tapewire.market.status import TradingState
from tapewire.replay.definitions import read_definitions
from tapewire.replay.markets import calendar
from tapewire.replay.markets.default import default_model
from tapewire.replay.markets.files import beside, write_market
from tapewire.replay.markets.market import MarketPlan, SyntheticMarket, product_name
from tapewire.replay.markets.measuring import FlowMeasure
from tapewire.replay.status import read_status, transitions_in

# --- the calendar ---------------------------------------------------------------------------------


def test_expiries_are_third_fridays() -> None:
    """As CME had them: ESH4 on 15 March 2024, ESM4 on 21 June, ESZ5 on 19 December 2025."""
    assert calendar.expiry_of(2024, 3) == dt.date(2024, 3, 15)
    assert calendar.expiry_of(2024, 6) == dt.date(2024, 6, 21)
    assert calendar.expiry_of(2025, 12) == dt.date(2025, 12, 19)
    assert calendar.roll_of(dt.date(2024, 3, 15)) == dt.date(2024, 3, 11)


def test_volume_moves_over_around_the_roll() -> None:
    shares = {}
    for day in calendar.trading_days(dt.date(2024, 3, 4), 12):
        front, following = calendar.contracts_on("TWA", day)
        assert front.share + following.share == pytest.approx(1)
        shares[day.day] = (front.symbol, following.symbol, round(following.share, 2))
    assert shares[4] == ("TWAH4", "TWAM4", 0.02)
    assert shares[8] == ("TWAH4", "TWAM4", 0.25)
    assert shares[11] == ("TWAH4", "TWAM4", 0.6)
    assert shares[15] == ("TWAH4", "TWAM4", 0.97)  # its last day
    assert shares[18] == ("TWAM4", "TWAU4", 0.02)
    assert 9 not in shares
    assert 10 not in shares


def test_products_have_names_of_letters() -> None:
    assert [product_name(k) for k in (0, 25, 26, 52)] == ["TWA", "TWZ", "TWAA", "TWBA"]


# --- files ----------------------------------------------------------------------------------------

PLAN = MarketPlan(days=7, instruments=2, events=260_000, seed=2, first_day=dt.date(2024, 3, 11))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven days of two products, from the day of a roll to the week after the expiry."""
    path = tmp_path_factory.mktemp("market") / "range"
    summary = write_market(path, PLAN)
    assert summary.events == pytest.approx(260_000, rel=0.25)
    return path


def test_a_file_per_day_with_the_contracts_of_the_day(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    assert names[0] == "glbx-mdp3-20240311-20240319.definition.dbn.zst"
    assert names[1] == "glbx-mdp3-20240311-20240319.status.dbn.zst"
    days = ("11", "12", "13", "14", "15", "18", "19")
    assert names[2:] == [f"glbx-mdp3-202403{day}.mbo.dbn.zst" for day in days]
    found = {}
    for day in ("11", "15", "18"):
        report = inspect_file(folder / f"glbx-mdp3-202403{day}.mbo.dbn.zst")
        assert report.start == "snapshot"
        assert (report.actions["R"], report.ts_event_backward) == (4, 0)
        assert not any(n for name, n in report.book.items() if name != "events")
        assert report.first_ts_recv == int(np.datetime64(f"2024-03-{day}T14:30", "ns").astype(int))
        assert report.last_ts_recv < report.first_ts_recv + int(6.5 * 3.6e12) + 10**9
        found[day] = {one["symbol"]: one for one in report.top_books}
    assert set(found["11"]) == {"TWAM4", "TWBM4", "TWAH4", "TWBH4"}
    assert set(found["18"]) == {"TWAM4", "TWBM4", "TWAU4", "TWBU4"}
    for symbol in ("TWAM4", "TWBM4"):
        ids = {found[day][symbol]["instrument_id"] for day in found}
        assert len(ids) == 1
        assert found["18"][symbol]["records"] > found["11"][symbol]["records"]


def test_definitions_and_trading_states_lie_beside(folder: Path) -> None:
    definitions = read_definitions(str(next(folder.glob("*.definition.dbn.zst"))))
    facts = {facts_of(r).raw_symbol: facts_of(r) for r in definitions.records}
    assert set(facts) == {f"TW{p}{m}4" for p in "AB" for m in "HMU"}
    assert facts["TWAM4"].tick_size == 250_000_000
    assert facts["TWAM4"].multiplier == 50
    assert not facts["TWAM4"].contradicts_itself
    vendor = databento.DBNStore.from_bytes(next(folder.glob("*.definition*")).read_bytes())
    expiries = {r.raw_symbol: r.expiration for r in vendor}
    assert expiries["TWAH4"] == np.datetime64("2024-03-15T21:00", "ns").astype(int)
    states = transitions_in([read_status(str(next(folder.glob("*.status.dbn.zst"))))])
    assert states["state"].tolist()[:3] == [
        TradingState.PRE_OPEN, TradingState.OPEN, TradingState.CLOSED,
    ]  # fmt: skip


def test_prices_go_on_over_nights_and_expiries() -> None:
    """A contract opens where the efficient price closed, but for a night of it.

    That has a deviation of 0.36 √(17.5 h / 5) = 40 ticks. A percent, 200 ticks, is between two
    contracts.
    """
    market, last, nights = SyntheticMarket(PLAN), dict[str, int](), list[float]()
    for day, session in market.sessions():
        for _ in session.chunks():
            pass
        prices = {one.symbol: one.price for one in day.contracts}
        front, following = list(prices)[:2]
        assert prices[following] - prices[front] == 50 * 10**9
        for k, one in enumerate(day.contracts):
            if one.symbol in last:
                nights.append((one.price - last[one.symbol]) / 250_000_000)
            last[one.symbol] = session.middle(k)
    assert len(nights) == 6 * 4 - 2
    assert max(map(abs, nights)) < 150
    assert 15 < np.std(nights) < 80


def test_one_file_of_many_days_has_the_same_records(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.mbo.dbn.zst"
    summary = write_market(path, PLAN)
    store = databento.DBNStore.from_bytes(path.read_bytes())
    parts = [
        databento.DBNStore.from_bytes(day.read_bytes()).to_ndarray()
        for day in sorted(folder.glob("*.mbo.dbn.zst"))
    ]
    assert np.array_equal(store.to_ndarray(), np.concatenate(parts))
    assert summary.definitions == tmp_path / "all.definition.dbn.zst"
    mappings = dbn.Metadata.decode(bytes(store.metadata.encode())).mappings
    assert str(mappings["TWAH4"][0]["end_date"]) == "2024-03-16"
    assert str(mappings["TWAU4"][0]["start_date"]) == "2024-03-18"


def test_names_beside() -> None:
    assert beside(Path("a/x.mbo.dbn.zst"), "status") == Path("a/x.status.dbn.zst")
    assert beside(Path("x.dbn"), "definition") == Path("x.definition.dbn")


def test_a_folder_that_is_there_is_left_alone(folder: Path) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(OutputError, match="is there already: choose another folder with -o"):
        write_market(folder, PLAN)
    assert sorted(folder.iterdir()) == before


def test_an_interrupted_range_leaves_nothing(tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_market(tmp_path / "range", PLAN, on_progress=stop)
    with pytest.raises(KeyboardInterrupt):
        write_market(tmp_path / "all.dbn", PLAN, on_progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"days": 0}, "days: expected 1 to 750, found 0"),
        ({"instruments": 101}, "instruments: expected 1 to 100, found 101"),
        ({"correlation": 1.5}, "correlation: expected 0 to 1, found 1.5"),
        ({"hours": 24.0}, "hours: expected 0.001 to 23"),
        ({"seed": 2**64}, "seed: expected"),
        ({"events": 63}, "events: expected 64 to"),
        (
            {"events": 20_000, "days": 3},
            "events: expected at least 25,092, of which most are the snapshots",
        ),
    ],
)
def test_arguments_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SyntheticMarket(MarketPlan(**options))  # type: ignore[arg-type]


# --- correlation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [0.0, 0.8])
def test_returns_are_as_correlated_as_was_asked_for(asked: float) -> None:
    """Over five minutes: within less, each book's own queues move its price as well."""
    plan = MarketPlan(instruments=2, hours=20.0, correlation=asked, seed=4)
    market = SyntheticMarket(plan)
    measures = [FlowMeasure(1, 90_001 + k, market.model.tick_size) for k in range(2)]
    for _, session in market.sessions():
        for records in session.chunks():
            for measure in measures:
                measure.feed(records)
    mids = [m.mids()[::300] for m in measures]
    n = min(map(len, mids))
    found = np.corrcoef(*(np.diff(one[:n]) for one in mids))[0, 1]
    assert n >= 239
    assert found == pytest.approx(asked, abs=0.12)


# --- the commands ---------------------------------------------------------------------------------

#: Statistics of ESH4, and how far a market like it may be from them: a share, or a difference.
NEAR: dict[str, tuple[float, float]] = {
    "records that are modifies": (0.15, 0), "records that are trades": (0.15, 0),
    "records that are fills": (0.15, 0), "records that are adds": (0.12, 0),
    "records that are cancels": (0.12, 0), "events": (0.15, 0), "trades": (0.2, 0),
    "volume": (0.25, 0), "spread of 1 tick": (0.05, 0), "spread of 2 ticks": (0, 4.0),
    "order size, 95%": (0, 2), "trade size, 95%": (0.3, 0), "queue at the best, 25%": (0.25, 1),
    "queue at the best, 50%": (0.25, 1), "queue at the best, 75%": (0.25, 1),
    "adds, from the best, 50%": (0, 1), "between events, 50%": (0.6, 0),
    "between events, 75%": (0.6, 0), "between events, 95%": (0.2, 0),
    "mid's change over 1 s, deviation": (0.2, 0), "mid's change over 60 s, deviation": (0.25, 0),
}  # fmt: skip


@pytest.mark.long
def test_a_market_like_esh4_is_like_it(
    data_file: Callable[[str], Path], tapewire_here: TapewireHere, tmp_path: Path
) -> None:
    esh4 = data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    done = tapewire_here("data", "calibrate", esh4, "-o", "model.json", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["symbol"], report["events"]) == ("ESH4", 46_096)
    rows = {row["statistic"]: row for row in report["goodness"]}
    far = {
        name: (row["real"], row["synthetic"])
        for name, (share, difference) in NEAR.items()
        for row in (rows[name],)
        if abs(row["synthetic"] - row["real"]) > max(share * row["real"], difference)
    }
    assert far == {}
    options = ("--calibration", "model.json", "--events", "30000", "--json")
    done = tapewire_here("data", "synth", "-o", "like.mbo.dbn", *options)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["events"], facts["records"]) == (30_000, {"TWA1": 30_000})
    found = inspect_file(tmp_path / "like.mbo.dbn")
    assert not any(n for name, n in found.book.items() if name != "events")


def test_no_trades_is_no_market(
    data_file: Callable[[str], Path], tapewire_here: TapewireHere
) -> None:
    done = tapewire_here(
        "data", "calibrate", data_file("glbx/esh4-glbx-mdp3-20231224.mbo.dbn.zst")
    )  # fmt: skip
    assert done.returncode != 0
    assert "expected trades to measure a market by, found none" in done.stderr


def test_the_command_tells_what_it_made(tapewire_here: TapewireHere, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(default_model().to_json())
    options = ("--calibration", "model.json", "--pathology", "crossed,halted")
    done = tapewire_here("data", "synth", "-o", "odd.mbo.dbn", "--events", "20000", *options)
    assert done.returncode == 0, done.stderr
    assert "odd.mbo.dbn: " in done.stdout
    assert "records: TWA1 " in done.stdout
    assert "definitions: odd.definition.dbn" in done.stdout
    assert "trading states: odd.status.dbn" in done.stdout
    assert "put in on purpose: crossed " in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--like", "a", "--calibration", "b"), "--like and --calibration: expected one of them"),
        (("--symbol", "ESH4"), "--symbol: says which book of --like, which is missing"),
        (("--calibration", "b"), "b: expected a market model, can't be read: No such file"),
        (("--hours", "1", "-o", "x"), "output: expected a name ending in .dbn or .dbn.zst"),
        (("--pathology", "wrong"), "pathology: wrong: expected one of crossed"),
    ],
)
def test_a_mistake_is_one_sentence(
    tapewire_here: TapewireHere, options: tuple[str, ...], message: str
) -> None:
    done = tapewire_here("data", "synth", "-o", "x.dbn", *options)
    assert done.returncode != 0
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_the_default_market_is_a_model() -> None:
    assert default_model().events_per_s == pytest.approx(12.3, abs=0.2)


@pytest.mark.long
def test_a_market_like_a_file_in_one_command(
    data_file: Callable[[str], Path], tapewire_here: TapewireHere
) -> None:
    """GOOG of several publishers: the book with most trades is measured."""
    path = data_file("dbeq/dbeq-basic-20240403.mbo.dbn.zst")
    options = ("--like", path, "--hours", "1", "--instruments", "2", "--json")
    done = tapewire_here("data", "synth", "-o", "like.mbo.dbn.zst", *options)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["like"]["publisher_id"] == 39
    assert facts["events"] > 2_000
