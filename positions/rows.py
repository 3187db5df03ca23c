"""Rows of a leg's account, sampled as the run goes, and of what strategies record."""

from typing import Final

import numpy as np

#: Money is exact: ``cash`` and ``realized`` in price units x lots (1e-9 price units times lots,
#: before the contract multiplier), ``fees`` in 1e-9 currency units.
#: P&L = (cash + position * mark) * multiplier - fees.
SAMPLE_DTYPE: Final = np.dtype(
    [
        ("leg", "i8"),
        ("ts", "i8"),  # local time of the strategy, ns
        ("position", "i8"),  # lots, signed
        ("cash", "i8"),  # sum of -side * price * quantity over all fills
        ("realized", "i8"),  # price units x lots, gross of fees
        ("fees", "i8"),  # 1e-9 currency units paid so far
        ("mark", "i8"),  # price the position is valued at (mid, else last), 1e-9
        ("volume", "i8"),  # lots traded so far
        ("max_position", "i8"),  # largest |position| so far, lots
    ]
)

#: A value that a strategy recorded of its own.
SERIES_DTYPE: Final = np.dtype(
    [
        ("leg", "i4"),
        ("name", "i4"),  # position among the run's series names
        ("ts", "i8"),  # local time of the strategy, ns
        ("value", "f8"),
    ]
)
