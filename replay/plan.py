"""What to replay, as plain values: checked once, and passed to a child process as JSON."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from tapewire.errors import ConfigError
from tapewire.market.times import time_text
from tapewire.wire import MAX_BATCH_RECORDS, PayloadChoice, Warmup

#: Measured: half as large is a tenth slower end to end, because each batch wakes threads that take
#: time from the simulation.
BATCH_RECORDS_DEFAULT: Final = 65_536
FILES_MAX: Final = 10_000
_PUBLISHER_MAX: Final = 65_535
Duplicates = Literal["refuse", "drop"]


@dataclass(frozen=True)
class ReplayPlan:
    """Which records to replay, in what order, how fast, and how they travel.

    Attributes
    ----------
    files
        Paths, merged by ``ts_recv``; at equal times in this order.
    symbols
        Only these instruments; empty: all. A number stands for the id of one without a symbol.
    publishers
        Only these publisher ids; empty: all.
    start_ns, end_ns
        Only ``start_ns <= ts_recv < end_ns``, ns since the epoch, UTC; None: unlimited.
    warmup
        What to give of the records before ``start_ns``, for books to be built from: ``"full"``
        all, ``"snapshot"`` those of each book from its last snapshot on (all of a book that has
        none), ``"none"`` nothing.
    duplicates
        A record that several files have at one clock is an error (``"refuse"``), or given once
        (``"drop"``).
    allow_truncated
        Give what is whole of a file that ends too soon, in place of an error.
    speed
        None: as fast as possible; 1.0: as it was recorded; x: x times as fast.
    batch_records
        Most records in a batch, 1 to 65,536.
    payload
        ``"auto"``: shared memory with receivers on this host, else inline.
    windows
        Symbols and instrument ids that are wanted at times ``start_ns <= ts_recv < end_ns``, beside
        `symbols`: what continuous symbols stand for.

    Raises
    ------
    ConfigError
        If a value is out of its range.
    """

    files: tuple[str, ...]
    symbols: tuple[str, ...] = ()
    publishers: tuple[int, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    speed: float | None = None
    batch_records: int = BATCH_RECORDS_DEFAULT
    payload: PayloadChoice = "auto"
    warmup: Warmup = "none"
    duplicates: Duplicates = "refuse"
    allow_truncated: bool = False
    windows: tuple[tuple[str, int, int, int], ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.files) <= FILES_MAX:
            raise ConfigError(f"files: expected 1 to {FILES_MAX} paths, found {len(self.files)}")
        for number in self.publishers:
            if not 0 <= number <= _PUBLISHER_MAX:
                raise ConfigError(f"publishers: expected 0 to {_PUBLISHER_MAX}, found {number}")
        if self.speed is not None and not (math.isfinite(self.speed) and self.speed > 0):
            raise ConfigError(f"speed: expected a number above 0, found {self.speed}")
        if not 1 <= self.batch_records <= MAX_BATCH_RECORDS:
            raise ConfigError(
                f"batch_records: expected 1 to {MAX_BATCH_RECORDS}, found {self.batch_records}"
            )
        if self.payload not in get_args(PayloadChoice):
            raise ConfigError(
                f"payload: expected one of {', '.join(get_args(PayloadChoice))}, "
                f"found {self.payload!r}"
            )
        if self.warmup not in get_args(Warmup):
            raise ConfigError(
                f"warmup: expected one of {', '.join(get_args(Warmup))}, found {self.warmup!r}"
            )
        if self.duplicates not in get_args(Duplicates):
            raise ConfigError(
                f"duplicates: expected one of {', '.join(get_args(Duplicates))}, "
                f"found {self.duplicates!r}"
            )
        if self.start_ns is not None and self.end_ns is not None and self.start_ns >= self.end_ns:
            raise ConfigError(
                f"end: expected a time after start ({time_text(self.start_ns)}), "
                f"found {time_text(self.end_ns)}"
            )

    @property
    def filtered(self) -> bool:
        """Whether any record may be left out."""
        whole_past = self.start_ns is None or self.warmup == "full"
        return bool(self.symbols or self.windows or self.publishers) or not (
            whole_past and self.end_ns is None
        )

    @property
    def narrowed(self) -> bool:
        """Whether something is asked for that is less than the whole files."""
        return self.filtered or self.start_ns is not None

    @property
    def warmup_until_ns(self) -> int | None:
        """Until when records build books and no more; None: there are no such records."""
        return None if self.warmup == "none" else self.start_ns

    def to_json(self) -> str:
        """Return the plan as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ReplayPlan":
        """Read a plan from JSON, strictly.

        Raises
        ------
        ConfigError
            If it is no JSON, has an unknown key, or a value of another type or range.
        """
        try:
            body = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"a replay plan: expected JSON ({error})") from None
        if not isinstance(body, dict):
            raise ConfigError(f"a replay plan: expected a map, found {type(body).__name__}")
        known = {f.name for f in dataclasses.fields(cls)}
        if not body.keys() <= known or "files" not in body:
            odd = sorted(body.keys() - known)
            raise ConfigError(f"a replay plan: missing files or unknown keys {odd}")
        return cls(**{key: _typed(key, value) for key, value in body.items()})


def _typed(key: str, value: Any) -> Any:
    if key in ("files", "symbols"):
        good = isinstance(value, list) and all(isinstance(v, str) for v in value)
    elif key == "windows":
        good = isinstance(value, list) and all(map(_is_window, value))
        value = [tuple(one) for one in value] if good else value
    elif key == "publishers":
        good = isinstance(value, list) and all(type(v) is int for v in value)
    elif key in ("start_ns", "end_ns"):
        good = value is None or (type(value) is int and 0 <= value < 2**63)
    elif key == "speed":
        good = value is None or type(value) in (int, float)
    elif key == "batch_records":
        good = type(value) is int
    elif key == "allow_truncated":
        good = type(value) is bool
    else:
        good = isinstance(value, str)
    if not good:
        raise ConfigError(f"a replay plan: {key}: found {json.dumps(value)[:80]}")
    return tuple(value) if isinstance(value, list) else value


def _is_window(value: Any) -> bool:
    """Whether a value is a symbol, an instrument id, and two times in order."""
    if not (isinstance(value, list) and len(value) == 4 and isinstance(value[0], str)):
        return False
    numbers = value[1:]
    return all(type(v) is int and 0 <= v < 2**63 for v in numbers) and numbers[1] < numbers[2]
