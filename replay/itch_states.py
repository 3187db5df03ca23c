"""Trading states of NASDAQ's Stock Trading Action messages (``H``) as ``status`` records.

Source of the message: NASDAQ TotalView-ITCH 5.0, "Stock Trading Action"; of the reasons:
https://nasdaqtrader.com/Trader.aspx?id=TradeHaltCodes; of what they are in Databento's words:
https://docs.rs/dbn, ``StatusAction`` and ``StatusReason``.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.market.status import RTYPE_STATUS, STATUS_DTYPE, STATUS_LENGTH_WORDS

_YES, _NO, _UNKNOWN = ord("Y"), ord("N"), ord("~")
#: By the message's state: ``StatusAction``, whether it trades, whether it quotes.
_STATES: Final = {
    "H": (8, _NO, _NO),  # halted in all markets
    "P": (9, _NO, _NO),  # paused in all markets
    "Q": (3, _NO, _YES),  # quotation only, before it opens again
    "T": (7, _YES, _YES),  # trading
}
#: ``StatusReason`` by the message's reason; others are 0, none.
_REASONS: Final = {
    "T1": 30, "T2": 31, "T3": 32, "C3": 33, "LUDP": 50, "LUDS": 50, "T5": 50, "O1": 60, "T12": 70,
    "T8": 90, "M1": 100, "MWC1": 120, "MWC2": 121, "MWC3": 122, "MWC0": 123, "MWCQ": 124,
    "M2": 130, "H11": 10, "H4": 12, "H9": 13, "H10": 14, "R1": 16, "R2": 16, "R4": 17, "R9": 18,
}  # fmt: skip


@dataclass(frozen=True)
class TradingAction:
    """A Stock Trading Action message: its time in ns since the epoch, its state and reason."""

    locate: int
    ts: int
    state: str
    reason: str

    @property
    def is_known(self) -> bool:
        """Whether the state is one of ITCH 5.0."""
        return self.state in _STATES


def read_action(message: bytes, midnight_ns: int) -> TradingAction:
    """Read a message of type ``H``, 25 bytes, whose time counts from a midnight."""
    return TradingAction(
        locate=int.from_bytes(message[1:3], "big"),
        ts=midnight_ns + int.from_bytes(message[5:11], "big"),
        state=chr(message[19]),
        reason=message[21:25].decode("ascii", "replace").strip(),
    )


def status_records(
    actions: Sequence[TradingAction], locates: Collection[int], publisher_id: int
) -> npt.NDArray[Any]:
    """Return what is said of some stocks, ``STATUS_DTYPE``, shape (n,), in the order of the file.

    The file has one clock: ``ts_recv`` is ``ts_event``.
    """
    wanted = [one for one in actions if one.locate in locates]
    records = np.zeros(len(wanted), STATUS_DTYPE)
    records["length"], records["rtype"] = STATUS_LENGTH_WORDS, RTYPE_STATUS
    records["publisher_id"] = publisher_id
    records["is_short_sell_restricted"] = _UNKNOWN
    for row, one in zip(records, wanted, strict=True):
        row["instrument_id"] = one.locate
        row["ts_event"] = row["ts_recv"] = one.ts
        row["action"], row["is_trading"], row["is_quoting"] = _STATES[one.state]
        row["reason"] = _REASONS.get(one.reason, 0)
    return records
