"""What a strategy says of each bar as it ends: one byte of four bits."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.candles.layout import BARS_PER_WORD, ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from tapewire.errors import ConfigError

Codes = npt.NDArray[np.uint8]

_NAMES: Final = ("entry_long", "exit_long", "entry_short", "exit_short")
_CODES: Final = (ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT)


def signal_codes(
    n: int,
    *,
    entry_long: Any = None,
    exit_long: Any = None,
    entry_short: Any = None,
    exit_short: Any = None,
) -> Codes:
    """Return four signals of each bar in one byte.

    What contradicts itself is no signal: an entry beside an exit of the same direction, a long
    entry beside a short one.

    Parameters
    ----------
    n
        Number of bars.
    entry_long, exit_long, entry_short, exit_short
        bool, shape (n,); None: never.

    Returns
    -------
    uint8 (n,)
        Of an array that is whole words long, as kernels read it.

    Raises
    ------
    ConfigError
        If an array is not of bools, or not n long.
    """
    codes = room_for_codes(n)
    given = (entry_long, exit_long, entry_short, exit_short)
    for name, code, values in zip(_NAMES, _CODES, given, strict=True):
        if values is None:
            continue
        flags = np.asarray(values)
        if flags.dtype != np.bool_ or flags.shape != (n,):
            raise ConfigError(
                f"{name}: expected {n} bools, found {flags.dtype} of shape {flags.shape}"
            )
        codes |= flags.view(np.uint8) * np.uint8(code)
    return consistent(codes)


def room_for_codes(n: int) -> Codes:
    """Return n bytes of zeros, of an array that is whole words long."""
    words = -(-n // BARS_PER_WORD)
    return np.zeros(words, np.int64).view(np.uint8)[:n]


def consistent(codes: Codes) -> Codes:
    """Take entries away, in place, where an exit of the same direction or a second entry is."""
    long = (codes & ENTER_LONG != 0) & (codes & EXIT_LONG == 0)
    short = (codes & ENTER_SHORT != 0) & (codes & EXIT_SHORT == 0)
    codes &= EXIT_LONG | EXIT_SHORT
    codes |= (long & ~short) * np.uint8(ENTER_LONG)
    codes |= (short & ~long) * np.uint8(ENTER_SHORT)
    return codes


def words_of(codes: Codes) -> npt.NDArray[np.int64]:
    """Return codes as kernels read them, eight bars a word; copied only if they have no room."""
    n = len(codes)
    words = -(-n // BARS_PER_WORD)
    base = codes.base
    if isinstance(base, np.ndarray) and base.dtype == np.int64 and base.shape == (words,):
        return base
    room = room_for_codes(n)
    room[:] = codes
    found: npt.NDArray[np.int64] = room.base  # type: ignore[assignment]
    return found
