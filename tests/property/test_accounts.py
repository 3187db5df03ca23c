"""Accounts and exact arithmetic against Python's own integers and fractions."""

from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from naive.account import NaiveAccount
from tapewire.compiled.exact import multiply_divide
from tapewire.compiled.jit import jit_entry, jit_inline
from tapewire.compiled.memory import Block
from tapewire.execution.models.impact import linear
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import book_fill, learn_fill, revalue
from tapewire.positions.layout import ACCOUNT, LIMITS, account_at, limits_at

COLUMNS = ("position", "cash", "open_cost", "realized", "fees", "volume", "max_position")
Fills = list[tuple[int, int, int, int]]


@jit_entry
def _book(accounts: Any, side: int, price: int, lots: int, fee: int) -> None:
    book_fill(account_at(accounts, 0), side, price, lots, fee)


@jit_entry
def _learn(accounts: Any, limits: Any, side: int, price: int, lots: int, fee: int) -> None:
    account = account_at(accounts, 0)
    learn_fill(account, side, price, lots, fee)
    revalue(account, limits_at(limits, 0))


fills = st.lists(
    st.tuples(
        st.sampled_from((1, -1)),
        st.one_of(st.integers(-5, 5), st.integers(-20_000 * 10**9, 20_000 * 10**9)),
        st.one_of(st.integers(1, 4), st.integers(1, 5_000)),
        st.integers(0, 10**12),
    ),
    max_size=40,
)


@given(fills)
@settings(max_examples=300)
@example([(1, 100, 3, 0), (1, 101, 4, 0), (-1, 99, 2, 0), (-1, 98, 9, 0), (1, 97, 4, 0)])
def test_the_compiled_account_equals_the_naive_one(rows: Fills) -> None:
    block = Block(ACCOUNT, 1)
    account = block.records[0]
    account["mark"] = UNDEF_PRICE
    naive = NaiveAccount()
    for side, price, lots, fee in rows:
        _book(block.address, side, price, lots, fee)
        naive.fill(side, price, lots, fee)
        found = {name: int(account[name]) for name in COLUMNS}
        assert found == {name: getattr(naive, name) for name in COLUMNS}
        # Nothing is lost: what was realized, less what the open lots cost, is the cash.
        assert found["realized"] - found["open_cost"] == found["cash"]
        if found["position"] == 0:
            assert found["open_cost"] == 0
        else:
            direction = 1 if found["position"] > 0 else -1
            prices = [p for s, p, _, _ in rows if s == direction]
            average = Fraction(found["open_cost"], found["position"])
            assert min(prices) - 1 <= average <= max(prices) + 1


def test_flipping_through_zero() -> None:
    # Long 3 at 100, sold 5 at 110: 3 * 10 realized, short 2 at 110. Bought 2 at 105: 10 more.
    block = Block(ACCOUNT, 1)
    account = block.records[0]
    account["mark"] = UNDEF_PRICE
    seen = []
    for side, price, lots in ((1, 100, 3), (-1, 110, 5), (1, 105, 2)):
        _book(block.address, side, price, lots, 1)
        seen.append(tuple(int(account[n]) for n in ("position", "open_cost", "realized", "cash")))
    assert seen == [(3, 300, 0, -300), (-2, -220, 30, 250), (0, 0, 40, 40)]
    assert (account["fees"], account["volume"], account["max_position"]) == (3, 10, 3)


def test_a_partial_close_rounds_towards_minus_infinity() -> None:
    # 3 lots cost 100 in all (33.3 each). One is sold at 50: it cost 33, the other two 67.
    block = Block(ACCOUNT, 1)
    account = block.records[0]
    for side, price, lots in ((1, 33, 2), (1, 34, 1), (-1, 50, 1)):
        _book(block.address, side, price, lots, 0)
    assert (int(account["open_cost"]), int(account["realized"])) == (67, 17)
    # And short: 3 lots brought 100, open cost -100; one bought back at 20 takes -34 of it.
    block = Block(ACCOUNT, 1)
    account = block.records[0]
    for side, price, lots in ((-1, 33, 2), (-1, 34, 1), (1, 20, 1)):
        _book(block.address, side, price, lots, 0)
    assert (int(account["open_cost"]), int(account["realized"])) == (-66, 14)


@given(
    fills, st.integers(-20_000 * 10**9, 20_000 * 10**9),
    st.sampled_from([Fraction(1), Fraction(50), Fraction(1, 8), Fraction(125, 2)]),
)  # fmt: skip
@settings(max_examples=200)
def test_what_the_strategy_knows_is_valued_exactly(
    rows: Fills, mark: int, multiplier: Fraction
) -> None:
    accounts, limits = Block(ACCOUNT, 1), Block(LIMITS, 1)
    account, limit = accounts.records[0], limits.records[0]
    account["mark"] = mark
    account["multiplier_num"], account["multiplier_den"] = multiplier.as_integer_ratio()
    position = cash = fees = 0
    for side, price, lots, fee in [(s, p, min(q, 40), f) for s, p, q, f in rows]:
        _learn(accounts.address, limits.address, side, price, lots, fee)
        position += side * lots
        cash -= side * price * lots
        fees += fee
        assert account["known_pnl"] == floor((cash + position * mark) * multiplier) - fees
        assert limit["known_pnl"] == account["known_pnl"]


@jit_entry
def _multiply_divide(a: int, b: int, divisor: int) -> int:
    return multiply_divide(a, b, divisor)


words = st.one_of(
    st.integers(0, 2**63 - 1), st.integers(0, 1_000), st.sampled_from([2**32 - 1, 2**32, 2**63 - 1])
)


@given(words, words, st.integers(1, 2**62 - 1))
@settings(max_examples=500)
@example(2**63 - 1, 2**62 - 1, 2**62 - 1)
@example(0, 0, 1)
@example(2**32 - 1, 2**32 - 1, 2)
def test_multiply_and_divide_in_128_bits(a: int, b: int, divisor: int) -> None:
    if a * b // divisor >= 2**63:
        b = b % divisor
    if a * b // divisor < 2**63:
        assert _multiply_divide(a, b, divisor) == a * b // divisor


_kernel = jit_inline(linear.kernel)


@jit_entry
def _impact(states: Any, price: int, lots: int, num: int, den: int) -> int:
    return _kernel(states[0], price, lots, num, den)


@given(
    st.integers(-200_000 * 10**9, 200_000 * 10**9), st.integers(1, 10_000),
    st.integers(0, 20_000_000), st.sampled_from([Fraction(1), Fraction(50), Fraction(125, 2)]),
)  # fmt: skip
@settings(max_examples=300)
def test_linear_impact_to_the_last_unit(
    price: int, lots: int, ppm: int, multiplier: Fraction
) -> None:
    state = np.zeros(1, linear.STATE)
    state["ppm"] = ppm
    notional = floor(abs(price) * lots * multiplier / 10**9)
    expected = ceil(Fraction(abs(price) * ppm * notional, 10**16))
    assert _impact(state, price, lots, *multiplier.as_integer_ratio()) == expected
