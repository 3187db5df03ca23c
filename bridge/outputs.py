"""What a model returned for its rows, checked: its author is told what was expected, and where."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.bridge import protocol as msg
from tapewire.bridge.signals import LOTS_MAX, RowSignals

_KEYS: Final = ("target", "confidence")
_FORMS: Final = (
    "None, an array of targets, a mapping with target and confidence, or what self.signals() gives"
)
_NO_REQUESTS: Final = np.zeros(0, msg.REQUEST)


@dataclass(frozen=True)
class ModelAnswer:
    """What n rows ask for, as it travels.

    Attributes
    ----------
    targets : (n,) int64
        ``NO_TARGET`` where there is none.
    confidence : (n,) float64, optional
    requests : (m,) ``REQUEST``
        By row.
    """

    targets: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64] | None
    requests: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)

    def messages(
        self, first_row: int, busy_ns: int
    ) -> Iterator[tuple[msg.SignalBatch, list[npt.NDArray[Any]]]]:
        """Give the messages it travels in, one unless its requests are too many for one."""
        at, n = 0, len(self)
        if not len(self.requests):
            has_confidence = self.confidence is not None
            parts = [self.targets] if self.confidence is None else [self.targets, self.confidence]
            yield msg.SignalBatch(first_row, n, has_confidence, 0, busy_ns), parts
            return
        rows = self.requests["row"]
        while at < n:
            stop = n
            begin = int(np.searchsorted(rows, at))
            if len(rows) - begin > msg.REQUESTS_MAX:  # up to the row that would be too much
                stop = int(rows[begin + msg.REQUESTS_MAX])
            end = int(np.searchsorted(rows, stop))
            requests = self.requests[begin:end]
            if at and len(requests):
                requests = requests.copy()
                requests["row"] -= at
            arrays: list[npt.NDArray[Any]] = [self.targets[at:stop]]
            if self.confidence is not None:
                arrays.append(self.confidence[at:stop])
            if len(requests):
                arrays.append(requests)
            has_confidence = self.confidence is not None
            busy = busy_ns if stop == n else 0
            yield (
                msg.SignalBatch(first_row + at, stop - at, has_confidence, len(requests), busy),
                arrays,
            )
            at = stop


def joined(answers: list[ModelAnswer]) -> ModelAnswer:
    """Return the answers to rows that follow one another as one."""
    if len(answers) == 1:
        return answers[0]
    confidence = None
    if any(one.confidence is not None for one in answers):
        confidence = np.concatenate(
            [np.ones(len(one)) if one.confidence is None else one.confidence for one in answers]
        )
    requests, at = [], 0
    for one in answers:
        if len(one.requests):
            moved = one.requests.copy()
            moved["row"] += at
            requests.append(moved)
        at += len(one)
    return ModelAnswer(
        np.concatenate([one.targets for one in answers]),
        confidence,
        np.concatenate(requests) if requests else _NO_REQUESTS,
    )


def answer_of(value: Any, rows: int, first_row: int) -> ModelAnswer:
    """Check what `StrategyBase.on_features` returned.

    Parameters
    ----------
    value
        What it returned.
    rows
        How many it was handed.
    first_row
        The number of the first, for the message.

    Raises
    ------
    ValueError
        If it is none of what may be; it names what was expected, and the row.
    """
    if value is None:
        return ModelAnswer(np.full(rows, msg.NO_TARGET, np.int64), None, _NO_REQUESTS)
    if isinstance(value, RowSignals):
        if len(value) != rows:
            raise ValueError(f"expected signals for the {rows} rows at hand, found {len(value)}")
        return ModelAnswer(value.targets, value.confidences, value.requests())
    if isinstance(value, Mapping):
        unknown = [str(key) for key in value if key not in _KEYS]
        if unknown or not value:
            found = ", ".join(unknown) or "none"
            raise ValueError(f"expected the keys {' and '.join(_KEYS)}, found {found}")
        target, confidence = value.get("target"), value.get("confidence")
        return ModelAnswer(
            np.full(rows, msg.NO_TARGET, np.int64)
            if target is None
            else _targets(target, rows, first_row),
            None if confidence is None else _confidences(confidence, rows, first_row),
            _NO_REQUESTS,
        )
    return ModelAnswer(_targets(value, rows, first_row), None, _NO_REQUESTS)


def _targets(value: Any, rows: int, first_row: int) -> npt.NDArray[np.int64]:
    array = _shaped(value, rows, "target")
    if rows == 1 and array.dtype.kind in "if":  # in lockstep every microsecond counts
        number = array.item()
        if -LOTS_MAX <= number <= LOTS_MAX and number == int(number):
            return np.array([number], np.int64)
    if array.dtype.kind in "iu":
        wrong = (array != msg.NO_TARGET) & ((array > LOTS_MAX) | (array < -LOTS_MAX))
        _require(~wrong, array, first_row, f"a target within ±{LOTS_MAX} lots, or NO_TARGET")
        return np.ascontiguousarray(array, np.int64)
    if array.dtype.kind != "f":
        raise ValueError(
            f"target: expected whole numbers (NaN in an array of floats is none), found dtype "
            f"{array.dtype}"
        )
    none = np.isnan(array)
    wrong = ~none & ~((np.trunc(array) == array) & (np.abs(array) <= LOTS_MAX))
    _require(~wrong, array, first_row, f"a target in whole lots within ±{LOTS_MAX}, or NaN")
    targets = np.full(rows, msg.NO_TARGET, np.int64)
    targets[~none] = array[~none].astype(np.int64)
    return targets


def _confidences(value: Any, rows: int, first_row: int) -> npt.NDArray[np.float64]:
    array = _shaped(value, rows, "confidence")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"confidence: expected numbers, found dtype {array.dtype}")
    _require((array >= 0) & (array <= 1), array, first_row, "a confidence from 0 to 1")
    return np.ascontiguousarray(array, np.float64)


def _shaped(value: Any, rows: int, name: str) -> npt.NDArray[Any]:
    """Return what a model gave as an array with one value for each row."""
    if isinstance(value, (str, bytes)):
        raise ValueError(f"expected {_FORMS}, found a {type(value).__name__}")
    try:
        array = np.asarray(value)
    except Exception as error:
        raise ValueError(f"{name}: expected {_FORMS}, found {_found(value)} ({error})") from None
    if array.dtype == object:
        raise ValueError(f"{name}: expected {_FORMS}, found {_found(value)}")
    if rows == 1 and array.shape == ():
        array = array.reshape(1)
    if array.shape != (rows,):
        raise ValueError(f"{name}: expected shape ({rows},), found {array.shape}")
    return array


def _found(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"


def _require(
    fine: npt.NDArray[np.bool_], values: npt.NDArray[Any], first_row: int, expected: str
) -> None:
    if not fine.all():
        at = int(np.argmin(fine))
        raise ValueError(f"row {first_row + at}: expected {expected}, found {values[at]}")
