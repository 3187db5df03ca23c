"""Files of symbology beside market data whose own headers map no symbols: a run goes by them."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from tapewire.errors import InputError
from tapewire.replay.dbn import DbnFile, inspect, symbol_mappings
from tapewire.replay.symbology import SYMBOLOGY_FILE


@dataclass(frozen=True)
class SymbologyFile:
    """A ``symbology.json`` that gave symbols to files, and the xxh3_128 of its bytes."""

    path: str
    size_bytes: int
    content_hash: str

    def to_dict(self) -> dict[str, Any]:
        """The file as manifests have it."""
        return {"file": self.path, "bytes": self.size_bytes, "xxh3_128": self.content_hash}


def symbology_used(files: Iterable[str]) -> list[SymbologyFile]:
    """Return the ``symbology.json`` files that some of these files go by.

    What can't be opened is for the replay to refuse.
    """
    used: dict[Path, None] = {}
    for name in files:
        beside = Path(name).with_name(SYMBOLOGY_FILE)
        if beside not in used and beside.is_file() and _is_mapped_beside(name):
            used[beside] = None
    found = []
    for path in used:
        with contextlib.suppress(OSError):
            body = path.read_bytes()
            digest = xxhash.xxh3_128(body).hexdigest()
            found.append(SymbologyFile(str(path), len(body), digest))
    return found


def _is_mapped_beside(name: str) -> bool:
    with contextlib.suppress(InputError):
        with DbnFile(name, allow_truncated=True) as file:
            if symbol_mappings(name, file.metadata):
                return False
        return inspect(name, allow_truncated=True).mapped_beside
    return False
