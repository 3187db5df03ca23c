"""A slow reader of ITCH 5.0, by the specification's field tables: records, volume, best prices."""

from collections import Counter

from itch_files import FIELDS


def parsed(data: bytes) -> list[dict]:
    """All messages as dictionaries, with ``kind``, ``locate``, ``ns`` and ``number``."""
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : at + 2 + length]
        fields = {
            "kind": chr(body[0]),
            "locate": int.from_bytes(body[1:3], "big"),
            "ns": int.from_bytes(body[5:11], "big"),
            "number": len(found) + 1,
        }
        place = 11
        for name, size, is_text in FIELDS[fields["kind"]]:
            raw = body[place : place + size]
            fields[name] = raw.decode().rstrip() if is_text else int.from_bytes(raw, "big")
            place += size
        found.append(fields)
        at += 2 + length
    return found


class Day:
    """What a day comes to: ``records`` as (locate, ns, number, action, side, id, price, size)."""

    def __init__(self, data: bytes) -> None:
        self.records: list[tuple] = []
        self.volume = 0
        self.counts: Counter[str] = Counter()
        self.orders: dict[int, list] = {}  # id → [locate, side, price, size]
        self.best: list[tuple] = []  # after each message: number, locate, best bid, best ask
        for message in parsed(data):
            self.counts[message["kind"]] += 1
            self._message(message)
            if message["kind"] in "AFECXDU":
                mine = [o for o in self.orders.values() if o[0] == message["locate"]]
                bids = [o[2] for o in mine if o[1] == "B"]
                asks = [o[2] for o in mine if o[1] == "A"]
                best = (max(bids, default=None), min(asks, default=None))
                self.best.append((message["number"], message["locate"], *best))

    def _message(self, m: dict) -> None:
        def add(action: str, side: str, order: int, price: int, size: int) -> None:
            self.records.append(
                (m["locate"], m["ns"], m["number"], action, side, order, price, size)
            )
            if action == "T":
                self.volume += size

        kind = m["kind"]
        if kind in "AF":
            side = {"B": "B", "S": "A"}[m["side"]]
            self.orders[m["order"]] = [m["locate"], side, m["price"], m["shares"]]
            add("A", side, m["order"], m["price"], m["shares"])
        elif kind == "P" or (kind == "Q" and m["shares"]):
            add("T", "N", 0, m["price"], m["shares"])
        elif kind in "ECXDU":
            _, side, price, size = self.orders[m["order"]]
            taken = size if kind in "DU" else m["shares"]
            if kind in "EC":
                at = m["price"] if kind == "C" else price
                if kind == "E" or m["printable"] == "Y":
                    add("T", {"B": "A", "A": "B"}[side], 0, at, taken)
                add("F", side, m["order"], at, taken)
            add("C", side, m["order"], price, taken)
            self.orders[m["order"]][3] -= taken
            if not self.orders[m["order"]][3]:
                del self.orders[m["order"]]
            if kind == "U":
                self.orders[m["new"]] = [m["locate"], side, m["price"], m["shares"]]
                add("A", side, m["new"], m["price"], m["shares"])
