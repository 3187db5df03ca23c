"""Makes NASDAQ TotalView-ITCH 5.0 files, field by field as the specification lists them."""

import random
import struct

#: Of each message the fields behind type, locate, tracking number and time: (name, bytes; text).
#: Source: NASDAQ TotalView-ITCH 5.0, section "Message Formats".
FIELDS = {
    "S": [("event", 1, True)],
    "R": [
        ("stock", 8, True), ("category", 1, True), ("status", 1, True), ("round_lot", 4, False),
        ("round_lots_only", 1, True), ("classification", 1, True), ("sub_type", 2, True),
        ("authenticity", 1, True), ("short_sale", 1, True), ("ipo", 1, True), ("luld", 1, True),
        ("etp", 1, True), ("etp_leverage", 4, False), ("inverse", 1, True),
    ],
    "H": [("stock", 8, True), ("state", 1, True), ("reserved", 1, True), ("reason", 4, True)],
    "Y": [("stock", 8, True), ("action", 1, True)],
    "L": [
        ("mpid", 4, True), ("stock", 8, True), ("primary", 1, True), ("mode", 1, True),
        ("state", 1, True),
    ],
    "V": [("level1", 8, False), ("level2", 8, False), ("level3", 8, False)],
    "W": [("level", 1, True)],
    "K": [("stock", 8, True), ("time", 4, False), ("qualifier", 1, True), ("price", 4, False)],
    "J": [
        ("stock", 8, True), ("reference", 4, False), ("upper", 4, False), ("lower", 4, False),
        ("extension", 4, False),
    ],
    "h": [("stock", 8, True), ("market", 1, True), ("action", 1, True)],
    "A": [
        ("order", 8, False), ("side", 1, True), ("shares", 4, False), ("stock", 8, True),
        ("price", 4, False),
    ],
    "F": [
        ("order", 8, False), ("side", 1, True), ("shares", 4, False), ("stock", 8, True),
        ("price", 4, False), ("attribution", 4, True),
    ],
    "E": [("order", 8, False), ("shares", 4, False), ("match", 8, False)],
    "C": [
        ("order", 8, False), ("shares", 4, False), ("match", 8, False), ("printable", 1, True),
        ("price", 4, False),
    ],
    "X": [("order", 8, False), ("shares", 4, False)],
    "D": [("order", 8, False)],
    "U": [("order", 8, False), ("new", 8, False), ("shares", 4, False), ("price", 4, False)],
    "P": [
        ("order", 8, False), ("side", 1, True), ("shares", 4, False), ("stock", 8, True),
        ("price", 4, False), ("match", 8, False),
    ],
    "Q": [
        ("shares", 8, False), ("stock", 8, True), ("price", 4, False), ("match", 8, False),
        ("cross", 1, True),
    ],
    "B": [("match", 8, False)],
    "I": [
        ("paired", 8, False), ("imbalance", 8, False), ("direction", 1, True), ("stock", 8, True),
        ("far", 4, False), ("near", 4, False), ("reference", 4, False), ("cross", 1, True),
        ("variation", 1, True),
    ],
    "N": [("stock", 8, True), ("interest", 1, True)],
    "O": [
        ("stock", 8, True), ("eligible", 1, True), ("lowest", 4, False), ("highest", 4, False),
        ("near", 4, False), ("near_time", 8, False), ("lower", 4, False), ("upper", 4, False),
    ],
}  # fmt: skip
#: Total lengths as the specification's implementers list them.
LENGTHS = {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21,
    "A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19,
    "I": 50, "N": 20, "O": 48,
}  # fmt: skip


def message(kind: str, locate: int, ns: int, /, **fields: int | str) -> bytes:
    """One message behind its length; fields that are not given are 0 or spaces."""
    body = kind.encode() + struct.pack(">HH", locate, 0) + ns.to_bytes(6, "big")
    for name, size, is_text in FIELDS[kind]:
        if is_text:
            body += str(fields.pop(name, "")).encode().ljust(size)
        else:
            body += int(fields.pop(name, 0)).to_bytes(size, "big")
    assert not fields, fields
    return struct.pack(">H", len(body)) + body


def session(stocks: dict[str, int], seed: int, count: int) -> bytes:
    """A day of messages about some stocks, the kinds mixed by chance; prices around 100."""
    draw = random.Random(seed)
    ns = 11 * 3600 * 10**9
    out = [message("S", 0, ns, event="O")]
    for stock, locate in stocks.items():
        out.append(message("R", locate, ns, stock=stock, round_lot=100))
        out.append(message("H", locate, ns, stock=stock, state="T"))
    live: dict[int, list] = {}  # order → [locate, shares]
    names = {locate: stock for stock, locate in stocks.items()}
    next_order = 1_000
    for _ in range(count):
        ns += draw.choice([0, 1, 999, 50_000_000])
        kind = draw.choice("AAAAFEECXXDDUUPQBIYLN")
        locate = draw.choice(list(names))
        stock = names[locate]
        price = draw.randrange(995_000, 1_005_000, 100)
        shares = draw.randrange(1, 500)
        if kind in "ECXDU" and not live:
            kind = "A"
        if kind in "AF":
            more = {"attribution": "NSDQ"} if kind == "F" else {}
            out.append(message(
                kind, locate, ns, order=next_order, side=draw.choice("BS"), shares=shares,
                stock=stock, price=price, **more,
            ))  # fmt: skip
            live[next_order] = [locate, shares]
            next_order += draw.randrange(1, 9)
        elif kind in "ECXDU":
            order = draw.choice(list(live))
            locate, left = live[order]
            taken = draw.randrange(1, left + 1)
            if kind == "E":
                out.append(message("E", locate, ns, order=order, shares=taken, match=7))
            elif kind == "C":
                out.append(message(
                    "C", locate, ns, order=order, shares=taken, match=8, price=price,
                    printable=draw.choice("YN"),
                ))  # fmt: skip
            elif kind == "X":
                out.append(message("X", locate, ns, order=order, shares=taken))
            elif kind == "D":
                out.append(message("D", locate, ns, order=order))
                taken = left
            else:
                out.append(message(
                    "U", locate, ns, order=order, new=next_order, shares=shares, price=price
                ))  # fmt: skip
                live[next_order] = [locate, shares]
                next_order += 1
                taken = left
            live[order][1] -= taken
            if not live[order][1]:
                del live[order]
        elif kind == "P":
            out.append(message(
                "P", locate, ns, order=0, side="B", shares=shares, stock=stock, price=price
            ))  # fmt: skip
        elif kind == "Q":
            size = draw.choice([0, 12_345])
            out.append(message("Q", locate, ns, shares=size, stock=stock, price=price, cross="O"))
        elif kind == "B":
            out.append(message("B", locate, ns, match=7))
        else:
            out.append(message(kind, locate, ns, stock=stock))
    out.append(message("S", 0, ns + 1, event="C"))
    return b"".join(out)
