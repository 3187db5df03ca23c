"""What a day came to, as it lies beside its rows; and who may write into the folder of days."""

import dataclasses
from pathlib import Path

import msgspec
import pytest
import xxhash

import streams
from conftest import TapewireHere
from tapewire.errors import FormatError, OutputError
from tapewire.market.flags import FlagKind
from tapewire.positions.codes import Limit, LimitAction
from tapewire.replay import ReplayPlan
from tapewire.router import GuessedQueue, LegInfo, LimitTrip, LossHalt
from tapewire.router.doubts import FlaggedBook
from tapewire.router.halts import HaltedPosition
from tapewire.runs import day_ends
from tapewire.runs.day_ends import DayEnd, kept_day, leave_end, rows_of, writing_days
from tapewire.runs.days import DayApart
from tapewire.wire import Totals
from tapewire.wire.messages import FileTotals

DAY = DayApart(3, "2024-03-04", ReplayPlan(files=("a.dbn", "b.dbn"), start_ns=5, symbols=("X",)))
FULL = DayEnd(
    legs=[LegInfo(0, "mm", 1, 2**32 - 1, "ESH4", -5, 50, 1, ("a", "b"), None)],
    fee_names=["venue"],
    series_names=["x", "y"],
    counts={"events": 2**40},
    now_ns=2**62,
    fee_lines={"mm": {"venue": -(2**62)}},
    loss_halts=[LossHalt("mm", 7, -8, 9, "halt", 1, 2, (HaltedPosition("ESH4", 1, -3, 0),))],
    limit_trips=[LimitTrip(None, 7, Limit.MAX_POSITION, 5, 6, LimitAction.FLATTEN)],
    guessed=[GuessedQueue(1, 2, "ESH4", "risk_adverse", has_orders=False)],
    flagged=[FlaggedBook("ESH4", 1, 2, {FlagKind.CLEAR: 3}, 1, 2, in_doubt=True)],
    books=[(1, 2), (3, 2**32 - 1)],
    gross=[-(2**63), 2**63 - 1],
    digest="ab",
    totals=Totals(
        events=1, batches=1, first_ts_recv=2, last_ts_recv=3, digest="cd", clamped_ts_recv=0,
        filtered=0, files=(FileTotals("a.dbn", 1, 1, 0, "ef", "cut", "others"),), decode_s=0.25,
        wait_s=0.0, pace_s=0.0,
    ),
    latencies=[("batch", 5, 6)],
    stages_s=(0.5, 0.25, 0.125),
)  # fmt: skip


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("end", [FULL, None])
def test_every_field_comes_back_as_it_was(tmp_path: Path, end: DayEnd | None, keep: bool) -> None:
    rows_of(tmp_path, DAY).write_bytes(b"rows")
    leave_end(tmp_path, DAY, end, keep=keep)
    kept = kept_day(tmp_path, DAY)
    assert kept.end == end
    hashed = (4, xxhash.xxh3_128(b"rows").hexdigest()) if keep else (0, None)
    assert (kept.rows_bytes, kept.rows_xxh3_128) == hashed
    if kept.end is not None:
        assert [type(one) for one in dataclasses.astuple(kept.end)] == [
            type(one) for one in dataclasses.astuple(FULL)
        ]
        assert isinstance(kept.end.limit_trips[0].limit, Limit)
        assert list(kept.end.flagged[0].counts) == [FlagKind.CLEAR]
        assert hash(kept.end.guessed[0]) == hash(FULL.guessed[0])


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000, msgspec.msgpack.encode({"day": 1})],
)
def test_what_is_no_day_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "3.end").write_bytes(content)
    with pytest.raises(FormatError, match=r"3\.end: expected what came of 2024-03-04, found "):
        kept_day(tmp_path, DAY)


def test_another_day_is_refused(tmp_path: Path) -> None:
    leave_end(tmp_path, dataclasses.replace(DAY, date="2024-03-05"), None, keep=False)
    with pytest.raises(FormatError, match="found another day"):
        kept_day(tmp_path, DAY)


def test_who_goes_on_waits_for_workers_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_ends, "_ORPHANS_S", 0.1)
    with (
        writing_days(tmp_path, alone=False),
        writing_days(tmp_path, alone=False),
        pytest.raises(OutputError, match="another run's workers are writing into it"),
        writing_days(tmp_path, alone=True),
    ):
        pass
    with (
        writing_days(tmp_path, alone=True),
        pytest.raises(OutputError, match="another run's"),
        writing_days(tmp_path, alone=False),
    ):
        pass


def test_what_can_not_be_gone_on_with_is_refused_in_a_sentence(
    tapewire_here: TapewireHere, tmp_path: Path
) -> None:
    (tmp_path / "a.dbn").write_bytes(streams.dbn_header())
    apart = ("run", "a.dbn", "-s", "market_maker", "--days", "apart")
    for arguments, said in (
        (("run", "--checkpoint"), "--checkpoint: expected days apart (replay.days), which are "),
        (("run", "--resume", "-o", "x"), "--resume: expected days apart (replay.days), which are "),
        ((*apart, "--checkpoint", "--resume"), "--resume: expected without --checkpoint, as "),
        ((*apart, "--resume"), "--resume: expected the run folder (-o), found none"),
        ((*apart, "--resume", "-o", "x"), "--resume: expected days of a run that was stopped in x"),
        (("run", "--from", "y", "1", "--resume"), "--resume: expected without --from: a tri"),
    ):
        done = tapewire_here(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith(f"error: {said}"), done.stderr
        assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.dbn"]
