"""Commands that write, for tests of disks that fail: all of them into the folder ``o``."""

import hashlib
import shutil
from pathlib import Path

from factories import walk_file
from forks import Forks
from stores import filled
from tapewire.store import Store

#: By the words of it: those that a short look has.
COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", "day.dbn", "-s", "market_maker", "-q", "-o", "o/out", "--force"),
    "sweep": (
        "sweep", "day.dbn", "-s", "market_maker", "--vary", "max_inventory=1,2", "--workers", "1",
        "-o", "o/study",
    ),
    "convert": ("data", "convert", "day.dbn", "-o", "o/day.dbn.zst", "--force"),
    "derive": ("data", "derive", "day.dbn", "--schema", "mbp-1", "-o", "o/d.parquet", "--force"),
    "bundle": ("bundle", "run", "-o", "o/run.zip", "--force"),
}  # fmt: skip


#: All that write in a way of their own.
ALL: dict[str, tuple[str, ...]] = {
    **COMMANDS,
    "batch": (
        "candles", "batch", "bars.parquet", "-s", "sma_cross", "-p", "fast=2:6:1", "-p",
        "slow=10,20", "--checkpoint", "-o", "o/rows.parquet", "--force",
    ),
    "traded": ("candles", "run", "bars.parquet", "-s", "sma_cross", "-o", "o/traded", "--force"),
    "drawn": ("factory", "generate", "-n", "40", "--seed", "7", "-o", "o/drawn.jsonl", "--force"),
    "backup": ("store", "backup", "o/store.backup", "--store", "kept.db", "--force"),
    "features": ("features", "day.dbn", "--every", "1s", "-o", "o/features.parquet"),
    "book": ("data", "book", "day.dbn", "-o", "o/book.parquet"),
    "synth": ("data", "synth", "--events", "2000", "--instruments", "1", "-o", "o/synth.dbn"),
}  # fmt: skip
#: What SQLite, which writes a backup by itself, says where the system says another thing.
_OF_SQLITE = ("database or disk is full", "disk I/O error", "unable to open database file")
#: Their folders of many files are replaced as one.
FOLDERS = ("run", "traded")


def says(name: str, text: str, of_system: str) -> bool:
    """Whether a command's sentence says what the system said to it, or to SQLite."""
    return of_system in text or (name == "backup" and any(one in text for one in _OF_SQLITE))


def prepare(folder: Path, forks: Forks, data: Path) -> None:
    """Make what the commands read: a session, a run, bars, a store."""
    shutil.copy(data, folder / "day.dbn")
    run = forks.tapewire(*COMMANDS["run"][:-2], "run", cwd=folder)
    assert run.returncode == 0, run.stderr
    walk_file(folder / "bars.parquet", days=4)
    with Store.open(str(folder / "kept.db")) as store:
        filled(store, 3)
    (folder / "o").mkdir()


def contents_of(folder: Path) -> dict[str, str]:
    """Hashes of the files under their final names below ``o``."""
    return {
        str(path.relative_to(folder / "o")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "o").rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-3:])
    }
