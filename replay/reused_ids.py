"""Instrument ids that stand for another symbol on another day: venues give them out anew."""

from itertools import pairwise

from tapewire.errors import InputError
from tapewire.market.continuous import root_of
from tapewire.market.times import time_text
from tapewire.wire import StreamInfo, SymbolMapping


def require_one_symbol(info: StreamInfo) -> None:
    """Refuse a stream in which an instrument id is of one symbol first, of another later.

    Books, positions and results have one name per id. Continuous and parent symbols are no names
    of their own, and two symbols of an id at the same time are names of one instrument.

    Raises
    ------
    InputError
        If there is such an id.
    """
    # What is played to warm up begins before the start.
    from_ns = 0 if info.warmup_until_ns else info.start_ns
    until_ns = info.end_ns or 2**63 - 1
    named = [
        one
        for one in info.mappings
        if max(one.start_ns, from_ns) < min(one.end_ns, until_ns) and not root_of(one.raw_symbol)
    ]
    named.sort(key=lambda one: (one.instrument_id, one.start_ns, one.end_ns))
    # Each dataset numbers its instruments by itself, and mappings don't say whose they are.
    several = "+" in info.dataset
    for before, after in pairwise(named):
        if several and after.start_ns < before.end_ns:
            continue
        if _is_reused(before, after):
            first, second = before.raw_symbol, after.raw_symbol
            raise InputError(
                f"instrument {after.instrument_id}: expected one symbol, found {first} until "
                f"{time_text(min(before.end_ns, after.start_ns))} and {second} from "
                f"{time_text(after.start_ns)} on: "
                f"choose symbols that share no instrument (--symbols {first}), or give the files "
                "of one day at a time"
            )


def _is_reused(before: SymbolMapping, after: SymbolMapping) -> bool:
    """Whether one symbol takes an instrument id over from another: it begins and ends later.

    Their times may overlap: files that were converted map a day's ids to the end of the next one.
    """
    return (
        before.instrument_id == after.instrument_id
        and before.raw_symbol != after.raw_symbol
        and before.start_ns < after.start_ns
        and before.end_ns < after.end_ns
    )
