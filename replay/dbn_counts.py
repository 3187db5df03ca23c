"""What a DBN header claims to hold, checked against the bytes that are there.

A header says how many symbols and mappings follow. A decoder that believes it reserves gigabytes
for a file of six kilobytes; and a wrong length that nobody notices shifts the records behind the
header, or swallows some of them.

Source: the DBN specification, Metadata.
"""

from typing import Final

from tapewire.errors import FormatError
from tapewire.wire.messages import MAPPINGS_MAX

#: Magic, version, length; then fields of fixed size, up to the schema definition.
_FIXED_BYTES: Final = 8 + 100
#: Where versions 2 and 3 say how many bytes a symbol takes; in version 1 it is 22, since then 71.
_SYMBOL_BYTES_AT: Final = 53
_SYMBOL_BYTES_V1: Final = 22
_SYMBOL_BYTES_MAX: Final = 255
_COUNT_BYTES: Final = 4
_DATE_BYTES: Final = 4
#: A header is padded to whole words.
_WORD_BYTES: Final = 8


def require_true_counts(path: str, header: bytes, version: int) -> None:
    """Walk a whole header by its counts.

    Raises
    ------
    FormatError
        If a count claims more than there are bytes or than is allowed, or the header is longer
        than its content.
    """
    if len(header) < _FIXED_BYTES:
        raise FormatError(
            f"{path}: its DBN header is corrupt: expected at least {_FIXED_BYTES} bytes, found "
            f"{len(header)}"
        )
    symbol_bytes = _SYMBOL_BYTES_V1
    if version > 1:
        symbol_bytes = int.from_bytes(header[_SYMBOL_BYTES_AT : _SYMBOL_BYTES_AT + 2], "little")
    if not _SYMBOL_BYTES_V1 <= symbol_bytes <= _SYMBOL_BYTES_MAX:
        raise FormatError(
            f"{path}: its DBN header is corrupt: expected symbols of {_SYMBOL_BYTES_V1} to "
            f"{_SYMBOL_BYTES_MAX} bytes, found {symbol_bytes}"
        )
    walk = _Walk(path, header, _FIXED_BYTES, "DBN header")
    walk.skip_symbols(symbol_bytes)
    if len(header) - walk.at >= _WORD_BYTES:
        raise FormatError(
            f"{path}: its header claims {len(header)} bytes, its content needs {walk.at}: "
            "the file is corrupt"
        )


def require_true_symbols(path: str, symbols: bytes) -> None:
    """Walk the symbols of a DBZ header, decompressed, by their counts; laid out as in version 1.

    Raises
    ------
    FormatError
        If a count claims more than there are bytes or than is allowed.
    """
    _Walk(path, symbols, 0, "DBZ header", " of its symbols").skip_symbols(_SYMBOL_BYTES_V1)


class _Walk:
    """A place in a header, moved by the counts found there."""

    def __init__(self, path: str, header: bytes, at: int, name: str, part: str = "") -> None:
        self.path = path
        self.header = header
        self.at = at
        self.name = name
        self.part = part

    def skip_symbols(self, symbol_bytes: int) -> None:
        """Pass the schema definition, the symbols and what they are mapped to."""
        self.skip("bytes of schema definition", 1)
        for what in ("symbols", "partly resolved symbols", "unresolved symbols"):
            self.skip(what, symbol_bytes)
        interval_bytes = 2 * _DATE_BYTES + symbol_bytes
        left = MAPPINGS_MAX
        for _ in range(self.count("symbol mappings", symbol_bytes + _COUNT_BYTES)):
            self.at += symbol_bytes
            left -= self.skip("intervals of a mapping", interval_bytes)
            if left < 0:
                raise FormatError(f"{self.path}: has more than {MAPPINGS_MAX} symbol mappings")

    def count(self, what: str, item_bytes: int) -> int:
        """Read how many items follow, at least ``item_bytes`` each."""
        begin = self.at
        self.at += _COUNT_BYTES
        count = int.from_bytes(self.header[begin : self.at], "little")
        left = len(self.header) - self.at
        if left < 0 or count * item_bytes > left:
            raise FormatError(
                f"{self.path}: its {self.name} is corrupt: at byte offset {begin}{self.part} it "
                f"claims {count} {what} of {item_bytes} bytes, {max(0, left)} bytes follow"
            )
        if count > MAPPINGS_MAX:
            raise FormatError(f"{self.path}: has {count} {what}; at most {MAPPINGS_MAX}")
        return count

    def skip(self, what: str, item_bytes: int) -> int:
        """Read a count and pass the items; return how many they are."""
        count = self.count(what, item_bytes)
        self.at += count * item_bytes
        return count
