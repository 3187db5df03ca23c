"""What records of real captures say of themselves: counted, and found where they lie."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from naive.book import rows
from naive.doubts import NaiveDoubts
from tapewire.errors import FlaggedDataError
from tapewire.market import InstrumentTable
from tapewire.market.flags import FlagKind
from tapewire.replay import open_source, read_records
from tapewire.replay.plan import ReplayPlan
from tapewire.router import FlagPolicy, Simulation, SimulationConfig, StrategySpec
from tapewire.runs.flagged import located
from tapewire.strategies import STRATEGIES

ARL = "truth/xnas-arl-20250717/mbo.dbn.zst"
DBEQ = "truth/dbeq-20240131/mbo.dbn.zst"
LATE = 8


def fed(path: Path, flags: FlagPolicy) -> Simulation:
    """A file through a simulation with a market maker in each of its books."""
    with open_source(ReplayPlan((str(path),))) as source:
        table = InstrumentTable((m.raw_symbol, m.instrument_id) for m in source.info.mappings)
    maker = STRATEGIES["market_maker"]
    defaults = {name: spec.default for name, spec in maker.parameters.items()}
    simulation = Simulation(
        SimulationConfig(table, (StrategySpec("maker", maker, defaults),), flags=flags)
    )
    simulation.feed(read_records(path)[1])
    simulation.finish()
    return simulation


def test_a_session_that_begins_as_databentos_do_is_no_incident(
    data_file: Callable[[str], Path],
) -> None:
    """ARL's day begins with a clear that is flagged BAD_TS_RECV and has no F_LAST."""
    path = data_file(ARL)
    first = read_records(path)[1][0]
    assert (chr(first["action"]), int(first["flags"])) == ("R", LATE)
    simulation = fed(path, FlagPolicy(dict.fromkeys(FlagKind, "stop")))
    assert simulation.flagged() == []
    assert simulation.counts["missing_last"] == 1


def test_clears_of_books_that_had_begun_are_marked(data_file: Callable[[str], Path]) -> None:
    """Publisher 40 clears each of three books twice at the start; the file is cut in mid-event."""
    path = data_file(DBEQ)
    records = read_records(path)[1]
    clears = records[records["action"] == ord("R")]
    keys, counts = np.unique(clears[["publisher_id", "instrument_id"]], return_counts=True)
    expected = {tuple(key.tolist()): n - 1 for key, n in zip(keys, counts, strict=True) if n > 1}
    assert len(expected) == 3
    simulation = fed(path, FlagPolicy(dict.fromkeys(FlagKind, "mark")))
    books = {(b.publisher_id, b.instrument_id): b for b in simulation.flagged()}
    assert {key: b.counts[FlagKind.CLEAR] for key, b in books.items()} == expected
    for key, book in books.items():
        slow = NaiveDoubts({kind.key for kind in FlagKind})
        mine = (records["publisher_id"] == key[0]) & (records["instrument_id"] == key[1])
        for record in rows(records[mine]):
            slow.apply(record)
        slow.end_of_data()
        assert (book.marked_n, book.marked_events, book.in_doubt) == (
            slow.times, slow.events, bool(slow.doubts),
        )  # fmt: skip
        assert book.marked_events > 0


@pytest.mark.parametrize(("kind", "last"), [(FlagKind.CLEAR, False), (FlagKind.MISSING_LAST, True)])
def test_the_record_that_stops_a_run_is_found_in_its_file(
    data_file: Callable[[str], Path], kind: FlagKind, last: bool
) -> None:
    path = data_file(DBEQ)
    with open_source(ReplayPlan((str(path),))) as source:
        files, header = source.info.files, source.headers[0].header_bytes
    with pytest.raises(FlaggedDataError) as caught:
        fed(path, FlagPolicy({kind: "stop"}))
    said = str(located(caught.value, files, lambda: None))
    number = 4
    if last:
        number = len(read_records(path)[1]) - 1
    assert said.startswith(
        f"{path}: record {number} at byte offset {header + 56 * number} of the decompressed data: "
    )
