"""Makes LOBSTER's pairs of files from a small market that knows all its orders."""

import random
from pathlib import Path

NO_ASK, NO_BID = 9_999_999_999, -9_999_999_999
NAME = "AAPL_2012-06-21_34200000_57600000_message_{}.csv"


def best(book: dict[int, list], direction: int, depth: int) -> list[tuple[int, int]]:
    """The best levels of a side as (price, size)."""
    sizes: dict[int, int] = {}
    for side, price, size in book.values():
        if side == direction:
            sizes[price] = sizes.get(price, 0) + size
    return sorted(sizes.items(), reverse=direction == 1)[:depth]


def row(book: dict[int, list], depth: int) -> list[int]:
    """The orderbook file's row."""
    asks, bids = best(book, -1, depth), best(book, 1, depth)
    asks += [(NO_ASK, 0)] * (depth - len(asks))
    bids += [(NO_BID, 0)] * (depth - len(bids))
    return [value for ask, bid in zip(asks, bids, strict=True) for value in (*ask, *bid)]


def market(
    seed: int, count: int, depth: int, older: int, most: int
) -> tuple[list[str], list[list[int]]]:
    """Lines of the message file and rows of the orderbook file.

    ``older`` orders rest before the first message, and never more than ``most``; changes out of
    the range of ``depth`` levels have no message.
    """
    draw = random.Random(seed)
    book: dict[int, list] = {}  # order → [direction, price, size]
    next_order = 1

    def new_order() -> None:
        nonlocal next_order
        direction = draw.choice([1, -1])
        price = 1_000_000 - direction * 100 * draw.randrange(1, 12)
        book[next_order] = [direction, price, draw.randrange(1, 300)]
        next_order += 1

    for _ in range(older):
        new_order()
    ns = 34_200 * 10**9 + 4_241_176
    messages: list[str] = []
    rows: list[list[int]] = []
    while len(messages) < count:
        ns += draw.choice([0, 1, 999, 1_000_000_000])
        before = row(book, depth)
        time = f"{ns // 10**9}.{ns % 10**9:09d}"
        if draw.random() < 0.5:  # now and then with fewer digits, as older files have
            time = time.rstrip("0").rstrip(".")
        kind = draw.choice([1, 1, 1, 2, 3, 4, 5, 6, 7])
        if len(book) >= most:
            kind = draw.choice([3, 4])
        if kind in (2, 3, 4) and not book:
            continue
        if kind == 1:
            new_order()
            order = next_order - 1
            direction, price, size = book[order]
        elif kind in (2, 3, 4):
            order = draw.choice(list(book))
            if kind == 4:  # the best price's first order
                direction = draw.choice([1, -1])
                mine = [(o, v) for o, v in book.items() if v[0] == direction]
                if not mine:
                    continue
                order = min(mine, key=lambda item: (-direction * item[1][1], item[0]))[0]
            direction, price, size = book[order]
            if kind == 2 and size == 1:
                continue
            if kind != 3:
                size = draw.randrange(1, size + (kind == 4))
            book[order][2] -= size
            if not book[order][2]:
                del book[order]
        else:
            order, size, price, direction = 0, 10, 1_000_050, 1
            if kind == 7:
                order, size, price, direction = 0, 0, draw.choice([-1, 0, 1]), -1
        if kind < 5 and row(book, depth) == before:
            continue  # out of range: no message
        messages.append(f"{time},{kind},{order},{size},{price},{direction}")
        rows.append(row(book, depth))
    return messages, rows


def write(folder: Path, messages: list[str], rows: list[list[int]], depth: int) -> Path:
    """Write both files; the message file's path."""
    path = folder / NAME.format(depth)
    path.write_text("".join(f"{line}\n" for line in messages))
    book = folder / NAME.replace("message", "orderbook").format(depth)
    book.write_text("".join(",".join(map(str, line)) + "\n" for line in rows))
    return path
