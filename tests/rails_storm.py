"""Anything at any time to a desk of rails: what must hold whatever happens to it.

Commands, answers, fills, second words of the same thing, cuts that lose some of what is on its way,
and ends of the process at any point: before an order is on the disk, after it, after it was sent,
in the middle of a write. After a cut of power only what was synced is there.
"""

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rails_desks import SYMBOL, Table
from rails_venue import OPEN
from tapewire.live.orders import NewOrder
from tapewire.live.rails.messages import RailsState

#: How long an account may take to be settled once all is quiet (s).
QUIET_S = 20.0
ACTIONS = {
    "send": 30, "again": 4, "cancel": 8, "replace": 8, "fill": 20, "step": 30, "turn": 30,
    "repeat": 6, "cut": 3, "kill": 3, "arm": 4,
}  # fmt: skip


class KilledError(BaseException):
    """The process of the rails ends here."""


class Storm:
    """One seed's worth of it.

    Attributes
    ----------
    counts
        What has happened, by name.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.draw = random.Random(seed)
        self.table = Table(folder)
        self.table.before_send = self.before_send  # type: ignore[method-assign]
        self.synced: dict[int, int] = {}
        self.counts: Counter[str] = Counter()
        self.names: list[str] = []
        self.events: list[Any] = []
        self.armed = ""

    # --- the disk ---------------------------------------------------------------------------------

    def sync(self, fd: int) -> None:
        """As ``os.fdatasync``, but for a disk that remembers what was synced."""
        status = os.fstat(fd)
        self.synced[status.st_ino] = status.st_size

    def write(self, fd: int, data: Any) -> int:
        """As ``os.write``; the process may end in it."""
        if self.armed == "write":
            self.armed = ""
            self.real_write(fd, bytes(data)[: self.draw.randrange(len(data))])
            raise KilledError
        return self.real_write(fd, data)

    def lose_power(self) -> None:
        """Of what was not synced only a part is there."""
        path = self.table.desk.journal.path
        status = path.stat()
        kept = self.synced.get(status.st_ino, status.st_size)
        if status.st_size > kept:
            os.truncate(path, self.draw.randint(kept, status.st_size))

    def before_send(self, order: NewOrder) -> None:
        if self.armed == "journaled":
            self.armed = ""
            raise KilledError
        path = self.table.desk.journal.path
        size = self.synced.get(path.stat().st_ino, 0)
        assert order.client_order_id.encode() in path.read_bytes()[:size], "sent before it is safe"
        if order.strategy_id != "rails":
            assert self.table.state in (RailsState.ACTIVE, RailsState.REDUCING), "sent in no state"
        if self.armed == "sent":
            self.armed = ""
            self.table.broker.going.append(order)
            raise KilledError

    # --- what happens -----------------------------------------------------------------------------

    def play(self, steps: int) -> "Storm":
        """Play so many steps, then let it come to rest and check all."""
        self.real_write = os.write
        with (
            patch("tapewire.live.rails.journal.os.fdatasync", self.sync),
            patch("tapewire.live.rails.journal.os.write", self.write),
        ):
            self.table.open()
            self.guard(self.table.pass_s, 0.5)
            names, weights = list(ACTIONS), list(ACTIONS.values())
            for _ in range(steps):
                action = self.draw.choices(names, weights)[0]
                self.counts[action] += 1
                self.guard(getattr(self, f"do_{action}"))
                self.check_always()
            self.armed = ""
            self.guard(self.table.pass_s, QUIET_S)
            self.check_at_rest()
        self.table.die()
        return self

    def guard(self, do: Any, *values: Any) -> None:
        """Do it; where the process ends in it, another one begins."""
        try:
            do(*values)
        except KilledError:
            self.counts["killed in it"] += 1
            self.do_kill()

    def do_send(self) -> None:
        lots = self.draw.choice((-3, -2, -1, 1, 2, 3))
        price = self.draw.choice((None, 99.0, 100.0, 101.0))
        order = self.table.order(lots, price)
        self.names.append(order.client_order_id)
        self.table.desk.command(order, self.table.now_ns)

    def do_again(self) -> None:
        orders = [*self.table.desk.ledger.open.values(), *self.table.desk.ledger.ended.values()]
        if orders:
            self.table.desk.command(self.draw.choice(orders).order, self.table.now_ns)

    def some_name(self) -> str | None:
        names = list(self.table.desk.ledger.open) or self.names
        return self.draw.choice(names) if names else None

    def do_cancel(self) -> None:
        if name := self.some_name():
            self.table.cancel(name)

    def do_replace(self) -> None:
        if name := self.some_name():
            self.table.replace(name, self.draw.randint(1, 6), self.draw.choice((98.0, 99.0)))

    def do_fill(self) -> None:
        venue, broker = self.table.venue, self.table.broker
        if not (names := venue.open):
            return
        name = self.draw.choice(names)
        one = venue.orders[name]
        said = venue.fill(name, self.draw.randint(1, one.quantity - one.filled), broker.now_ns)
        if broker.is_up:
            broker.coming += said

    def do_step(self) -> None:
        self.table.broker.step(self.draw.randint(1, 4))

    def do_turn(self) -> None:
        self.events += [e for e in self.table.broker.coming if hasattr(e, "client_order_id")]
        del self.events[:-50]
        self.table.pass_s(0.1 * self.draw.choice((1, 1, 2, 10)), steps=False)

    def do_repeat(self) -> None:
        if self.events and self.table.broker.is_up:
            self.table.broker.coming.append(self.draw.choice(self.events[-10:]))

    def do_cut(self) -> None:
        self.table.broker.cut(self.draw)
        self.events.clear()  # another session does not tell them again by itself

    def do_kill(self) -> None:
        self.table.broker.cut(self.draw)
        self.table.die()
        if self.draw.random() < 0.5:
            self.lose_power()
        self.armed = ""
        self.events.clear()
        self.table.open()

    def do_arm(self) -> None:
        self.armed = self.draw.choice(("write", "journaled", "sent"))

    # --- what must hold ---------------------------------------------------------------------------

    def check_always(self) -> None:
        venue = self.table.venue
        twice = {name: n for name, n in venue.received.items() if n > 1}
        assert not twice, f"sent more than once: {twice}"

    def check_at_rest(self) -> None:
        ledger, venue = self.table.desk.ledger, self.table.venue
        self.check_always()
        for name, one in venue.orders.items():
            known = ledger.order(name)
            assert known is not None, f"{name} is at the venue, and in no journal"
            assert known.filled == one.filled, f"{name}: filled {known.filled}, not {one.filled}"
            assert known.is_open == (one.status in OPEN), f"{name}: {known.status}, {one.status}"
        for name in ledger.open:
            assert name in venue.orders, f"{name} is open, and not at the venue"
        assert not ledger.unknown
        assert self.table.lots() == venue.positions[SYMBOL]
        assert self.table.state == RailsState.ACTIVE, self.table.desk.rules.standing()
