"""How large the records of Databento's schemas are.

Source: the DBN specification, versions 1 to 3.
"""

from collections.abc import Mapping
from typing import Final

from tapewire.market.records import RECORD_BYTES

#: Bytes of a record by schema, and where it grew by DBN version.
RECORD_SIZES: Final[Mapping[str, int | Mapping[int, int]]] = {
    "mbo": RECORD_BYTES,
    "mbp-10": 368,
    **dict.fromkeys(("mbp-1", "tbbo", "bbo-1s", "bbo-1m", "cmbp-1", "tcbbo"), 80),
    **dict.fromkeys(("cbbo-1s", "cbbo-1m"), 80),
    "trades": 48,
    **dict.fromkeys(("ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d", "ohlcv-eod"), 56),
    "definition": {1: 360, 2: 400, 3: 520},
    "statistics": {1: 64, 2: 64, 3: 80},
    "status": 40,
    "imbalance": 112,
}
#: Record types of the schemas that tell of trades.
TRADE_RTYPES: Final[Mapping[str, int]] = {
    "trades": 0x00,
    "tbbo": 0x01,
    "mbp-1": 0x01,
    "mbp-10": 0x0A,
}
