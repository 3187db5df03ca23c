"""What is odd about a capture, found by looking at one event after the other, as a whole."""

from collections import Counter

from .book import F_LAST, F_SNAPSHOT, NaiveBook, NaiveBooks, Record


def apply_event(event: list[Record], book: NaiveBook) -> Counter[str]:
    """Apply one event to its book; what stood ahead of each of its fills as it began."""
    seen: Counter[str] = Counter()
    filled = {x.order_id for x in passive(event, book)}
    passed: list[list[tuple[int | None, int]]] = []
    lots: Counter[int | None] = Counter()
    trade: Record | None = None
    for x in event:
        if chr(x.action) == "T":
            trade = x
        if chr(x.action) != "F":
            continue
        if trade is not None and chr(trade.side) not in "BA":
            seen["auction"] += 1
            continue
        order = book.orders.get(x.order_id)
        if is_own(x, trade, book):
            seen["own"] += 1
            continue
        if order is None:
            seen["unknown"] += 1
            continue
        seen["other_price"] += x.price != order.price
        seen["excess"] += x.size > max(0, order.size - lots[x.order_id])
        queue = book.sides[order.side][order.price]
        ahead = [o for o in queue[: queue.index(order)] if lots[o.order_id] < o.size]
        lots[x.order_id] += x.size
        passed.append([(o.order_id, o.price) for o in ahead])
    for x in event:
        book.apply(x)
    for ahead_ in passed:
        after = (book.orders.get(k) for k, _ in ahead_ if k is not None)
        resting = {(o.order_id, o.price) for o in after if o}
        if not ahead_:
            seen["direct"] += 1
        elif any(o in resting and o[0] not in filled for o in ahead_):
            seen["jumped"] += 1
        elif any(o[0] in filled for o in ahead_):
            seen["behind_filled"] += 1
        else:
            seen["behind_cancelled"] += 1
    return seen


def is_own(x: Record, trade: Record | None, book: NaiveBook) -> bool:
    """Whether an F tells of the aggressor itself: it is on the T's side, or has its order's id."""
    order = book.orders.get(x.order_id)
    side = order.side if order else chr(x.side)
    if trade is None:
        return False
    return (side in "BA" and side == chr(trade.side)) or x.order_id == trade.order_id != 0


def passive(event: list[Record], book: NaiveBook) -> list[Record]:
    """The F records of resting orders that are known."""
    trade, out = None, []
    for x in event:
        if chr(x.action) == "T":
            trade = x
        is_auction = trade is not None and chr(trade.side) not in "BA"
        if chr(x.action) == "F" and x.order_id in book.orders and not is_auction:
            if not is_own(x, trade, book):
                out.append(x)
    return out


def fills_in(records: list[Record]) -> Counter[str]:
    """The fills of a stream whose events of different books do not overlap, and all have an end."""
    books, seen, event = NaiveBooks(), Counter[str](), list[Record]()
    for r in records:
        event.append(r)
        if r.flags & F_LAST or r.flags & F_SNAPSHOT:
            key = r.publisher_id, r.instrument_id
            seen += apply_event(event, books.books.setdefault(key, NaiveBook(books.counts)))
            event.clear()
    return seen
