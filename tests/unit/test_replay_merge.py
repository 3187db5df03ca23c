"""Merging and filtering, against obvious twins; and what the counts say."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streams
from naive.merging import merge, without_duplicates
from tapewire.errors import ConfigError, FormatError, NoDataError
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import ReplayPlan, Source, open_source, read_records
from tapewire.replay.merge import CHUNK_RECORDS

T0 = streams.START_NS
DAY = streams.DAY_NS


def naive_merge(files: list[np.ndarray], start: int, end: int, publishers: set[int]) -> list[int]:
    """Order ids of the merged, filtered records."""
    return [
        int(files[place]["order_id"][i])
        for clock, place, i in merge(files)
        if start <= clock < end
        and (not publishers or int(files[place]["publisher_id"][i]) in publishers)
    ]


def drain(source: Source, batch_records: int) -> np.ndarray:
    parts = []
    out = np.empty(batch_records, MBO_DTYPE)
    last = -(2**63)
    while count := source.fill(out):
        parts.append(out[:count].copy())
        assert last <= source.first_ts_recv <= source.last_ts_recv
        last = source.last_ts_recv
    return np.concatenate(parts) if parts else np.empty(0, MBO_DTYPE)


times = st.lists(
    st.one_of(st.integers(T0, T0 + 12), st.sampled_from([0, -1, -(2**63), 2**62, 2**63 - 2])),
    max_size=25,
)


@given(
    files=st.lists(times, min_size=1, max_size=5),
    batch_records=st.sampled_from([1, 2, 7, 1_024]),
    window=st.tuples(st.integers(-2, 14), st.integers(-2, 14)),
    use_window=st.booleans(),
    publishers=st.sets(st.integers(0, 4)),
)
def test_merge_and_filter_equal_the_naive_twin(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[int]],
    batch_records: int,
    window: tuple[int, int],
    use_window: bool,
    publishers: set[int],
) -> None:
    folder = tmp_path_factory.getbasetemp()
    records = [
        streams.make_records(len(f), ts_recv=f, publisher_id=i, first_order_id=1 + 1_000 * i)
        for i, f in enumerate(files)
    ]
    paths = tuple(
        streams.write(folder / f"merge{i}.dbn", streams.dbn_bytes(r)) for i, r in enumerate(records)
    )
    start, end = (T0 + min(window), T0 + max(window) + 1) if use_window else (None, None)
    expected = naive_merge(
        records, -(2**63) if start is None else start, 2**63 if end is None else end, publishers
    )
    plan = ReplayPlan(
        paths,
        publishers=tuple(sorted(publishers)),
        start_ns=start,
        end_ns=end,
        batch_records=batch_records,
    )
    with open_source(plan) as source:
        if not expected:
            with pytest.raises(NoDataError):
                drain(source, batch_records)
            return
        got = drain(source, batch_records)
    assert got["order_id"].tolist() == expected
    by_id = {int(r["order_id"]): r.tobytes() for f in records for r in f}
    assert [r.tobytes() for r in got] == [by_id[i] for i in expected]
    assert source.events == len(expected)


def test_clamps_are_counted_and_records_left_alone(tmp_path: Path) -> None:
    records = streams.make_records(4, ts_recv=[T0, T0 + 9, T0 + 3, T0 + 9])
    path = streams.write(tmp_path / "a.dbn", streams.dbn_bytes(records))
    with open_source(ReplayPlan((path,))) as source:
        assert drain(source, 1_024).tobytes() == records.tobytes()
        assert (source.clamped_ts_recv, source.filtered) == (1, 0)


def test_many_overlapping_files_larger_than_their_buffers(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    files = []
    for i in range(3):
        ts = T0 + np.sort(rng.integers(0, 50_000, 2 * CHUNK_RECORDS + 17 * i))
        files.append(streams.make_records(len(ts), ts_recv=ts, first_order_id=1 + i * 10**6))
    late = streams.make_records(10, ts_recv=range(T0 + 49_990, T0 + 50_000), first_order_id=9)
    files.append(late)
    paths = tuple(
        streams.write(tmp_path / f"{i}.zst", streams.zstd_bytes(streams.dbn_bytes(f)))
        for i, f in enumerate(files)
    )
    with open_source(ReplayPlan(paths, batch_records=5_000)) as source:
        got = drain(source, 5_000)
    assert got["order_id"].tolist() == naive_merge(files, 0, 2**63, set())
    totals = source.file_totals
    assert [t.records_read for t in totals] == [len(f) for f in files]
    assert all(t.content_hash for t in totals)


def test_symbols_are_followed_by_date(tmp_path: Path) -> None:
    """Id 7 is AAA on the first day and BBB on the second; AAA is 8 then."""
    mappings = {"AAA": [(7, 0, 1), (8, 1, 2)], "BBB": [(7, 1, 2)], "CCC": [(9, 0, 2)]}
    records = streams.make_records(
        6, ts_recv=[T0, T0 + 1, T0 + 2, *(T0 + DAY + i for i in range(3))]
    )
    records["instrument_id"] = [7, 8, 9, 7, 8, 9]
    path = streams.write(tmp_path / "a.dbn", streams.dbn_bytes(records, mappings=mappings))

    def ids(*symbols: str) -> list[int]:
        got: list[int] = read_records(path, symbols=symbols)[1]["order_id"].tolist()
        return got

    assert ids("AAA") == [1, 5]
    assert ids("BBB") == [4]
    assert ids("CCC", "BBB") == [3, 4, 6]
    assert ids("AAA", "BBB", "CCC") == [1, 3, 4, 5, 6]


def test_each_file_has_its_own_ids(tmp_path: Path) -> None:
    a = streams.make_records(2, instrument_id=1)
    b = streams.make_records(2, instrument_id=2, first_order_id=10)
    paths = (
        streams.write(tmp_path / "a", streams.dbn_bytes(a, mappings={"X": [(1, 0, 1)]})),
        streams.write(tmp_path / "b", streams.dbn_bytes(b, mappings={"X": [(2, 0, 1)]})),
    )
    with open_source(ReplayPlan(paths, symbols=("X",))) as source:
        assert sorted(drain(source, 100)["order_id"]) == [1, 2, 10, 11]
        assert len(source.info.mappings) == 2


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ({"symbols": ("TESD",)}, "did you mean 'TEST'.*known: TEST"),
        ({"publishers": (9,)}, "none of the 5 records read match publishers"),
        ({"start_ns": T0 + DAY}, "none of the 5 records"),
        ({"end_ns": T0}, "none of the .* match end"),
    ],
)
def test_nothing_found_is_an_error_that_says_what_there_is(
    tmp_path: Path, filters: dict[str, tuple[int, ...]], text: str
) -> None:
    path = streams.write(tmp_path / "a.dbn", streams.dbn_bytes(streams.make_records(5)))
    with pytest.raises(NoDataError, match=text):
        read_records(path, **filters)


def test_no_records_at_all_is_no_data_in_a_replay(tmp_path: Path) -> None:
    path = streams.write(tmp_path / "a.dbn", streams.dbn_header())
    with open_source(ReplayPlan((path,))) as source, pytest.raises(NoDataError, match="no records"):
        source.fill(np.empty(4, MBO_DTYPE))
    assert len(read_records(path)[1]) == 0


def test_a_file_listed_twice_is_refused(tmp_path: Path) -> None:
    path = streams.write(tmp_path / "a.dbn", streams.dbn_bytes(streams.make_records(5)))
    with pytest.raises(ConfigError, match="listed twice"):
        open_source(ReplayPlan((path, f"{tmp_path}/./a.dbn")))


def test_an_end_stops_the_reading(tmp_path: Path) -> None:
    path = streams.write(tmp_path / "a.dbn", streams.dbn_bytes(streams.make_records(50_000)))
    with open_source(ReplayPlan((path,), end_ns=T0 + 10_000)) as source:
        assert len(drain(source, 4_096)) == 10
        assert source.file_totals[0].records_read == CHUNK_RECORDS
        assert source.file_totals[0].content_hash is None


# --- ties, and records that two files have --------------------------------------------------------


def small(rows: list[tuple[int, int, int, int]], publisher: int = 1) -> np.ndarray:
    """Records of (ts_recv after T0, channel, sequence, order id), alike where these are."""
    records = streams.make_records(len(rows), ts_recv=[T0 + row[0] for row in rows])
    records["channel_id"] = [row[1] for row in rows]
    records["sequence"] = [row[2] for row in rows]
    records["order_id"] = [row[3] for row in rows]
    records["publisher_id"] = publisher
    return records


rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 2), st.integers(0, 1)),
    max_size=14,
)


@given(
    files=st.lists(rows, min_size=2, max_size=4),
    datasets=st.lists(st.sampled_from(["GLBX.MDP3", "XNAS.ITCH"]), min_size=4, max_size=4),
    batch_records=st.sampled_from([1, 2, 7, 1_024]),
)
def test_ties_and_duplicates_equal_the_naive_twin(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[tuple[int, int, int, int]]],
    datasets: list[str],
    batch_records: int,
) -> None:
    """Whatever the batches: groups of one clock reach over their borders."""
    folder = tmp_path_factory.getbasetemp()
    datasets = datasets[: len(files)]
    publishers = {"GLBX.MDP3": 1, "XNAS.ITCH": 2}
    records = [small(f, publishers[d]) for f, d in zip(files, datasets, strict=True)]
    paths = tuple(
        streams.write(folder / f"ties{i}.dbn", streams.dbn_bytes(r, dataset=d))
        for i, (r, d) in enumerate(zip(records, datasets, strict=True))
    )
    merged = merge(records, datasets)
    once = without_duplicates(merged, records)
    expected = [records[place][i].tobytes() for _, place, i in once]
    plan = ReplayPlan(paths, batch_records=batch_records, duplicates="drop")
    with open_source(plan) as source:
        if not expected:
            return
        got = drain(source, batch_records)
        assert [r.tobytes() for r in got] == expected
        assert source.duplicates == len(merged) - len(once)
    if len(once) == len(merged):
        with open_source(ReplayPlan(paths, batch_records=batch_records)) as source:
            assert len(drain(source, batch_records)) == len(merged)
        return
    with (
        open_source(ReplayPlan(paths, batch_records=batch_records)) as source,
        pytest.raises(FormatError, match="overlap: both have the record of order"),
    ):
        drain(source, batch_records)


def test_files_that_overlap_give_each_record_once(tmp_path: Path) -> None:
    """By hand: the second file begins within the first; one record comes twice in both."""
    first = small([(0, 0, 1, 1), (5, 0, 2, 2), (5, 0, 2, 2), (9, 0, 4, 4)])
    second = small([(5, 0, 2, 2), (5, 0, 2, 2), (5, 0, 3, 3), (9, 0, 4, 4), (12, 0, 5, 5)])
    paths = tuple(
        streams.write(tmp_path / f"{name}.dbn", streams.dbn_bytes(records))
        for name, records in (("first", first), ("second", second))
    )
    with open_source(ReplayPlan(paths, duplicates="drop")) as source:
        assert drain(source, 1_024)["order_id"].tolist() == [1, 2, 2, 3, 4, 5]
        assert source.duplicates == 3
    with (
        open_source(ReplayPlan(paths)) as source,
        pytest.raises(FormatError) as caught,
    ):
        drain(source, 1_024)
    said = str(caught.value)
    assert said.startswith(f"{paths[1]} and {paths[0]} overlap: both have the record of order 2, ")
    assert "sequence 2, at 2023-12-09T00:00:00.000000005" in said
    assert "data_source.duplicates" in said


def test_a_large_group_of_one_clock_is_looked_through_over_many_batches(tmp_path: Path) -> None:
    """As a snapshot is: thousands of records that share one ts_recv."""
    group = small([(7, 0, i % 5, i) for i in range(9_000)])
    other = small([(7, 0, i % 5, i) for i in range(4_000, 12_000)])
    paths = tuple(
        streams.write(tmp_path / f"{i}.dbn", streams.dbn_bytes(r))
        for i, r in enumerate((group, other))
    )
    with open_source(ReplayPlan(paths, batch_records=50, duplicates="drop")) as source:
        got = drain(source, 50)
        assert source.duplicates == 5_000
    assert sorted(got["order_id"].tolist()) == list(range(12_000))


def test_days_one_after_the_other_are_never_open_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty days: at most the one that is played and the beginning of the next are open."""
    import tapewire.replay.reading as module

    whole = streams.make_records(30 * 500, ts_recv=range(T0, T0 + 30 * 500 * 1_000, 1_000))
    paths = tuple(
        streams.write(
            tmp_path / f"{day:02}.zst",
            streams.zstd_bytes(streams.dbn_bytes(whole[day * 500 : day * 500 + 500])),
        )
        for day in range(30)
    )
    opened: list[str] = []
    most = 0

    class Counting(module.DbnFile):
        def __init__(self, path: str, **given: object) -> None:
            nonlocal most
            super().__init__(path, **given)  # type: ignore[arg-type]
            opened.append(path)
            most = max(most, len(opened))

        def close(self) -> None:
            super().close()
            opened.remove(self.path)

    monkeypatch.setattr(module, "DbnFile", Counting)
    with open_source(ReplayPlan(paths, batch_records=700)) as source:
        got = drain(source, 700)
        assert got.tobytes() == whole.tobytes()
        assert all(t.content_hash for t in source.file_totals)
        assert len(source._merger._buffer) <= 2
    assert not opened
    assert 1 <= most <= 3
