"""Commands that write, for tests of disks that fail: all of them into the folder ``o``."""

import hashlib
from pathlib import Path

#: By the words of it.
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


def contents_of(folder: Path) -> dict[str, str]:
    """Hashes of the files under their final names below ``o``."""
    return {
        str(path.relative_to(folder / "o")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "o").rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-3:])
    }
