"""Kernels of efficient prices: random walks that books of one product share, with a common part."""

from typing import Any, Final

from tapewire.compiled.draws import draw
from tapewire.compiled.jit import jit
from tapewire.replay.markets._books import ROOM_TICKS
from tapewire.replay.markets._tables import PRICE_BITS, STEP_NS

_P_PATH: Final = 16
_CHUNK: Final = 0x7FFF
#: Standard deviation of `_bell`: the sum of four uniform draws of 15 bits.
BELL_SD: Final = 18_918.6


@jit
def _bell(bits: int) -> Any:
    """A draw that is nearly normal, around 0: four uniform ones (Irwin and Hall)."""
    parts = (bits & _CHUNK) + (bits >> 15 & _CHUNK) + (bits >> 30 & _CHUNK) + (bits >> 45 & _CHUNK)
    return parts - 2 * _CHUNK


@jit
def follow_path(book: Any, elapsed_ns: int) -> None:
    """Let a book's efficient price go as far as a time since the session's start.

    Steps depend on nothing but their number and the seeds, so books that share them agree. The
    price stays where the book's window has room around it.
    """
    edge = ROOM_TICKS << PRICE_BITS
    while book.path_step < elapsed_ns // STEP_NS:
        book.path_step += 1
        own = _bell(draw(book.path_seed, _P_PATH, book.path_step)) * book.own_scale
        common = _bell(draw(book.factor_seed, _P_PATH, book.path_step)) * book.factor_scale
        book.path = min(max(book.path + ((own + common) >> PRICE_BITS), -edge), edge)
