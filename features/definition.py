"""What a feature consists of."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tapewire.compiled.units import NS_PER_S
from tapewire.features.layout import NOTHING_KEPT

WINDOW_MARK: Final = "<window>"
LEVELS_MARK: Final = "<levels>"
LEVELS_MAX: Final = 100
WINDOW_NS_MAX: Final = 24 * 3_600 * NS_PER_S
_UNITS_NS: Final = {"ms": 10**6, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3_600 * NS_PER_S}
_PATTERNS: Final = {
    re.escape(WINDOW_MARK): r"(\\d{1,8}(?:ms|s|m|h))",
    re.escape(LEVELS_MARK): r"(\\d{1,8})",
}


@dataclass(frozen=True)
class FeatureDefinition:
    """A feature: a number about one book as of a moment.

    Parameters
    ----------
    name : str
        Its name; ``<window>`` in it stands for a length of time as ``30s``, ``<levels>`` for a
        number of price levels.
    formula, unit, source : str
        For people.
    kernel : function of (state, column, now_ns)
        Plain, compiled into what evaluates a set: a ``FEATURE_STATE`` record, the ``COLUMN`` record
        that asks, and a moment not before the state's clock. Returns a float, NaN where it is not
        known.
    kept : int
        What its window has to remember, one of ``layout``'s; NOTHING_KEPT for a feature without.
    is_path : bool
        Its window is one of steps of the mid.
    wants : int
        Bits of ``layout.WANTS_…`` that have to be kept for it.
    aliases : mapping of name to name
        Other names, each for one choice of window or levels.
    """

    name: str
    formula: str
    unit: str
    source: str
    kernel: Callable[[Any, Any, int], float]
    kept: int = NOTHING_KEPT
    is_path: bool = False
    wants: int = 0
    aliases: Mapping[str, str] = field(default_factory=dict)

    def argument_of(self, name: str) -> str | None:
        """Return what a name has in the place of ``<…>`` ("" without one); None: another's name."""
        pattern = re.escape(self.name)
        for mark, digits in _PATTERNS.items():
            pattern = re.sub(re.escape(mark), digits, pattern)
        found = re.fullmatch(pattern, self.aliases.get(name, name))
        return None if found is None else "".join(found.groups())


def window_ns(text: str) -> int | None:
    """Return the ns of ``100ms``, ``30s``, ``5m`` or ``1h``; None if it is no such length.

    A length is at least a millisecond and at most a day.
    """
    found = re.fullmatch(r"(\d{1,8})(ms|s|m|h)", text)
    if found is None:
        return None
    length_ns = int(found[1]) * _UNITS_NS[found[2]]
    return length_ns if 0 < length_ns <= WINDOW_NS_MAX else None
