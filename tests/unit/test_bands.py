"""Best prices of charts: what stood is never outside, what is called exact is exact, in bounds."""

import numpy as np
import pytest

from analytics_rows import E9, NOON_NS
from tapewire.analytics import bands as bands_module
from tapewire.analytics.bands import AROUND, EMPTY, EXACT, WIDE, Band, Bands, share_of
from tapewire.execution.rows import FILL_DTYPE, TOUCH_DTYPE
from tapewire.market.records import UNDEF_PRICE

BOOK = 1 << 32 | 17077
SPAN = 1 << 20


def touches_of(rows: list[tuple[int, int | None, int | None, int]], book: int = BOOK) -> np.ndarray:
    made = np.zeros(len(rows), TOUCH_DTYPE)
    made["book"] = book
    for k, (ts, bid, ask, volume) in enumerate(rows):
        made[k]["ts_event"], made[k]["volume"] = ts, volume
        made[k]["bid"] = UNDEF_PRICE if bid is None else bid
        made[k]["ask"] = UNDEF_PRICE if ask is None else ask
    return made


def fills_at(times: list[int], book: int = BOOK) -> np.ndarray:
    made = np.zeros(len(times), FILL_DTYPE)
    made["publisher_id"], made["instrument_id"] = book >> 32, book & 0xFFFF_FFFF
    made["ts_event"] = times
    return made


def steps(band: Band) -> list[tuple[int, int | None, int | None, str]]:
    return [
        (ts, None if kind == EMPTY else bid, None if kind == EMPTY else ask, kind)
        for ts, bid, ask, kind in zip(
            band.ts.tolist(), band.bid.tolist(), band.ask.tolist(), band.kinds, strict=True
        )
    ]


def test_spans_and_what_stands_between_them_by_hand() -> None:
    work = Bands()
    moves = [
        (3 * SPAN + 5, 99, 101, 4),
        (3 * SPAN + 9, 97, 100, 6),
        (3 * SPAN + 9, 98, 100, 6),
        (5 * SPAN + 1, 99, None, 9),  # 98 to 100 stood until here
        (7 * SPAN + 2, 99, 103, 20),
    ]
    work.add(fills_at([]), touches_of(moves))
    band = work.of([BOOK, 5], 0, 9 * SPAN)[BOOK]
    assert steps(band) == [
        (3 * SPAN, 97, 101, WIDE),
        (4 * SPAN, 98, 100, EXACT),
        (5 * SPAN, 98, 100, WIDE),  # what came was worse than nothing
        (6 * SPAN, None, None, EMPTY),
        (7 * SPAN, 99, 103, WIDE),
        (8 * SPAN, 99, 103, EXACT),
    ]
    assert (band.width_ns, band.every) == (SPAN, 1)
    assert (band.volume_start_ns, band.volume_width_ns) == (3 * SPAN, SPAN)
    assert band.volume.tolist() == [6, 0, 3, 0, 11]


def test_every_move_around_a_fill_is_there() -> None:
    moves = [(SPAN * 100 + 10 * k, 99 - k % 2, 101 + k % 3, k) for k in range(60)]
    work = Bands()
    work.add(fills_at([SPAN * 100 + 295]), touches_of(moves))  # between moves 29 and 30
    found = steps(work.of([BOOK], SPAN * 100, SPAN * 101 - 1)[BOOK])
    exact = [(ts, bid, ask, EXACT) for ts, bid, ask, _ in moves[30 - AROUND : 30 + AROUND - 1]]
    back = (moves[30 + AROUND - 1][0], 98, 103, WIDE)
    assert found == [(SPAN * 100, 98, 103, WIDE), *exact, back, ]  # fmt: skip


def test_a_chart_begins_with_what_stood_then_and_without_a_side_with_nothing() -> None:
    work = Bands()
    moves = [(SPAN, None, 101, 0), (40 * SPAN, 99, 101, 5)]
    work.add(fills_at([]), touches_of(moves))
    band = work.of([BOOK], 20 * SPAN, 40 * SPAN)[BOOK]
    assert steps(band) == [(20 * SPAN, None, None, EMPTY), (40 * SPAN, 99, 101, WIDE)]
    assert band.bid[0] == 99  # so that the numbers of the page stay short
    empty = Bands()
    empty.add(fills_at([]), touches_of([(SPAN, None, None, 0)]))
    assert set(empty.of([BOOK], 0, 9 * SPAN)[BOOK].kinds) == {EMPTY}
    assert Bands().of([BOOK], 0, 1) == {}
    late = Bands()
    late.add(fills_at([SPAN * 9]), touches_of([(SPAN * 9, 99, 101, 0)]))
    assert late.of([BOOK], 0, 0) == {}


