"""Rows as PostgreSQL's ``COPY`` reads them, written a block at a time.

The driver writes row by row and looks up for each value how its type is written. Here a block is
written column by column: of the few types that there are, one call writes all values. What a block
holds is what the driver would write
(https://www.postgresql.org/docs/current/sql-copy.html, "Text Format").
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

#: Few enough that the server reads one while the next is written.
BLOCK_ROWS: Final = 500
_NULL: Final = "\\N"
_NONE: Final = type(None)
_encode: Final = msgspec.json.Encoder().encode


def copy_blocks(rows: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
    """Write rows of None, truths, whole numbers, floats and texts without a NUL.

    Raises
    ------
    TypeError
        If a value is of another type.
    """
    remaining = iter(rows)
    while block := list(islice(remaining, BLOCK_ROWS)):
        yield copy_block(list(zip(*block, strict=True)))


def copy_block(columns: Sequence[Sequence[Any]]) -> bytes:
    """Write rows that are given as their columns, one value of each a row.

    Raises
    ------
    TypeError
        As `copy_blocks`.
    """
    lines = [*map("\t".join, zip(*map(_column, columns), strict=True)), ""]
    return "\n".join(lines).encode()


def _column(values: Sequence[Any]) -> Sequence[str]:
    """Write a column: all at once where all are alike and plain, else one by one."""
    kinds = {*map(type, values)}
    # Rows of one search, of one kind, share what they are of. Floats that are equal may differ.
    if len(kinds) == 1 and kinds != {float} and values.count(values[0]) == len(values):
        return [_write[type(values[0])](values[0])] * len(values)
    if kinds == {str}:
        return values if _is_plain("\n".join(values), len(values)) else [*map(_text, values)]
    if kinds == {int}:
        return [*map(repr, values)]
    if kinds <= {float, _NONE} and math.isfinite(sum(filter(None, values))):
        # Shortest digits that make the same float again, as repr's are, in a quarter of the time.
        return str(_encode(values), "ascii")[1:-1].replace("null", _NULL).split(",")
    write = _write
    return [write[type(value)](value) for value in values]


def _is_plain(joined: str, count: int) -> bool:
    return (
        "\\" not in joined
        and "\t" not in joined
        and "\r" not in joined
        and joined.count("\n") == count - 1
    )


def _text(value: str) -> str:
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    if "\n" in value:
        value = value.replace("\n", "\\n")
    if "\t" in value:
        value = value.replace("\t", "\\t")
    return value.replace("\r", "\\r") if "\r" in value else value


class _Writers(dict[type, Callable[[Any], str]]):
    """How a type is written; one that is derived from another as that."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        if issubclass(kind, str):
            return _text
        for number in (int, float):
            if issubclass(kind, number):
                return number.__repr__
        raise TypeError(f"expected None, a truth, a number or a text, found {kind.__name__}")


_write: Final = _Writers(
    {
        str: _text,
        int: repr,
        float: repr,
        bool: lambda value: "t" if value else "f",
        type(None): lambda _: _NULL,
    }
)
