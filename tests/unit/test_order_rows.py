"""Rows of orders: what all of them have, and what few of them have beside, put together."""

from pathlib import Path

import numpy as np

from stories import Log, Tape, configure, ns
from tapewire.execution.rows import (
    NEVER,
    ORDER_CORE_DTYPE,
    ORDER_DTYPE,
    ORDER_EXTRA_DTYPE,
    whole_orders,
)
from tapewire.market.records import UNDEF_PRICE
from tapewire.router import Simulation


def test_an_order_without_extras_has_no_terms_and_others_have_theirs() -> None:
    core = np.zeros(3, ORDER_CORE_DTYPE)
    core["client_order_id"] = 1, 2, 3
    core["replaces"] = 0, 0, 7
    extras = np.zeros(1, ORDER_EXTRA_DTYPE)
    extras["row"], extras["expire_ns"], extras["limit_found"] = 1, 55, 9
    whole = whole_orders(core, extras)
    assert whole.dtype == ORDER_DTYPE
    assert whole["client_order_id"].tolist() == [1, 2, 3]
    assert whole["replaces"].tolist() == [0, 0, 7]
    assert whole["expire_ns"].tolist() == [NEVER, 55, NEVER]
    assert whole["trigger_price"].tolist() == [UNDEF_PRICE, 0, UNDEF_PRICE]
    assert whole["limit_found"].tolist() == [0, 9, 0]
    assert whole_orders(core[:0], extras[:0]).size == 0


def test_rows_put_aside_between_two_drains_keep_what_belongs_to_them(tmp_path: Path) -> None:
    """Of four orders two have an end of their own; rows are put aside after each record."""
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 5)
    for t in range(100, 1_000, 100):
        tape.tick(t)
    log = Log().buy(10, "a", 1, 100, "GTD", expire_ns=ns(200)).buy(11, "b", 1, 101)
    log.buy(210, "c", 1, 101).buy(220, "d", 1, 100, "GTD", expire_ns=ns(500))
    config = configure(log.write(tmp_path / "orders.csv"))
    seen = []
    for aside in (False, True):
        simulation = Simulation(config)
        for record in np.split(tape.records(), len(tape.records())):
            simulation.feed(record)
            if aside:
                simulation._stash()
        simulation.finish()
        orders = simulation.drain().orders
        seen.append([(int(row["client_order_id"]), int(row["expire_ns"])) for row in orders])
    assert seen[0] == seen[1]
    assert dict(seen[0]) == {1: ns(200), 2: NEVER, 3: NEVER, 4: ns(500)}