@pytest.mark.parametrize("seed", range(60))
def test_what_stood_is_inside_and_batches_do_not_show(seed: int) -> None:
    draw = np.random.default_rng(seed)
    ts, volume, rows = NOON_NS, 0, []
    for _ in range(draw.integers(1, 300)):
        gap = draw.integers(0, draw.choice([2, 9_000_000, 90_000_000]))
        ts, volume = ts + int(gap), volume + int(draw.integers(0, 5))
        bid, ask = int(draw.integers(90, 99)), int(draw.integers(100, 110))
        gone_bid, gone_ask = draw.random(2) < 0.1
        rows.append((ts, None if gone_bid else bid, None if gone_ask else ask, volume))
    fills = draw.integers(0, len(rows), draw.integers(0, 60)).tolist()
    times = sorted(rows[k][0] for k in fills)
    moves, end = touches_of(rows), rows[-1][0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands_module, "AROUND", 1)
        patch.setattr(bands_module, "_SPANS_HELD", (24, 24, 1))
        patch.setattr(bands_module, "_FILLS_HELD", (12, 12, 1))
        patch.setattr(bands_module, "SPANS_DRAWN", (16, 16, 1))
        patch.setattr(bands_module, "MOVES_DRAWN", (60, 60, 1))
        whole = Bands()
        whole.add(fills_at(times), moves)
        band = whole.of([BOOK], NOON_NS, end)[BOOK]
        # In batches that end with a move; fills come with the moves that are later, or with it.
        patch.setattr(bands_module, "_ROWS_AT_ONCE", int(draw.integers(1, 40)))
        parts, at = Bands(), 0
        while at < len(rows):
            to = min(at + int(draw.integers(1, 50)), len(rows))
            while to < len(rows) and rows[to][0] == rows[to - 1][0]:
                to += 1
            after = rows[at - 1][0] if at else -1
            parts.add(fills_at([t for t in times if after < t <= rows[to - 1][0]]), moves[at:to])
            at = to
        again = parts.of([BOOK], NOON_NS, end)[BOOK]
    assert steps(again) == steps(band)
    assert (again.every, again.width_ns) == (band.every, band.width_ns)
    assert band.kinds.count(EXACT) <= 60 + 2 * 16
    assert band.every >= len(fills) / 12
    assert again.volume.tolist() == band.volume.tolist()
    assert int(band.volume.sum()) == volume
    assert np.all(np.diff(band.ts) >= 0)
    _hold_against(rows, band, end)


def _hold_against(
    rows: list[tuple[int, int | None, int | None, int]], band: Band, end: int
) -> None:
    """Look at every moment at which a move or a step begins."""
    found = steps(band)
    for now in sorted({ts for ts, *_ in rows} | {ts for ts, *_ in found}):
        standing = [row for row in rows if row[0] <= now]
        step = [one for one in found if one[0] <= now]
        if not standing or not step or now > end:
            continue
        _, bid, ask, _ = standing[-1]
        _, low, high, kind = step[-1]
        if kind == EXACT:
            assert (low, high) == (bid, ask)
        elif kind == WIDE and None not in (bid, ask):
            assert low <= bid <= ask <= high
        elif kind == EMPTY:
            assert bid is None or ask is None


def test_memory_follows_the_bounds() -> None:
    draw = np.random.default_rng(1)
    work, ts = Bands(), NOON_NS
    for _ in range(12):
        moves = np.zeros(100_000, TOUCH_DTYPE)
        moves["book"] = BOOK + draw.integers(0, 3, moves.size)
        moves["ts_event"] = ts + np.arange(moves.size) * 3_000_000
        moves["bid"], moves["ask"] = 99 * E9, 101 * E9
        ts = int(moves["ts_event"][-1])
        fills = fills_at(moves["ts_event"][::3].tolist())
        fills["instrument_id"] = moves["book"][::3] & 0xFFFF_FFFF
        work.add(fills, moves)
    books = work._books
    assert len(books) == 3
    for book in books.values():
        assert len(book.spans) <= 2 * bands_module._SPANS_HELD[1]
        assert len(book.around) <= 2 * AROUND * share_of(bands_module._FILLS_HELD, 3)
        assert len(book.waiting) <= 64
        assert len(book.tail) <= 4 * AROUND
    drawn = work.of(books, NOON_NS, ts)
    points = [len(band.kinds) for band in drawn.values()]
    assert all(100 < n < 2 * 600 + 3_000 + 600 for n in points), points


def test_batches_do_not_show_in_what_happened_where_books_are_many() -> None:
    """The first book is still when so many others come that each may have fewer spans."""
    start = NOON_NS >> 33 << 33

    def moves(book: int, begin: int, step: int, count: int) -> np.ndarray:
        rows = np.zeros(count, TOUCH_DTYPE)
        rows["book"], rows["ts_event"] = book, begin + np.arange(count) * step
        rows["bid"] = 100 * E9 + (np.arange(count) % 3 == 0) * E9 // 100
        rows["ask"], rows["volume"] = rows["bid"] + E9 // 100, np.arange(count)
        return rows

    later = [moves(book, start + (7_000 << 30), 1 << 30, 1_000) for book in range(2, 127)]
    touches = np.concatenate([moves(1, start, 2 << 30, 3_000), *later])
    found = []
    for size in (20_000, 65_536, 200_000):
        work = Bands()
        for at in range(0, len(touches), size):
            work.add(np.zeros(0, FILL_DTYPE), touches[at : at + size])
        found.append(work.markets())
    assert found[0] == found[1] == found[2]


def test_a_share_is_within_its_bounds() -> None:
    assert [share_of((1_000, 300, 50), n) for n in (0, 1, 4, 10, 40)] == [300, 300, 250, 100, 50]
