"""Scale factors of prices, money and time; each has a name of its own, though all are 10^9.

Sources: Databento's fixed-point prices (1 unit = 1e-9) and its ns timestamps; money is kept on the
scale of prices, so that a price times lots is money without another factor.
"""

from typing import Final

#: Price units per 1.
PRICE_UNITS: Final = 1_000_000_000
#: Money units per currency unit.
MONEY_UNITS: Final = 1_000_000_000
#: Nanoseconds per second.
NS_PER_S: Final = 1_000_000_000
#: Nanoseconds per day, UTC.
NS_PER_DAY: Final = 86_400 * NS_PER_S
#: From here on whole numbers are ns since the epoch (1973): below are dates like 20240304, and
#: seconds, ms and µs of our days.
SURELY_NS: Final = 10**17
