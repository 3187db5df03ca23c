"""Random draws said again, and orders enough to see what they make of delays."""

from decimal import Decimal
from typing import Any

import numpy as np

from stories import Log, Played, Tape
from tapewire.compiled.jit import jit_entry
from tapewire.execution.models import Model, built_in
from tapewire.execution.models.latency import LATENCY_MODELS, ask_latency
from tapewire.execution.models.latency.legs import LEGS

WORD = (1 << 64) - 1


def splitmix(z: int) -> int:
    """The finalizer of splitmix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def draw(seed: int, purpose: int, counter: int) -> int:
    """What `compiled/draws.py` draws, in Python's integers."""
    golden = 0x9E3779B97F4A7C15
    key = splitmix((seed + golden * purpose) & WORD)
    return splitmix((key + golden * (counter + 1)) & WORD) >> 1


def draw_for(key: int, order: int, purpose: int, counter: int) -> int:
    """One of several draws about one order, for one purpose."""
    return draw(draw(key, purpose, order), purpose, counter)


def orders_of(played: Played) -> np.ndarray:
    """Rows of orders, as they were sent."""
    return played.rows.orders[np.argsort(played.rows.orders["client_order_id"])]


def many_orders(n: int, every_us: int) -> tuple[Tape, Log]:
    """A quiet market, and a bid far below it every few µs."""
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 5)
    log = Log()
    for k in range(n):
        log.buy(100 + every_us * k, f"o{k}", 1, 90)
        tape.tick(100 + every_us * k + every_us // 2)
    return tape.tick(200 + every_us * n + 10_000), log


def of_orders(name: str, **given: Any) -> Model:
    """A model whose order leg has some parameters."""
    parameters = {f"order_latency_{key}": Decimal(value) for key, value in given.items()}
    return built_in("latency", name, **parameters)


@jit_entry
def _delays(
    number: int, state: int, leg: int, sent_ns: Any, bits: Any, load: int, found: Any
) -> int:
    for k in range(bits.size):
        found[k] = ask_latency(number, 0, state, leg, sent_ns[k], bits[k], load)
    return 0


def delays(model: Model, bits: Any, leg: str = "entry", sent_ns: Any = None) -> np.ndarray:
    """What the kernel says, in ns."""
    bits = np.asarray(bits, np.int64)
    sent = np.zeros_like(bits) if sent_ns is None else np.asarray(sent_ns, np.int64)
    found = np.zeros_like(bits)
    state, kept = model.new_state()
    number = list(LATENCY_MODELS).index(model.definition.name)
    _delays(number, state.ctypes.data, LEGS.index(leg), sent, bits, 0, found)
    assert kept is not None
    return found
