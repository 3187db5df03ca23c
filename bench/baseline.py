"""Ratios of stages on one kind of machine, stored, and what has slipped since.

Rates of two machines, or of one machine on two days, can't be compared; how fast a stage is beside
another one in the same run can. Both by their best runs: a busy neighbour slows some runs of a
row, a slower stage all of them. A baseline is a JSON file per machine class and length of bench.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tapewire.bench.host import machine_class
from tapewire.bench.measure import Row, Scale
from tapewire.bench.targets import Rows
from tapewire.errors import ConfigError, OutputError

#: A ratio may be this much smaller than the stored one: shared machines wander.
TOLERANCE: Final = 0.25
_FORMAT: Final = 1

#: What a row is divided by, the first line that fits: group, start of the name; group and name of
#: the reference. Groups that are not here have no ratio.
_REFERENCES: Final = (
    ("stage", "decode .dbn.zst", "limit", "zstd decompression alone"),
    ("stage", "decode", "limit", "file read"),
    ("stage", "book only", "limit", "empty loop over records"),
    ("stage", "", "stage", "book only"),
    ("end to end", ".dbn.zst", "limit", "zstd decompression alone"),
    ("end to end", "", "stage", "book only"),
    ("variants", "", "stage", "book only"),
    ("transport", "", "limit", "memory copy"),
    ("growth, events", "", "stage", "book only"),
    ("growth, instruments", "", "stage", "book only"),
    ("growth, live orders", "", "stage", "book only"),
)


@dataclass(frozen=True)
class Ratio:
    """A row's best rate over that of its reference in the same bench."""

    row: str
    over: str
    value: float


@dataclass(frozen=True)
class Slip:
    """A ratio that is smaller than the stored one, beyond the tolerance."""

    row: str
    over: str
    stored: float
    found: float

    def __str__(self) -> str:
        lost = 1 - self.found / self.stored
        return (
            f"{self.row}: {self.found:.3g} × {self.over}, baseline {self.stored:.3g}: "
            f"{lost:.0%} less, tolerance {TOLERANCE:.0%}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "row": self.row,
            "over": self.over,
            "stored": self.stored,
            "found": round(self.found, 6),
        }


def ratios(rows: Sequence[Row]) -> list[Ratio]:
    """Divide each row that has a reference by it; rows without theirs are left out."""
    table = Rows(rows, "best")
    found = []
    for row in rows:
        reference = _reference(row)
        below = table.find(*reference) if reference is not None else None
        if below is not None:
            value = table.rate(row) / table.rate(below)
            found.append(Ratio(key_of(row), key_of(below), value))
    return found


def _reference(row: Row) -> tuple[str, str] | None:
    for group, start, *reference in _REFERENCES:
        if row.group == group and row.name.startswith(start):
            return reference[0], reference[1]
    return None


def key_of(row: Row) -> str:
    """A row's name in a baseline."""
    return f"{row.group}: {row.name}"


def default_path(scale: Scale) -> Path:
    """Where the baseline of this machine's class is kept, in the installed package."""
    quick = "-quick" if scale.quick else ""
    return Path(__file__).parent / "baselines" / f"{machine_class()}{quick}.json"


def save(path: Path, scale: Scale, host: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Store the ratios of a bench.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    from tapewire.atomic import atomic_write

    content = {
        "format": _FORMAT,
        "machine": machine_class(),
        "host": dict(host),
        "scale": _scale(scale),
        "ratios": {r.row: {"over": r.over, "value": round(r.value, 6)} for r in ratios(rows)},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path.parent}: expected a folder for the baseline, can't make it: {error.strerror}; "
            "name a file with --baseline"
        ) from None
    atomic_write(path, json.dumps(content, indent=2) + "\n")


def load(path: Path, scale: Scale) -> dict[str, Ratio]:
    """Read a baseline that fits this machine and this length of bench.

    Returns
    -------
    dict
        Ratio by row.

    Raises
    ------
    ConfigError
        If there is none for this class of machine, it is no baseline, or it was measured on
        another class or at another scale.
    """
    save_it = "store one with `tapewire bench --save-baseline` (and the same --events, --quick)"
    if not path.is_file():
        raise ConfigError(
            f"no baseline for this machine class, {machine_class()}: expected {path}; {save_it}"
        )
    try:
        content = json.loads(path.read_text())
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}")
        machine, measured = content["machine"], content["scale"]
        stored = {
            row: Ratio(row, str(entry["over"]), float(entry["value"]))
            for row, entry in content["ratios"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: expected a baseline of format {_FORMAT}, found something else "
            f"({type(error).__name__}: {error}); {save_it}"
        ) from None
    if machine != machine_class():
        raise ConfigError(
            f"{path}: expected a baseline of machine class {machine_class()}, found {machine}"
        )
    if measured != _scale(scale):
        raise ConfigError(
            f"{path}: measured with {_said(measured)}, this bench has {_said(_scale(scale))}; "
            "ratios differ with that"
        )
    return stored


def compare(stored: Mapping[str, Ratio], rows: Sequence[Row]) -> tuple[list[Slip], list[str]]:
    """Hold a bench's ratios against stored ones.

    Returns
    -------
    slips : list of Slip
        What is slower than the tolerance allows, the worst first.
    absent : list of str
        Stored rows that this bench did not measure (``--only``), or over another reference.
    """
    found = {ratio.row: ratio for ratio in ratios(rows)}
    slips, absent = [], []
    for row, old in stored.items():
        new = found.get(row)
        if new is None or new.over != old.over:
            absent.append(row)
        elif new.value < old.value * (1 - TOLERANCE):
            slips.append(Slip(row, old.over, old.value, new.value))
    return sorted(slips, key=lambda slip: slip.found / slip.stored), absent


def _scale(scale: Scale) -> dict[str, Any]:
    return {"events": scale.events, "seed": scale.seed, "quick": scale.quick}


def _said(scale: Any) -> str:
    return ", ".join(f"{key} {value}" for key, value in dict(scale).items())
