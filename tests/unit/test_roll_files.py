"""Continuous symbols of files: their volumes, definitions, statistics, own symbology; the command.

Three days of XH4 (id 1), XM4 (id 2) and a spread of both (3); on the second XM4 trades more.
"""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import pytest
import xxhash
from typer.testing import CliRunner

import defined
import streams
from conftest import TapewireHere
from tapewire.cli.program import app
from tapewire.config.loading import make_config
from tapewire.config.schema import DatabentoSource
from tapewire.errors import ConfigError, FormatError, NoDataError
from tapewire.inputs.roll_days import list_rolls
from tapewire.inputs.rolls import Rolls, rolls_of, with_rolls
from tapewire.inputs.symbology_files import symbology_used
from tapewire.inputs.volumes import volumes_of
from tapewire.market.records import MBO_DTYPE
from tapewire.market.statistics import OPEN_INTEREST, UNDEF_QUANTITY
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.catalogue import find_files, index_folder
from tapewire.replay.dbn import inspect
from tapewire.replay.statistics import read_statistics
from tapewire.replay.volumes import bar_volumes, day_volumes, read_bars

T0, DAY = streams.START_NS, streams.DAY_NS
#: 9 December 2023.
DATES = ["2023-12-09", "2023-12-10", "2023-12-11"]
LOTS = [{1: 9, 2: 4}, {1: 3, 2: 5}, {1: 50, 2: 1, 3: 99}]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapewire.inputs.volumes.cache_dir", lambda: tmp_path / "cache")


def write_day(folder: Path, day: int, lots: dict[int, int]) -> str:
    """Each instrument's volume in trades of a lot, an add of 1,000 before each."""
    parts = []
    for number, count in lots.items():
        rows = streams.make_records(2 * count, ts_recv=[T0 + day * DAY + number] * (2 * count))
        rows["instrument_id"] = number
        rows["size"][::2], rows["action"][1::2] = 1_000, ord("T")
        parts.append(rows)
    rows = np.concatenate(parts)
    rows = rows[np.argsort(rows["ts_recv"], kind="stable")]
    mappings = {
        "XH4": [(1, day, day + 1)], "XM4": [(2, day, day + 1)], "XH4-XM4": [(3, day, day + 1)],
    }  # fmt: skip
    path = folder / f"x-{day}.mbo.dbn"
    path.write_bytes(streams.dbn_header(mappings) + rows.tobytes())
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return [write_day(tmp_path, day, lots) for day, lots in enumerate(LOTS)]


def source(files: list[str], *symbols: str, **more: Any) -> DatabentoSource:
    return DatabentoSource(type="databento", files=files, symbols=list(symbols), **more)


def meant(rolls: Rolls, place: int = 0) -> list[str]:
    return [one.symbol for one in rolls.tables[place].days]


def read(plan: ReplayPlan) -> np.ndarray:
    out = np.empty(1_000, MBO_DTYPE)
    with open_source(plan) as opened:
        return out[: opened.fill(out)]


