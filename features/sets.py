"""A choice of features, and what is kept of one book for them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.memory import Block
from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import ConfigError
from tapewire.features.evaluating import evaluate_all, evaluate_one
from tapewire.features.layout import (
    BASE_UNKNOWN,
    COLUMN,
    DEPTH,
    FEATURE_STATE,
    MID,
    NOTHING_KEPT,
    PATH,
    STEP,
    STEP_ENTRIES,
    STEPS,
    WINDOW,
    WINDOW_ENTRIES,
    WINDOW_PARTS,
    WORD,
)
from tapewire.features.registry import DEFAULT_NAMES, FEATURES, find_feature
from tapewire.market.records import UNDEF_PRICE

COLUMNS_MAX: Final = 1_000


class FeatureSet:
    """Which features are wanted, in which order; only these are computed.

    Parameters
    ----------
    names : iterable of str
        As in ``docs/features.md``; columns have these names and this order.
    close_ns : int
        Time of day of the close in ns after midnight, UTC, for ``time_to_close``.
    closes_ns : sequence of int
        The closes themselves, ns since the epoch, ascending, where they are known: a time of day
        in a place is another one in UTC after a change of clocks. Behind the last one
        ``time_to_close`` is NaN.

    Raises
    ------
    ConfigError
        If a name is unknown or comes twice, or there are none, or too many.
    """

    def __init__(
        self, names: Iterable[str] = DEFAULT_NAMES, *, close_ns: int = NS_PER_DAY,
        closes_ns: Sequence[int] = (),
    ) -> None:  # fmt: skip
        self.names = tuple(names)
        self.close_ns = close_ns
        self.close_n = len(closes_ns)
        self.closes = Block(WORD, max(1, self.close_n))
        self.closes.records["value"][: self.close_n] = closes_ns
        if not 1 <= len(self.names) <= COLUMNS_MAX:
            raise ConfigError(f"features: expected 1 to {COLUMNS_MAX}, found {len(self.names)}")
        if not 0 <= close_ns <= NS_PER_DAY:
            raise ConfigError(
                f"close: expected a time of day, 0 to {NS_PER_DAY} ns, found {close_ns}"
            )
        for name in self.names:
            if self.names.count(name) > 1:
                raise ConfigError(f"feature {name!r} is listed twice: leave one out")
        self.wants = 0
        # What windows, paths and depths there are; depths ascend, as the kernel needs them.
        found = [find_feature(name) for name in self.names]
        self.depths = sorted({one.levels for one in found if one.levels})
        self.paths: list[int] = []
        self.windows: dict[int, list[int]] = {}
        self.columns = Block(COLUMN, len(self.names))
        for k, one in enumerate(found):
            definition = FEATURES[one.number]
            column = self.columns.records[k]
            column["feature"] = one.number
            column["kept"] = definition.kept
            self.wants |= definition.wants
            if one.levels:
                column["part"] = self.depths.index(one.levels)
            elif definition.is_path:
                if one.window_ns not in self.paths:
                    self.paths.append(one.window_ns)
                column["part"] = self.paths.index(one.window_ns)
            elif definition.kept != NOTHING_KEPT:
                kept = self.windows.setdefault(one.window_ns, [])
                if definition.kept not in kept:
                    kept.append(definition.kept)
                column["part"] = list(self.windows).index(one.window_ns)
                column["word"] = 1 + kept.index(definition.kept)

    def __len__(self) -> int:
        return len(self.names)

    def position(self, name: str) -> int:
        """Return a feature's column.

        Raises
        ------
        KeyError
            If it is not in the set.
        """
        if name not in self.names:
            raise KeyError(f"there is no feature {name!r} here, but: {', '.join(self.names)}")
        return self.names.index(name)


class FeatureState:
    """What is kept of one book; kernels reach it by its ``address``.

    It is told of trades and events by ``note_feature_trade`` and ``update_features``.
    """

    def __init__(self, features: FeatureSet) -> None:
        self.features = features
        self._state = Block(FEATURE_STATE, 1)
        self._windows = Block(WINDOW, max(1, len(features.windows)))
        self._paths = Block(PATH, max(1, len(features.paths)))
        self._depths = Block(DEPTH, max(1, len(features.depths)))
        self._rings: list[Block] = []
        for window, (length_ns, kept) in zip(
            self._windows.records, features.windows.items(), strict=False
        ):
            window["length_ns"] = length_ns
            window["part_ns"] = length_ns // WINDOW_PARTS
            window["width"] = 1 + len(kept)
            window["kept"][: len(kept)] = kept
            window["ring"] = self._ring(WORD, WINDOW_ENTRIES * (1 + len(kept)))
            window["base"] = BASE_UNKNOWN
        for path, length_ns in zip(self._paths.records, features.paths, strict=False):
            path["length_ns"] = length_ns
            path["step_ns"] = length_ns // STEPS
            path["ring"] = self._ring(STEP, STEP_ENTRIES)
        self._depths.records["levels"][: len(features.depths)] = features.depths
        self._out = np.empty(len(features))
        self._publish(self._state.records[0])

    def _ring(self, dtype: np.dtype[Any], n: int) -> int:
        self._rings.append(Block(dtype, n))
        return self._rings[-1].address

    def _publish(self, state: Any) -> None:
        features = self.features
        for name in ("bid", "ask"):
            state[name] = UNDEF_PRICE
        state["kept"][MID] = UNDEF_PRICE
        state["wants"] = features.wants
        state["close_ns"] = features.close_ns
        for name, block, n in (
            ("window", self._windows, len(features.windows)),
            ("path", self._paths, len(features.paths)),
            ("depth", self._depths, len(features.depths)),
            ("column", features.columns, len(features)),
            ("close", features.closes, features.close_n),
        ):
            state[f"{name}s"] = block.address
            state[f"{name}_n"] = n

    @property
    def address(self) -> int:
        """Of the ``FEATURE_STATE`` record."""
        return self._state.address

    @property
    def nbytes(self) -> int:
        """Bytes held for this book."""
        blocks = (self._state, self._windows, self._paths, self._depths, *self._rings)
        return sum(block.nbytes for block in blocks)

    def values(self, now_ns: int) -> npt.NDArray[np.float64]:
        """All columns as of a moment (ns since the epoch), shape (n,), NaN where unknown."""
        evaluate_all(self.address, now_ns, self._out.ctypes.data)
        return self._out.copy()

    def value(self, name: str, now_ns: int) -> float:
        """One column as of a moment.

        Raises
        ------
        KeyError
            If it is not in the set.
        """
        return float(evaluate_one(self.address, self.features.position(name), now_ns))
