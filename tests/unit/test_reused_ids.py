"""Instrument ids that stand for one symbol first, for another later."""

from pathlib import Path

import msgspec
import pytest

import streams
import tapewire as tw
from tapewire.config.loading import make_config
from tapewire.errors import InputError
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.reused_ids import require_one_symbol
from tapewire.runs.contracts import contracts_of
from tapewire.wire import StreamInfo, SymbolMapping

DAY = streams.DAY_NS
SOURCE = {"type": "databento", "files": ["a.dbn"]}


def info(
    *mappings: tuple[str, int, int, int], start_ns: int = 0, end_ns: int = 0, warmed_ns: int = 0
) -> StreamInfo:
    """A stream with these symbols: name, instrument id, first day and the day behind the last."""
    named = (SymbolMapping(name, n, a * DAY, b * DAY) for name, n, a, b in mappings)
    return StreamInfo(
        dataset="XNAS.ITCH", schema="mbo", files=(), mappings=tuple(sorted(named)),
        start_ns=start_ns, end_ns=end_ns, batch_records=1, speed=None, warmup_until_ns=warmed_ns,
    )  # fmt: skip


def test_an_id_of_two_symbols_by_turns_is_refused() -> None:
    reused = info(("AAA", 10, 1, 2), ("BBB", 20, 1, 2), ("AAA", 20, 2, 3), ("BBB", 30, 2, 3))
    said = r"instrument 20: expected one symbol, found BBB until 1970-01-03T00:00:00Z and AAA from"
    with pytest.raises(InputError, match=said):
        require_one_symbol(reused)
    with pytest.raises(InputError, match="instrument 20"):
        contracts_of(
            make_config(
                {"backtest": {"data_source": SOURCE}, "strategy": {"type": "market_maker"}}
            ),
            reused,
        )


def test_days_that_are_mapped_beyond_their_end_are_told_apart() -> None:
    """Converted days of ITCH map an id for two days each: the second one takes it over."""
    reused = info(("AAA", 7, 1, 3), ("BBB", 7, 2, 4), ("CCC", 9, 1, 3), ("CCC", 9, 2, 4))
    said = "instrument 7: .*found AAA until 1970-01-03T00:00:00Z and BBB from 1970-01-03T00:00:00Z"
    with pytest.raises(InputError, match=said):
        require_one_symbol(reused)


def test_datasets_number_their_instruments_by_themselves() -> None:
    """At one time an id may be of two instruments; one after the other it may be reused."""
    beside = info(("ESM4", 4916, 1, 3), ("AAPL", 4916, 2, 4))
    with pytest.raises(InputError, match="instrument 4916"):
        require_one_symbol(beside)
    require_one_symbol(msgspec.structs.replace(beside, dataset="GLBX.MDP3+XNAS.ITCH"))
    behind = info(("ESM4", 4916, 1, 2), ("AAPL", 4916, 2, 4))
    with pytest.raises(InputError, match="instrument 4916"):
        require_one_symbol(msgspec.structs.replace(behind, dataset="GLBX.MDP3+XNAS.ITCH"))


@pytest.mark.parametrize(
    "mappings",
    [
        [("AAA", 10, 1, 2), ("AAA", 20, 2, 3), ("BBB", 30, 1, 3)],
        [("AAA", 10, 1, 2), ("AAA", 10, 2, 3), ("AAA", 10, 5, 6)],
        [("ES.c.0", 10, 1, 2), ("ESH4", 10, 2, 3), ("ES.v.0", 10, 3, 4)],
        [("AAA", 10, 1, 3), ("AAA.X", 10, 1, 3)],
        [("AAA", 10, 1, 9), ("AAA.X", 10, 3, 5)],
        [("AAA", 10, 0, 0), ("BBB", 10, 0, 0)],
        [],
    ],
    ids=[
        "two ids",
        "day by day",
        "continuous",
        "at the same time",
        "within",
        "without days",
        "no symbol",
    ],
)
def test_what_is_no_other_instrument_is_not(mappings: list[tuple[str, int, int, int]]) -> None:
    require_one_symbol(info(*mappings))


def test_only_days_that_are_played_count() -> None:
    reused = (("BBB", 20, 1, 2), ("AAA", 20, 2, 3))
    require_one_symbol(info(*reused, start_ns=2 * DAY))
    require_one_symbol(info(*reused, end_ns=2 * DAY))
    with pytest.raises(InputError, match="instrument 20"):
        require_one_symbol(info(*reused, start_ns=2 * DAY, warmed_ns=2 * DAY))


def test_features_and_symbols_of_two_days(tmp_path: Path) -> None:
    """One symbol of two days has its rows; both would have each other's."""
    days = {"AAA": [10, 20], "BBB": [20, 30]}
    files = []
    for day in (0, 1):
        records = streams.make_records(4, ts_recv=range(4), instrument_id=days["AAA"][day])
        records["instrument_id"][2:] = days["BBB"][day]
        for name in ("ts_recv", "ts_event"):
            records[name] += streams.START_NS + day * DAY
        mappings = {name: [(ids[day], day, day + 1)] for name, ids in days.items()}
        path = tmp_path / f"{day}.dbn"
        files.append(streams.write(path, streams.dbn_bytes(records, mappings=mappings, days=2)))
    with pytest.raises(InputError, match=r"instrument 20: .*choose symbols .*--symbols BBB"):
        tw.features_table(files, every="1ev", features=["mid"])
    found = tw.features_table(files, every="1ev", features=["mid"], symbols="AAA")
    assert found["instrument_id"].to_pylist() == [10, 10, 20, 20]
    with open_source(ReplayPlan(files=tuple(files), symbols=("BBB",))) as source:
        require_one_symbol(source.info)
