"""Rows as PostgreSQL's ``COPY`` reads them, written a block at a time.

The driver writes row by row and looks up for each value how its type is written: three times what
is needed for the few types that there are here. What a block holds is what the driver would write
(https://www.postgresql.org/docs/current/sql-copy.html, "Text Format").
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

#: Few enough that the server reads one while the next is written.
_BLOCK_ROWS: Final = 500
_NULL: Final = "\\N"


def copy_blocks(rows: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
    """Write rows of None, truths, whole numbers, floats and texts without a NUL.

    Raises
    ------
    TypeError
        If a value is of another type.
    """
    remaining = iter(rows)
    write = _write
    while block := list(islice(remaining, _BLOCK_ROWS)):
        lines = ["\t".join([write[type(value)](value) for value in row]) for row in block]
        lines.append("")
        yield "\n".join(lines).encode()


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
