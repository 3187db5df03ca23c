"""DBN files of any one schema.

Source of the sizes and types of records: the DBN specification, versions 1 to 3.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from tapewire.errors import FormatError
from tapewire.market.records import RECORD_BYTES
from tapewire.replay.dbn import DbnFile

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
_TRADE_RTYPES: Final[Mapping[str, int]] = {
    "trades": 0x00, "tbbo": 0x01, "mbp-1": 0x01, "mbp-10": 0x0A,
}  # fmt: skip


def schema_of(path: str) -> str:
    """Return what schema a file says it has; of a capture that mixes them, ``mbo``.

    Raises
    ------
    MissingFileError, FormatError
        As `DbnFile`.
    """
    with DbnFile(path, schema=None) as file:
        schema = file.metadata.schema
        return "mbo" if schema is None else str(schema)


class SchemaFile(DbnFile):
    """An open DBN file of any one schema.

    Attributes
    ----------
    schema
        Of its records, by Databento's name.
    record_bytes
        The size of one.

    Raises
    ------
    MissingFileError, FormatError
        As `DbnFile`; FormatError also for a schema that is not of `RECORD_SIZES`.
    """

    def __init__(self, path: str) -> None:
        self.schema = schema_of(path)
        sizes = RECORD_SIZES.get(self.schema)
        if sizes is None:
            raise FormatError(
                f"{path}: has schema {self.schema}; expected one of {', '.join(RECORD_SIZES)}"
            )
        super().__init__(path, schema=self.schema, record_bytes=sizes)
        self.record_bytes = sizes if isinstance(sizes, int) else sizes[self.version]

    def require_trades(self, records: np.ndarray) -> None:
        """Check the records that were read last, of a schema that tells of trades, shape (n,).

        Raises
        ------
        FormatError
            If one is of another type.
        """
        rtype, size = _TRADE_RTYPES[self.schema], records.dtype.itemsize
        wrong = (records["rtype"] != rtype) | (records["length"] != size // 4)
        if wrong.any():
            bad = int(wrong.argmax())
            record = self.records_read - len(records) + bad
            raise FormatError(
                f"{self.path}: record {record} at byte offset {self.offset_of(record)}"
                f"{self._offset_note()}: expected a record of {self.schema} (rtype {rtype:#04x}, "
                f"{size} bytes), found rtype {int(records['rtype'][bad]):#04x}, "
                f"{int(records['length'][bad]) * 4} bytes: the file is corrupt or mixes schemas"
            )
