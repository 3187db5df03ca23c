"""``tapewire data convert``: files as one that replays fastest."""

import contextlib
import dataclasses
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import msgspec
import xxhash
from rich.console import Console

from tapewire.inputs.batch_folder import check_downloads
from tapewire.inputs.rolls import with_rolls
from tapewire.inputs.same_data import require_different
from tapewire.inputs.telling import Steps, iso, say, tell
from tapewire.inputs.typed_sources import Names, contract_files, typed_source
from tapewire.processes.signals import interruptible
from tapewire.replay import ReplayPlan
from tapewire.replay.convert import ConvertReport, convert, require_free
from tapewire.replay.exports import EXPORT_ENDINGS, export_to_dbn
from tapewire.wire import FileTotals

_BYTES_PER_MB: Final = 10**6
_READ_BYTES: Final = 4 << 20


def convert_files(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    symbols: Sequence[str] = (),
    start: str | int | None = None,
    end: str | int | None = None,
    warmup: str | None = None,
    duplicates: str | None = None,
    allow_truncated: bool = False,
    definitions: Names = (),
    statistics: Names = (),
    volumes: Names = (),
    force: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> ConvertReport:
    """Write files as one that replays fastest (`tapewire.replay.convert.convert`), and say so.

    Parameters
    ----------
    start, end
        ``ts_recv`` from which on and before which records are wanted: ISO 8601 (UTC where no zone
        is given) or ns since the epoch.
    warmup, duplicates, allow_truncated
        As in `convert`.
    definitions, statistics, volumes
        Files that say which contracts continuous symbols and parents mean.
    as_json
        Print one JSON object with `ConvertReport`'s keys in place of a sentence.

    Raises
    ------
    ConfigError, InputError, OutputError
        As `convert`.
    InterruptedRunError
        If the user stopped it; nothing is left of the output then.
    """
    options = {
        "symbols": list(symbols), "start": start, "end": end, "warmup": warmup,
        "duplicates": duplicates, "allow_truncated": allow_truncated,
    }  # fmt: skip
    wanted, notes = typed_source(files, options, contract_files(definitions, statistics, volumes))
    inputs = [Path(name) for name in wanted.files]
    total_mb = sum(path.stat().st_size for path in inputs if path.is_file()) // _BYTES_PER_MB
    with contextlib.ExitStack() as stack:
        stack.enter_context(interruptible())
        played = _as_dbn(wanted.files, Path(output), force, stack)
        steps = stack.enter_context(Steps("converting, MB read", total_mb))
        require_different(
            played, allow_copies=wanted.duplicates == "drop", allow_truncated=allow_truncated
        )
        notes += check_downloads(wanted.files, allow_truncated=allow_truncated)
        named = ReplayPlan(tuple(played), tuple(wanted.symbols))
        named, rolls = with_rolls(named, wanted.model_copy(update={"files": played}), Steps)
        notes += rolls.warnings() if rolls is not None else []
        report = convert(
            played,
            output,
            symbols=named.symbols,
            windows=named.windows,
            start_ns=wanted.start,
            end_ns=wanted.end,
            warmup=wanted.warmup,
            duplicates=wanted.duplicates,
            allow_truncated=allow_truncated,
            force=force,
            on_progress=lambda done: steps(done // _BYTES_PER_MB),
        )
    report = dataclasses.replace(
        report,
        inputs=tuple(
            _original(totals, name, name in played)
            for totals, name in zip(report.inputs, wanted.files, strict=True)
        ),
    )
    for note in [*notes, *(f"incomplete: {t.truncated}" for t in report.inputs if t.truncated)]:
        say(f"note: {note}")
    if console is not None and as_json:
        text = json.dumps(asdict(report), indent=2, default=msgspec.structs.asdict)
        console.out(text, highlight=False)
    elif console is not None:
        said = (
            f"{report.path}: {report.records:,} records, {report.file_bytes:,} bytes, "
            f"{iso(report.first_ts_recv)} to {iso(report.last_ts_recv)}, "
            f"{report.records_per_s / 1e6:.2f} M records/s"
        )
        if report.snapshot_records:
            said += f"; the first {report.snapshot_records:,} are a snapshot of the books"
        tell(console, said)
    return report


def _as_dbn(
    files: Sequence[str], output: Path, force: bool, stack: contextlib.ExitStack
) -> list[str]:
    """Return the files, exports among them made DBN: these stay until the stack is closed."""
    if not any(name.endswith(EXPORT_ENDINGS) for name in files):
        return list(files)
    require_free(output, files, force=force)
    folder = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix=".tapewire-", dir=output.parent))
    )
    made = []
    for i, name in enumerate(files):
        if not name.endswith(EXPORT_ENDINGS):
            made.append(name)
            continue
        made.append(str(folder / f"{i}.dbn"))
        with Steps(f"reading {Path(name).name}, records", None) as steps:
            export_to_dbn(name, Path(made[-1]), steps)
    return made


def _original(totals: FileTotals, name: str, is_itself: bool) -> FileTotals:
    """Return what an input gave under the name that the user knows, with the hash of its bytes."""
    if is_itself:
        return totals
    content = xxhash.xxh3_128()
    with Path(name).open("rb") as file:
        while data := file.read(_READ_BYTES):
            content.update(data)
    return msgspec.structs.replace(totals, name=name, content_hash=content.hexdigest())