def test_volumes_are_added_up_by_day_and_instrument(files: list[str]) -> None:
    days = [day_volumes(inspect(path))[0] for path in files]
    assert days == [{T0 // DAY + day: lots} for day, lots in enumerate(LOTS)]


def test_the_volume_of_a_real_evening(data_file: Callable[[str], Path]) -> None:
    """ESH4, 25 December 2023: 9,892 lots, and nothing to roll to."""
    path = str(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))
    assert day_volumes(inspect(path))[0] == {19_716: {17077: 9_892}}
    before = str(data_file("glbx/esh4-glbx-mdp3-20231224.mbo.dbn.zst"))
    for symbol in ("ES.c.0", "ES.v.0"):
        rolls = rolls_of(source([before, path], symbol))
        assert [(one.day, one.symbol) for one in rolls.tables[0].days] == [
            (19_715, "ESH4"),
            (19_716, "ESH4"),
        ]
        assert rolls.ends == {}
    with pytest.raises(NoDataError, match=r"'NQ\.c\.0': expected contracts of NQ, such as NQH4"):
        rolls_of(source([path], "NQ.c.0"))


def test_a_plan_gives_each_day_the_records_of_its_contract(files: list[str]) -> None:
    plan, rolls = with_rolls(ReplayPlan(tuple(files)), source(files, "X.v.0"))
    assert rolls is not None
    assert meant(rolls) == ["XH4", "XH4", "XM4"]
    assert rolls.ends == {1: T0 + 2 * DAY}
    assert ReplayPlan.from_json(plan.to_json()) == plan
    records = read(plan)
    days = records["ts_recv"].astype(np.int64) // DAY - T0 // DAY
    ids = records["instrument_id"]
    assert [sorted(set(ids[days == day].tolist())) for day in range(3)] == [[1], [1], [2]]
    assert len(records) == 2 * (9 + 3 + 1)
    assert "no definition says when XH4, XM4 expires" in rolls.warnings()[0]
    assert "no volume of a time before 2023-12-09" in rolls.warnings()[1]
    assert "no file begins with a snapshot on 2023-12-11: the book of XM4" in rolls.warnings()[2]


def test_days_before_the_start_give_volumes_and_records_of_its_contract(files: list[str]) -> None:
    """From the third day on it is XM4, whose records of the days before build its book."""
    plan, rolls = with_rolls(
        ReplayPlan(tuple(files), start_ns=T0 + 2 * DAY, warmup="full"),
        source(files, "X.v.0", start=T0 + 2 * DAY),
    )
    assert rolls is not None
    assert meant(rolls) == ["XM4"]
    assert not [note for note in rolls.warnings() if "volume" in note or "snapshot" in note]
    records = read(plan)
    assert set(records["instrument_id"].tolist()) == {2}
    assert len(records) == 2 * (4 + 5 + 1)


def test_a_contract_may_stay_and_what_is_named_itself_stays(files: list[str]) -> None:
    """Kept, XH4 goes on behind the roll; XM4 is there from the roll on."""
    plan, rolls = with_rolls(ReplayPlan(tuple(files)), source(files, "X.v.0", roll="keep"))
    assert rolls is not None
    assert rolls.ends == {}
    assert len(read(plan)) == 2 * (9 + 3 + 50 + 1)
    both = rolls_of(source(files, "X.v.0", "XH4"))
    assert both.ends == {}
    assert both.meant(["X.v.0", "ZZZ"]) == ("XH4", "XM4", "ZZZ")


def test_without_such_symbols_a_plan_stays_as_it_is(files: list[str]) -> None:
    plan = ReplayPlan(tuple(files), symbols=("XH4",))
    assert with_rolls(plan, source(files, "XH4")) == (plan, None)


def test_a_parent_is_all_outrights(files: list[str]) -> None:
    plan, rolls = with_rolls(ReplayPlan(tuple(files)), source(files, "X.FUT"))
    assert rolls is not None
    assert dict(rolls.parents) == {"X.FUT": ("XH4", "XM4")}
    assert plan.symbols == ("XH4", "XM4")


def test_earlier_days_mean_the_same_whatever_comes_later(files: list[str], tmp_path: Path) -> None:
    """Fewer files, or another last day: what was meant until then is the same."""
    whole = meant(rolls_of(source(files, "X.v.0")))
    for n in (1, 2, 3):
        assert meant(rolls_of(source(files[:n], "X.v.0"))) == whole[:n]
    other = [*files[:2], write_day(tmp_path, 2, {1: 1, 2: 1})]
    assert meant(rolls_of(source(other, "X.v.0"))) == whole
    ended = rolls_of(source(files, "X.v.0", end=T0 + 2 * DAY))
    assert meant(ended) == whole[:2]


def test_a_file_that_changes_is_added_up_again(files: list[str], tmp_path: Path) -> None:
    assert meant(rolls_of(source(files, "X.v.0")))[2] == "XM4"
    noted = json.loads((tmp_path / "cache" / "day-volumes.json").read_bytes())
    assert sorted(noted) == sorted(files[:2])  # the last day decides nothing
    write_day(tmp_path, 1, {1: 8, 2: 5})
    assert meant(rolls_of(source(files, "X.v.0")))[2] == "XH4"


def test_definitions_say_what_expires_and_what_belongs(files: list[str], tmp_path: Path) -> None:
    """XH4 expires on the first day; XM4 is of another product, whatever it is called."""
    common = {"instrument_class": b"F", "asset": b"X", "ts_recv": T0, "expiration": T0 + 90 * DAY}
    one = defined.definition(
        **common | {"instrument_id": 1, "raw_symbol": b"XH4", "expiration": T0 + DAY // 2}
    )
    two = defined.definition(**common | {"instrument_id": 2, "raw_symbol": b"XM4"})
    path = str(defined.write(tmp_path / "x.definition.dbn", one, two))
    rolls = rolls_of(source(files, "X.c.0", definition_files=[path]))
    assert meant(rolls) == ["XH4", "XM4", "XM4"]
    assert rolls.tables[0].source == "definitions"
    assert ["no file begins with a snapshot" in note for note in rolls.warnings()] == [True]
    other = defined.definition(
        **common | {"instrument_id": 2, "raw_symbol": b"XM4", "asset": b"XY"}
    )
    path = str(defined.write(tmp_path / "y.definition.dbn", one, other))
    assert rolls_of(source(files, "X.FUT", definition_files=[path])).parents["X.FUT"] == ("XH4",)


@pytest.mark.parametrize("version", [1, 3])
def test_open_interest_is_read_of_each_version(
    files: list[str], tmp_path: Path, version: int
) -> None:
    """XM4 has more from noon of the first day on; a price of another kind is none."""
    layout = np.dtype((dbn.StatMsgV1 if version == 1 else dbn.StatMsg)._dtypes)
    rows = np.zeros(4, layout)
    rows["length"], rows["rtype"] = layout.itemsize // 4, 0x18
    rows["stat_type"] = [OPEN_INTEREST, OPEN_INTEREST, 3, OPEN_INTEREST]
    rows["instrument_id"], rows["quantity"] = [1, 2, 1, 1], [5, 6, 99, 5]
    rows["ts_recv"] = [T0 - 1, T0 + DAY // 2, T0, T0 + 9 * DAY]
    rows["quantity"][3] = np.iinfo(layout["quantity"]).max
    path = tmp_path / "x.statistics.dbn"
    header = streams.dbn_header(schema="statistics", version=version)
    path.write_bytes(header + rows.tobytes())
    kept = read_statistics(str(path), OPEN_INTEREST).records["quantity"]
    assert kept.tolist() == [5, 6, UNDEF_QUANTITY]
    rolls = rolls_of(source(files, "X.n.0", statistics_files=[str(path)]))
    assert meant(rolls) == ["XH4", "XM4", "XM4"]


def bars(path: Path, *rows: tuple[int, int, int], schema: str = "ohlcv-1d") -> str:
    """Daily bars (day, instrument, lots), laid out as Databento's own library does."""
    layout = np.dtype(dbn.OHLCVMsg._dtypes)
    made = np.zeros(len(rows), layout)
    made["length"], made["rtype"], made["publisher_id"] = layout.itemsize // 4, 0x23, 1
    for row, (day, number, lots) in zip(made, rows, strict=True):
        row["ts_event"], row["instrument_id"], row["volume"] = T0 + day * DAY, number, lots
    path.write_bytes(streams.dbn_header(schema=schema) + made.tobytes())
    return str(path)


def test_daily_bars_stand_for_the_volumes_of_their_days(files: list[str], tmp_path: Path) -> None:
    """Bars say that XM4 traded more on the first day; of the second, its records are added up."""
    first = bars(tmp_path / "a.ohlcv-1d.dbn", (0, 1, 1), (0, 2, 9))
    again = bars(tmp_path / "b.ohlcv-1d.dbn", (0, 1, 1), (0, 77, 5))
    assert bar_volumes(map(read_bars, [first, again])) == {T0 // DAY: {1: 1, 2: 9, 77: 5}}
    rolls = rolls_of(source(files, "X.v.0", volume_files=[first, again]))
    assert meant(rolls) == ["XH4", "XM4", "XM4"]
    noted = json.loads((tmp_path / "cache" / "day-volumes.json").read_bytes())
    assert list(noted) == [files[1]]
    both = bars(tmp_path / "c.ohlcv-1d.dbn", (0, 1, 9), (1, 1, 9), (1, 2, 8))
    assert meant(rolls_of(source(files, "X.v.0", volume_files=[both]))) == ["XH4"] * 3
    hourly = bars(tmp_path / "d.ohlcv-1h.dbn", (0, 1, 9), schema="ohlcv-1h")
    with pytest.raises(FormatError, match="ohlcv-1d"):
        read_bars(hourly)


def test_what_two_files_have_counts_once_where_duplicates_are_dropped(
    files: list[str], tmp_path: Path
) -> None:
    """XM4 traded 14 lots on the first day, XH4 18: the same 9 in two files."""
    first = write_day(tmp_path, 0, {1: 9, 2: 14})
    part = tmp_path / "part"
    part.mkdir()
    both = [first, write_day(part, 0, {1: 9}), *files[1:]]
    headers = [inspect(path) for path in both[:2]]
    day = T0 // DAY

    def working(what: str, total_mb: int) -> Any:
        return nullcontext(lambda done_mb: None)

    assert volumes_of(headers, working)[0] == {day: {1: 18, 2: 14}}
    for _ in range(2):  # read, then noted
        assert volumes_of(headers, working, once=True)[0] == {day: {1: 9, 2: 14}}
    assert meant(rolls_of(source(both, "X.v.0"))) == ["XH4", "XH4", "XM4"]
    assert meant(rolls_of(source(both, "X.v.0", duplicates="drop"))) == ["XH4", "XM4", "XM4"]
    for duplicates, second in ((None, "XH4"), ("refuse", "XH4"), ("drop", "XM4")):
        listed = list_rolls(both, ["X.v.0"], duplicates=duplicates)
        assert meant(listed) == ["XH4", second, "XM4"]
    with pytest.raises(ConfigError, match="--duplicates"):
        list_rolls(both, ["X.v.0"], duplicates="keep")


def test_the_command_passes_on_what_duplicates_are(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(
        "tapewire.inputs.roll_days.list_rolls", lambda *_, **named: given.append(named)
    )
    command = ["data", "rolls", *files, "--symbols", "X.v.0"]
    for more in ([], ["--duplicates", "drop"]):
        assert CliRunner().invoke(app, [*command, *more]).exit_code == 0
    assert [named["duplicates"] for named in given] == [None, "drop"]


def test_what_volumes_were_taken_from_is_told_with_its_hash(
    files: list[str], tmp_path: Path
) -> None:
    """Bars of the first day, the trades of the second; the last day is not looked at."""

    def digest(path: str) -> str:
        return xxhash.xxh3_128(Path(path).read_bytes()).hexdigest()

    path = bars(tmp_path / "a.ohlcv-1d.dbn", (0, 1, 1), (0, 2, 9))
    for _ in range(2):  # read, then noted
        rolls = rolls_of(source(files, "X.v.0", volume_files=[path]))
        assert rolls.hashes == {files[1]: digest(files[1])}
        assert [(one.path, one.content_hash) for one in rolls.bars] == [(path, digest(path))]
    assert rolls_of(source(files, "X.c.0", volume_files=[path])).bars == []


def test_the_same_number_in_another_dataset_is_another_instrument(
    files: list[str], tmp_path: Path
) -> None:
    """XNAS.ITCH trades 100 lots of its own instrument 1 on the second day: XM4 stays ahead."""
    rows = streams.make_records(100, ts_recv=[T0 + DAY + 5] * 100, instrument_id=1)
    rows["action"] = ord("T")
    path = tmp_path / "other.mbo.dbn"
    header = streams.dbn_header({"AAA": [(1, 1, 2)]}, dataset="XNAS.ITCH")
    path.write_bytes(header + rows.tobytes())
    rolls = rolls_of(source([*files, str(path)], "X.v.0"))
    assert meant(rolls) == ["XH4", "XH4", "XM4"]
    assert rolls.tables[0].days[2].figures == {"XH4": 3, "XM4": 5}
    wrong = tmp_path / "b.ohlcv-1d.dbn"
    wrong.write_bytes(streams.dbn_header(schema="ohlcv-1d", dataset="XNAS.ITCH"))
    with pytest.raises(NoDataError, match=r"has bars of XNAS\.ITCH; expected those of GLBX\.MDP3"):
        rolls_of(source(files, "X.v.0", volume_files=[str(wrong)]))


def test_symbology_beside_files_is_told_where_they_go_by_it(
    files: list[str], tmp_path: Path
) -> None:
    body = {
        "result": {"ABC": [{"d0": "2023-12-09", "d1": "2023-12-10", "s": "7"}]},
        "stype_in": "raw_symbol", "stype_out": "instrument_id",
    }  # fmt: skip
    beside = tmp_path / "symbology.json"
    beside.write_text(json.dumps(body))
    assert symbology_used(files) == []
    bare = tmp_path / "bare.mbo.dbn"
    bare.write_bytes(streams.dbn_header({}) + streams.make_records(2).tobytes())
    (used,) = symbology_used([*files, str(bare)])
    digest = xxhash.xxh3_128(beside.read_bytes()).hexdigest()
    assert used.to_dict() == {
        "file": str(beside), "bytes": len(beside.read_bytes()), "xxh3_128": digest,
    }  # fmt: skip


def test_files_that_say_it_themselves_are_believed(tmp_path: Path) -> None:
    """A download of X.v.0 maps it to an instrument a day: no volume is looked at."""
    rows = streams.make_records(4, ts_recv=[T0, T0 + 1, T0 + DAY, T0 + DAY + 1])
    rows["instrument_id"] = [1, 1, 2, 2]
    path = tmp_path / "own.mbo.dbn"
    mappings = {"X.v.0": [(1, 0, 1), (2, 1, 2)]}
    path.write_bytes(streams.dbn_header(mappings) + rows.tobytes())
    plan, rolls = with_rolls(ReplayPlan((str(path),)), source([str(path)], "X.v.0"))
    assert rolls is not None
    assert (rolls.tables[0].source, rolls.ends) == ("files", {1: T0 + DAY})
    assert (plan.symbols, plan.windows) == (("X.v.0",), ())
    assert len(read(plan)) == 4


def test_files_that_say_two_instruments_of_one_day_are_refused(tmp_path: Path) -> None:
    records = streams.make_records(3)
    paths = []
    for name, number, days in (("a", 7, (0, 2)), ("b", 8, (1, 3)), ("c", 8, (2, 3))):
        mappings = {"X.c.0": [(number, *days)]}
        data = streams.dbn_bytes(records, mappings=mappings)
        paths.append(streams.write(tmp_path / f"{name}.dbn", data))
    first, overlaps, follows = paths
    with pytest.raises(FormatError) as caught:
        rolls_of(source([first, overlaps], "X.c.0"))
    assert str(caught.value) == (
        f"symbol X.c.0: expected one instrument on 2023-12-10, found 7 in {first} and 8 in "
        f"{overlaps}: leave one of them out"
    )
    rolls = rolls_of(source([first, follows], "X.c.0"))
    assert [day.instrument_id for day in rolls.tables[0].days] == [7, 7, 8]


def test_a_catalogue_finds_the_files_of_a_product(files: list[str], tmp_path: Path) -> None:
    """With a start, volumes need the days before."""
    index_folder(tmp_path)
    assert find_files(tmp_path, symbols=["X.c.0"], start_ns=T0 + 2 * DAY) == files[2:]
    assert find_files(tmp_path, symbols=["X.v.0"], start_ns=T0 + 2 * DAY) == files
    with pytest.raises(NoDataError, match=r"has no Y\.c\.0 in its 3"):
        find_files(tmp_path, symbols=["Y.c.0"])


def test_the_command_says_each_day_and_why(
    files: list[str], tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    done = tapewire_here("data", "rolls", *files, "--symbols", "X.v.0,X.FUT", "--json")
    facts = json.loads(done.stdout)
    days = facts["continuous"]["X.v.0"]["days"]
    assert [(one["date"], one["symbol"], one["of"]) for one in days] == [
        (DATES[0], "XH4", None),
        (DATES[1], "XH4", DATES[0]),
        (DATES[2], "XM4", DATES[1]),
    ]
    assert days[2]["figures"] == {"XM4": 5, "XH4": 3}
    assert facts["parents"] == {"X.FUT": ["XH4", "XM4"]}
    shown = tapewire_here("data", "rolls", *files, "--symbols", "X.v.0").stdout
    assert "2023-12-11  XM4 ← roll" in shown
    wrong = tapewire_here("data", "rolls", *files, "--symbols", "XH4")
    assert wrong.returncode != 0
    assert "--symbols: expected continuous symbols" in wrong.stderr


def test_a_policy_without_a_symbol_that_rolls_is_refused(files: list[str]) -> None:
    given = {"type": "databento", "files": files, "symbols": ["XH4"], "roll": "keep"}
    with pytest.raises(ConfigError, match=r"roll: expected continuous symbols such as ES\.v\.0"):
        make_config({"backtest": {"data_source": given}, "strategy": {"type": "market_maker"}})


def test_a_plan_refuses_windows_that_are_none(files: list[str]) -> None:
    text = json.dumps({"files": files, "windows": [["XH4", 1, 5, 5]]})
    with pytest.raises(ConfigError, match="a replay plan: windows"):
        ReplayPlan.from_json(text)
