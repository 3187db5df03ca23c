"""Compressed inputs, and what the input cache keeps of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streams
from naive.dbn import read_mbo
from tapewire.inputs.cache import InputCache
from tapewire.replay import ReplayPlan

RECORDS = 1_000
#: A copy: header and records.
COPY_BYTES = 360 + 56 * RECORDS
ROOMY = 100 * COPY_BYTES


def packed(path: Path, **records: Any) -> Path:
    made = streams.make_records(RECORDS, **records)
    streams.write(path, streams.zstd_bytes(streams.dbn_bytes(made)))
    return path


@contextmanager
def cache(limit_bytes: int = ROOMY, said: list[str] | None = None) -> Iterator[InputCache]:
    @contextmanager
    def working(what: str, total_mb: int) -> Iterator[Callable[[int], None]]:
        yield lambda done_mb: None

    told = [] if said is None else said
    with InputCache(limit_bytes, announce=told.append, working=working) as opened:
        yield opened


def plan(*files: Path, **more: Any) -> ReplayPlan:
    return ReplayPlan(tuple(map(str, files)), **more)


def fetch(*files: Path, limit_bytes: int = ROOMY) -> tuple[list[Path], list[bool], list[str]]:
    """What one run would replay, which of it the run itself prepared, and its warnings."""
    with cache(limit_bytes) as opened:
        replayed = opened.prepare(plan(*files))
        paths = [Path(name) for name in replayed.files]
        for original, path in zip(files, paths, strict=True):
            assert read_mbo(path).tobytes() == read_mbo(original).tobytes()
        return paths, [entry.made for entry in opened.inputs.values()], opened.warnings


def copies(folder: Path) -> set[str]:
    """Names of the copies; every one has its facts, and nothing else lies there."""
    names = {path.name for path in folder.iterdir()} - {".lock"}
    found = {name for name in names if name.endswith(".dbn")}
    assert names == found | {name.replace(".dbn", ".json") for name in found}
    return found
