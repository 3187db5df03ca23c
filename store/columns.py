"""Values of very many rows, a column at a time.

Whether all of a column's values are of the plainest kind is seen in a few passes of compiled code,
which take a tenth of what a look at each does. Where they are not, a caller looks at each, by the
functions of `tapewire.store.bulk`: what is kept is the same either way.
"""

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import msgspec

from tapewire.store.bulk import INT_MAX, SAME_IN_BOTH

_written: Final = msgspec.json.Encoder()
_NONE: Final = type(None)


def columns_of(
    given: Sequence[Any], attributes: Callable[[Any], tuple[Any, ...]]
) -> list[Sequence[Any]]:
    """Return the attributes of at least one thing, a column each."""
    return list(zip(*map(attributes, given), strict=True))


def are_texts(values: Sequence[Any]) -> bool:
    """Return whether all are texts that both databases can hold."""
    if {*map(type, values)} - {str}:
        return False
    joined = "".join(values)
    if "\0" in joined:
        return False
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError:
            return False
    return True


def are_floats(values: Sequence[Any]) -> bool:
    """Return whether all are finite floats or None."""
    if {*map(type, values)} - {float, _NONE}:
        return False
    # A sum is finite only if all are; one that overflows is seen to one by one, as any other.
    return math.isfinite(sum(filter(None, values)))


def are_counts(values: Sequence[Any]) -> bool:
    """Return whether all are whole numbers that a column of four bytes can hold, or None."""
    if {*map(type, values)} - {int, _NONE}:
        return False
    numbers = [*filter(None, values)]
    return not numbers or (min(numbers) >= 0 and max(numbers) <= INT_MAX)


def json_of(values: Sequence[Any]) -> list[str] | None:
    """Write dicts of finite numbers, truths and texts by name; None if one is anything else."""
    if {*map(type, values)} - {dict}:
        return None
    if {*map(type, chain.from_iterable(values))} - {str}:
        return None
    if {*map(type, chain.from_iterable(map(dict.values, values)))} - SAME_IN_BOTH:
        return None
    try:
        text = _written.encode_lines(values).decode()
    except (UnicodeEncodeError, OverflowError):
        return None
    # Null is all that it writes of numbers that are none, and of endless ones.
    if "null" in text or "\\u0000" in text:
        return None
    # Within a text a line's end is written as two letters.
    return text.split("\n")[:-1]
