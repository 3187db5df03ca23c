"""Rows that leave the kernels' buffers: copies that stay, digests that do not care for chunks."""

import numpy as np
import pytest

from tapewire.compiled import memory
from tapewire.compiled.memory import Block, Copies
from tapewire.execution.rows import FILL_DTYPE, ORDER_DTYPE
from tapewire.router import digest
from tapewire.router.digest import LegDigests

WORDS = np.dtype([("a", "i8"), ("b", "i8")])


def test_a_copy_is_left_alone_while_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CHUNK_BYTES", 10 * WORDS.itemsize)
    block = Block(WORDS, 16)
    copies = Copies(block)
    copies.touch()
    held = []
    for k in range(50):
        n = 1 + k % 7
        block.records["a"][:n] = k
        block.records["b"][:n] = -k
        held.append((k, n, copies.take(n)))
        if k % 11 == 0:
            held = held[-3:]
        for number, rows, copy in held:
            assert copy.dtype == WORDS
            assert copy["a"].tolist() == [number] * rows
            assert copy["b"].tolist() == [-number] * rows


def test_memory_that_nobody_holds_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CHUNK_BYTES", 10 * WORDS.itemsize)
    copies = Copies(Block(WORDS, 16))
    places = {copies.take(6).ctypes.data for _ in range(20)}
    assert len(places) < 5


def rows_of(dtype: np.dtype[np.void], n: int, legs: int) -> np.ndarray:
    rows = np.zeros(n, dtype)
    for k, name in enumerate(dtype.names or ()):
        rows[name] = np.arange(n) * (k + 3) % 1_000_003
    rows["leg"] = np.arange(n) * 7 % legs
    return rows


class Leg:
    publisher_id = 1

    def __init__(self, number: int) -> None:
        self.leg = number
        self.instrument_id = number
        self.strategy_id = f"s{number % 3}"


@pytest.mark.parametrize("rows_at_once", [1, 100, 65_536])
def test_a_digest_does_not_depend_on_when_rows_are_hashed(
    rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fills, orders = rows_of(FILL_DTYPE, 900, 5), rows_of(ORDER_DTYPE, 1_000, 5)
    accounts = np.zeros(5, [(name, "i8") for name in digest._ACCOUNT])
    legs, names = [Leg(k) for k in range(5)], ["s0", "s1", "s2"]
    whole = LegDigests()
    whole.update(fills, orders)
    expected = whole.per_strategy(names, legs, accounts)
    assert len(set(expected.values())) == 3
    monkeypatch.setattr(digest, "_ROWS_AT_ONCE", rows_at_once)
    pieces = LegDigests()
    for at in range(0, 1_000, 37):
        pieces.update(fills[at : at + 37], orders[at : at + 37])
    assert pieces.per_strategy(names, legs, accounts) == expected
    orders["price"][999] += 1
    other = LegDigests()
    other.update(fills, orders)
    assert other.per_strategy(names, legs, accounts) != expected
