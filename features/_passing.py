"""Kernels of a pass: records change books, and rows of features are taken."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_entry, jit_inline
from tapewire.features.evaluating import evaluate_features
from tapewire.features.layout import EVENTS, MID, ROWS_FULL, features_at, row_at, word_at
from tapewire.features.samples import BY_EVENTS, BY_TIME, BY_TOUCH, BY_TRADES
from tapewire.features.updating import note_feature_trade, update_features
from tapewire.market.ahead import begin_ahead, look_ahead
from tapewire.market.applying import apply_record, side_of
from tapewire.market.events import close_event, closes_before
from tapewire.market.ids import book_of
from tapewire.market.layout import FAR_NOTHING, NEW_BOOK, NIL, OK, record_at
from tapewire.market.records import ACTION_TRADE, F_LAST

_NUMBER_BYTES: Final = 8
#: Events a record may end at most: the one before it, and its own.
_EVENTS_PER_RECORD: Final = 2


@jit_entry
def pass_batch(market_state: Any, pass_state: Any, records: int, n: int, start: int) -> Any:
    """Pass over records from ``start`` on; (status, record to go on with)."""
    market = market_state[0]
    p = pass_state[0]
    if market.far != FAR_NOTHING:
        begin_ahead(market, records, start, n)
    for i in range(start, n):
        if market.far != FAR_NOTHING:
            look_ahead(market, records, i, n)
        record = record_at(records, i)
        book = book_of(market, record)
        if book == NIL:
            return NEW_BOOK, i
        room = p.capacity - _EVENTS_PER_RECORD
        if p.row_n > room or p.mid_n > room:
            return ROWS_FULL, i
        if closes_before(market, book, record):
            close_event(market, book, 0)
            market.missing_last += 1
            _end_event(market, p, book)
        if record.ts_recv > p.clock:
            if p.kind == BY_TIME:
                if p.clock == 0:  # nothing can be said of moments before the first record
                    p.due_ns = max(p.due_ns, -(-record.ts_recv // p.n) * p.n)
                if p.due_ns < record.ts_recv:
                    status = _write_due(market, p, record.ts_recv)
                    if status != OK:
                        return status, i
            p.clock = record.ts_recv
        status = apply_record(market, book, record)
        if status != OK:
            return status, i
        if record.action == ACTION_TRADE:
            note_feature_trade(word_at(p.states, book).value, record.size, side_of(record))
        if record.flags & F_LAST:
            close_event(market, book, record.flags)
            _end_event(market, p, book)
    return OK, n


@jit_entry
def end_pass(market_state: Any, pass_state: Any) -> int:
    """The data end: write what is due up to the last moment; a status."""
    p = pass_state[0]
    if p.kind != BY_TIME or p.clock == 0:
        return OK
    return _write_due(market_state[0], p, p.clock + 1)


@jit_entry
def count_events(market_state: Any, pass_state: Any, out: Any) -> None:
    """Write how many events each book has had so far."""
    for book in range(market_state[0].book_n):
        out[book] = features_at(word_at(pass_state[0].states, book).value, 0).kept[EVENTS]


@jit
def _write_due(market: Any, p: Any, before_ns: int) -> int:
    """Write the rows of every book for the moments that are due before a time; a status."""
    while p.due_ns < before_ns:
        while p.cursor < market.book_n:
            features = word_at(p.states, p.cursor).value
            if features_at(features, 0).kept[EVENTS] > 0:
                if p.row_n == p.capacity:
                    return ROWS_FULL
                _write_row(p, p.cursor, features, p.due_ns)
            p.cursor += 1
        p.cursor = 0
        p.due_ns += p.n
    return OK


@jit_inline
def _end_event(market: Any, p: Any, book: int) -> None:
    """Tell the book's features of an event; write a row if one is due."""
    features = word_at(p.states, book).value
    state = features_at(features, 0)
    trades = state.new_trades
    mid = state.kept[MID]
    changed = update_features(features, market, book, p.clock)
    if p.keeps_mids != 0 and mid != state.kept[MID]:
        _note(row_at(p.mids, p.mid_n), state, book, p.clock)
        p.mid_n += 1
    if p.clock >= p.start_ns:
        if (
            (p.kind == BY_EVENTS and state.kept[EVENTS] % p.n == 0)
            or (p.kind == BY_TRADES and trades > 0)
            or (p.kind == BY_TOUCH and changed)
        ):
            _write_row(p, book, features, p.clock)


@jit
def _write_row(p: Any, book: int, features: int, ts_ns: int) -> None:
    """Write a book's row as of a moment; there is room for it."""
    _note(row_at(p.rows, p.row_n), features_at(features, 0), book, ts_ns)
    evaluate_features(features, ts_ns, p.values + p.row_n * p.width * _NUMBER_BYTES)
    p.row_n += 1


@jit_inline
def _note(row: Any, state: Any, book: int, ts_ns: int) -> None:
    """Write down which event a book is at, and its mid."""
    row.ts = ts_ns
    row.book = book
    row.event = state.kept[EVENTS]
    row.mid = state.kept[MID]
