"""Files: several merged, of several frames, derived, converted, of levels."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import zstandard

from tapewire.bench.foreign_files import itch_file, lobster_file
from tapewire.bench.measure import Row, Scale, by_turns
from tapewire.bench.source_runs import decoder, decompression_rows, merged_run_rows
from tapewire.bench.targets import FILES
from tapewire.bench.workload import LoadedSession
from tapewire.replay import BATCH_RECORDS_DEFAULT, read_records
from tapewire.replay.conversions import convert_itch, convert_lobster
from tapewire.replay.convert import convert
from tapewire.replay.zstd_parallel import cores

#: Messages of the ITCH and LOBSTER files at most, and rows of the tables.
FOREIGN_MESSAGES: Final = 500_000
_FRAME_BYTES: Final = 4 << 20
_DATE: Final = dt.date(2024, 3, 4)
_GROUP: Final = "source"


def source_rows(work: LoadedSession, scale: Scale, folder: Path) -> Iterator[Row]:
    """Merge, zstd and its frames, derive, convert, ITCH, LOBSTER and levels."""
    yield from _merge_rows(scale, folder)
    yield from decompression_rows(work, scale)
    yield from _frame_rows(work, scale, folder)
    yield from _derive_rows(work, scale, folder)
    yield from _convert_rows(work, scale, folder)
    yield from _foreign_rows(scale, folder)


def _merge_rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """One file of several instruments, and the same records as a file for each of them."""
    from tapewire.replay.synth import synthesize

    one = folder / "instruments.dbn"
    synthesize(one, events=scale.events, instruments=FILES, seed=scale.seed)
    _, records = read_records(one)
    data = one.read_bytes()
    header = data[: len(data) - records.nbytes]
    plain, packed = [], []
    for number in np.unique(records["instrument_id"]):
        part = header + records[records["instrument_id"] == number].tobytes()
        plain.append(folder / f"instrument-{number}.dbn")
        plain[-1].write_bytes(part)
        packed.append(_pack(plain[-1], part))
    single = _pack(one, data)
    for ending, alone, parts in ((".dbn", one, plain), (".dbn.zst", single, packed)):
        yield from by_turns(
            _GROUP,
            len(records),
            {
                f"one file, {ending}": decoder([alone]),
                f"{FILES} files merged, {ending}": decoder(parts),
            },
            scale.runs,
            "a file per instrument; one thread decodes; in turns, cpu: of the median run",
        )
        yield from merged_run_rows(alone, parts, ending, scale)


def _pack(path: Path, data: bytes, frame_bytes: int = 0) -> Path:
    """Write a compressed form beside a file, of one frame or of frames of so many bytes."""
    packer = zstandard.ZstdCompressor(level=3, write_checksum=True)
    step = frame_bytes or len(data)
    packed = path.with_name(f"{path.name}.zst")
    packed.write_bytes(
        b"".join(packer.compress(data[at : at + step]) for at in range(0, len(data), step))
    )
    return packed


def _frame_rows(work: LoadedSession, scale: Scale, folder: Path) -> Iterator[Row]:
    copy = folder / "frames.dbn"
    packed = _pack(copy, work.raw.read_bytes(), _FRAME_BYTES)
    yield from by_turns(
        _GROUP,
        work.events,
        {
            ".dbn.zst of several frames, one thread": decoder([packed]),
            ".dbn.zst of several frames, all cores": decoder([packed], cores()),
        },
        scale.runs,
        f"frames of {_FRAME_BYTES >> 20} MiB of data",
    )


def _derive_rows(work: LoadedSession, scale: Scale, folder: Path) -> Iterator[Row]:
    from tapewire.inputs.derive import derive_file

    for ending in (".dbn", ".dbn.zst", ".parquet"):
        output = folder / f"derived{ending}"

        def derive(output: Path = output) -> None:
            derive_file(work.raw, output, schema="mbp-10", force=True)

        yield from by_turns(
            _GROUP, work.events, {f"derive mbp-10 to {ending}": derive}, scale.runs,
            "records read per second; flushed to disk",
        )  # fmt: skip
    levels = folder / "derived.dbn"
    yield from by_turns(
        _GROUP, _records_in(levels), {"levels played, mbp-10": decoder([levels])}, scale.runs,
        "records of mbp-10, each told as orders",
    )  # fmt: skip


def _records_in(path: Path) -> int:
    from tapewire.derive import SCHEMAS
    from tapewire.replay.any_schema import SchemaFile

    with SchemaFile(str(path)) as file:
        rows = np.empty(BATCH_RECORDS_DEFAULT, SCHEMAS["mbp-10"].dtype)
        total = 0
        while count := file.read_into(rows):
            total += count
    return total


def _convert_rows(work: LoadedSession, scale: Scale, folder: Path) -> Iterator[Row]:
    for source, ending in ((work.compressed, ".dbn"), (work.raw, ".dbn.zst")):
        output = folder / f"converted{ending}"

        def go(source: Path = source, output: Path = output) -> None:
            convert([source], output, force=True)

        name = f"convert {'.dbn.zst' if ending == '.dbn' else '.dbn'} to {ending}"
        yield from by_turns(_GROUP, work.events, {name: go}, scale.runs, "flushed to disk")


def _foreign_rows(scale: Scale, folder: Path) -> Iterator[Row]:
    count = min(scale.events, FOREIGN_MESSAGES)
    itch, lobster = itch_file(folder, count), lobster_file(folder, count)
    output = folder / "foreign.dbn"

    def from_itch() -> None:
        convert_itch(itch, output, date=_DATE, force=True)

    def from_lobster() -> None:
        convert_lobster(lobster, output, force=True)

    note = "messages: orders added and deleted; flushed to disk"
    yield from by_turns(_GROUP, count, {"convert ITCH to .dbn": from_itch}, scale.runs, note)
    yield from by_turns(_GROUP, count, {"convert LOBSTER to .dbn": from_lobster}, scale.runs, note)
