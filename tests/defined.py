"""Files of instrument definitions, laid out as Databento's own library does."""

from pathlib import Path
from typing import Any, Final

import databento_dbn as dbn
import numpy as np

import streams

VENDOR: Final = {
    1: dbn.InstrumentDefMsgV1,
    2: dbn.InstrumentDefMsgV2,
    3: dbn.InstrumentDefMsg,
}
#: What a field has where it says nothing.
NOTHING: Final[dict[str, Any]] = {
    **dict.fromkeys(
        (
            "min_price_increment", "display_factor", "max_price_variation", "high_limit_price",
            "low_limit_price", "unit_of_measure_qty", "min_price_increment_amount",
        ),
        2**63 - 1,
    ),
    **dict.fromkeys(
        ("min_lot_size", "contract_multiplier", "original_contract_size", "min_lot_size_round_lot"),
        2**31 - 1,
    ),
    "min_trade_vol": 2**32 - 1,
    "match_algorithm": b" ",
    "security_update_action": b"A",
}  # fmt: skip


def layout(version: int) -> np.dtype[Any]:
    """The record as Databento's library has it."""
    return np.dtype(VENDOR[version]._dtypes)


def definition(version: int = 3, **fields: Any) -> bytes:
    """A record; fields that are not given say nothing."""
    row = np.zeros(1, layout(version))
    row["length"], row["rtype"] = row.itemsize // 4, 0x13
    row["publisher_id"] = 1
    for name, value in {**NOTHING, **fields}.items():
        row[name] = value
    return row.tobytes()


def write(path: Path, *records: bytes, version: int = 3, packed: bool = False) -> Path:
    """A DBN file of definitions."""
    data = streams.dbn_header(schema="definition", version=version) + b"".join(records)
    streams.write(path, streams.zstd_bytes(data) if packed else data)
    return path
