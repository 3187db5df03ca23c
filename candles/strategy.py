"""What a strategy on candles is: questions that it answers as each bar ends."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tapewire.candles.data import Candles
from tapewire.candles.layout import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from tapewire.candles.signals import Codes, signal_codes


class CandleStrategy:
    """A strategy that is asked bar by bar; subclasses answer what they care for.

    ``candles`` are the bars up to the one that just ended, which is ``index``: what comes later is
    not there to be seen. Prices are in ticks of ``candles.tick`` currency.
    """

    name = "strategy"

    def should_enter_long(self, candles: Candles, index: int) -> bool:
        """Whether to buy."""
        return False

    def should_exit_long(self, candles: Candles, index: int) -> bool:
        """Whether to sell what was bought."""
        return False

    def should_enter_short(self, candles: Candles, index: int) -> bool:
        """Whether to sell short."""
        return False

    def should_exit_short(self, candles: Candles, index: int) -> bool:
        """Whether to buy back what was sold short."""
        return False

    def position_size(self, balance: float, price: float) -> float | None:
        """Return units of a new position, of a balance and a price in currency.

        None: as the configuration says.
        """
        return None

    def code(self, candles: Candles, index: int) -> int:
        """Return all four answers as one code of `tapewire.candles.layout`."""
        said = ENTER_LONG if self.should_enter_long(candles, index) else 0
        said |= EXIT_LONG if self.should_exit_long(candles, index) else 0
        said |= ENTER_SHORT if self.should_enter_short(candles, index) else 0
        return said | (EXIT_SHORT if self.should_exit_short(candles, index) else 0)

    def codes(self, candles: Candles) -> Codes:
        """Return the codes of every bar, for the vectorised engine."""
        n = len(candles)
        found = np.array([self.code(candles.until(i), i) for i in range(n)], np.uint8)
        flags = {
            name: found & code != 0
            for name, code in (
                ("entry_long", ENTER_LONG), ("exit_long", EXIT_LONG),
                ("entry_short", ENTER_SHORT), ("exit_short", EXIT_SHORT),
            )
        }  # fmt: skip
        return signal_codes(n, **flags)


class ArrayStrategy(CandleStrategy):
    """A strategy whose answers are known for every bar: four arrays, asked bar by bar.

    Parameters
    ----------
    n, entry_long, exit_long, entry_short, exit_short
        See `tapewire.candles.signals.signal_codes`.
    name
        For results.
    """

    def __init__(
        self,
        n: int,
        *,
        entry_long: Any = None,
        exit_long: Any = None,
        entry_short: Any = None,
        exit_short: Any = None,
        name: str = "signals",
    ) -> None:
        self.name = name
        self._codes: npt.NDArray[np.uint8] = signal_codes(
            n, entry_long=entry_long, exit_long=exit_long, entry_short=entry_short,
            exit_short=exit_short,
        )  # fmt: skip

    def code(self, candles: Candles, index: int) -> int:
        """Return what the arrays say."""
        return int(self._codes[index])

    def codes(self, candles: Candles) -> Codes:
        """Return the arrays as they are."""
        return self._codes
