"""Symbols as people write them: one, or many by a wildcard."""

import fnmatch
import re
from collections.abc import Sequence
from functools import lru_cache


def is_wildcard(name: str) -> bool:
    """Whether a name stands for any number of symbols: it has a ``*`` or a ``?``."""
    return "*" in name or "?" in name


@lru_cache(maxsize=1024)
def _pattern(name: str) -> re.Pattern[str]:
    # Brackets, which fnmatch knows, too, are letters of a symbol like any other.
    return re.compile(fnmatch.translate(name.replace("[", "[[]")))


def is_named(symbol: str, names: Sequence[str]) -> bool:
    """Whether a symbol is one of some names, or one that a wildcard among them stands for.

    ``*`` stands for any letters, ``?`` for one; case matters.
    """
    return symbol in names or any(
        is_wildcard(name) and _pattern(name).match(symbol) is not None for name in names
    )
