"""Market data: the record, the order books, the instruments. Imports nothing of ours."""

from tapewire.market.book import BookLimitError, BookSet, MarketState
from tapewire.market.instruments import Instrument, InstrumentTable, instrument_id_of
from tapewire.market.records import MBO_DTYPE, MBO_KERNEL_DTYPE, UNDEF_PRICE

__all__ = [
    "MBO_DTYPE",
    "MBO_KERNEL_DTYPE",
    "UNDEF_PRICE",
    "BookLimitError",
    "BookSet",
    "Instrument",
    "InstrumentTable",
    "MarketState",
    "instrument_id_of",
]
