"""What rails count of fills and open orders equals what a slow twin counts of all that was told."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from naive.rails import NaiveAccount, NaiveFill, NaiveOpen, exposures, worst_position
from tapewire.execution.codes import OrderType
from tapewire.live.orders import FillUndone, NewOrder, OrderAccepted, OrderFilled
from tapewire.live.rails.ledger import AccountLedger
from tapewire.live.rails.markets import Markets
from tapewire.live.rails.messages import MarketNow
from tapewire.live.rails.rules import Ask, Losses, Rules
from tapewire.live.rails.settings import (
    BrokerChoice,
    RailsInstrument,
    RailsLimits,
    RailsSettings,
    RailsWaits,
)
from tapewire.market.records import UNDEF_PRICE

UNIT = 10**9
SYMBOLS = {"A": Fraction(50), "B": Fraction(7, 3), "C": Fraction(1, 10**9)}
LISTED = {
    name: RailsInstrument(multiplier_num=one.numerator, multiplier_den=one.denominator)
    for name, one in SYMBOLS.items()
}
NONE = UNDEF_PRICE

prices = st.integers(-(10**13), 10**13)
orders = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from((1, -1)), st.integers(1, 9), prices),
    min_size=1, max_size=7,
)  # fmt: skip
fills = st.lists(
    st.tuples(
        st.integers(0, 6), st.integers(0, 3), st.integers(1, 9), prices,
        st.integers(-(10**9), 10**12), st.booleans(),
    ),
    max_size=25,
)  # fmt: skip


def new_order(number: int, symbol: str, side: int, lots: int, price: int) -> NewOrder:
    return NewOrder(f"s1-{number}", "one", symbol, side, int(OrderType.LIMIT), 1, price, NONE,
                    lots, False, False, 0)  # fmt: skip


def rules_over(
    ledger: AccountLedger, marks: dict[str, int], *, listed: str = "ABC", **limits: int
) -> tuple[Rules, Losses]:
    given_settings = RailsSettings(
        account="a", folder="f", broker=BrokerChoice(factory="a:b"),
        instruments={name: LISTED[name] for name in listed},
        limits=RailsLimits(**limits),
    )  # fmt: skip
    markets, losses = Markets(RailsWaits()), Losses()
    for symbol, mark in marks.items():
        markets.learn(MarketNow(symbol, mark, mark, mark, 0), 1)
    return Rules(given_settings, ledger, markets, losses), losses


@settings(max_examples=200)
@given(sent=orders, told=fills, marks=st.tuples(prices, prices, prices))
def test_positions_and_pnl_are_those_of_the_twin(
    sent: list[tuple[str, int, int, int]],
    told: list[tuple[int, int, int, int, int, bool]],
    marks: tuple[int, int, int],
) -> None:
    ledger, twin = AccountLedger(), NaiveAccount(SYMBOLS, [], set())
    for number, (symbol, side, lots, price) in enumerate(sent):
        ledger.apply(new_order(number, symbol, side, lots, price))
    for which, execution, lots, price, fee, undone in told:
        number = which % len(sent)
        name, symbol, side = f"s1-{number}", sent[number][0], sent[number][1]
        ledger.apply(OrderFilled(name, f"X{execution}", price, lots, 0, 0, fee, 0, 0))
        if (name, f"X{execution}") not in twin.undone:
            twin.told.append(NaiveFill(name, f"X{execution}", symbol, side, price, lots, fee))
        if undone:
            ledger.apply(FillUndone(name, f"X{execution}", "", 0, 0))
            twin.undone.add((name, f"X{execution}"))
    by_symbol = dict(zip("ABC", marks, strict=True))
    for symbol in SYMBOLS:
        assert ledger.position(symbol).lots == twin.lots(symbol)
    rules, losses = rules_over(ledger, by_symbol)
    rules.measure(1)
    assert losses.pnl == twin.pnl(by_symbol)


@settings(max_examples=200)
@given(sent=orders, marks=st.tuples(prices, prices, prices), listed=st.sampled_from("ABC"),
       mark=prices)  # fmt: skip
def test_pnl_after_a_roll_has_what_is_no_longer_listed_at_its_last_worth(
    sent: list[tuple[str, int, int, int]], marks: tuple[int, int, int], listed: str, mark: int
) -> None:
    journaled, twin = AccountLedger(), NaiveAccount(SYMBOLS, [], set())
    for number, (symbol, side, lots, price) in enumerate(sent):
        name = f"s1-{number}"
        journaled.apply(new_order(number, symbol, side, lots, price))
        journaled.apply(OrderFilled(name, "X", price, lots, 0, 0, 3, 0, 0))
        twin.told.append(NaiveFill(name, "X", symbol, side, price, lots, 3))
    by_symbol = dict(zip("ABC", marks, strict=True))
    rules, _ = rules_over(journaled, by_symbol)
    for record in rules.measure(1):
        journaled.apply(record)
    ledger = AccountLedger()
    for record in journaled.kept():
        ledger.apply(record)
    rules, losses = rules_over(ledger, {listed: mark}, listed=listed, max_loss=2**63 - 1)
    rules.measure(1)
    assert losses.pnl == twin.pnl({**by_symbol, listed: mark})
    others = [one for one in SYMBOLS if one != listed and twin.lots(one)]
    assert [one for one in SYMBOLS if f"{one}: " in rules.reducing] == others


@settings(max_examples=200)
@given(
    sent=orders,
    held=st.tuples(st.integers(-20, 20), st.integers(-20, 20), st.integers(-20, 20)),
    marks=st.tuples(*[st.integers(1, 10**13)] * 3),
    limit=st.integers(0, 10**16),
    is_net=st.booleans(),
)
def test_exposures_are_the_worst_that_orders_can_make(
    sent: list[tuple[str, int, int, int]],
    held: tuple[int, int, int],
    marks: tuple[int, int, int],
    limit: int,
    is_net: bool,
) -> None:
    by_symbol = dict(zip("ABC", marks, strict=True))
    ledger = AccountLedger()
    for symbol, lots in zip("ABC", held, strict=True):
        ledger.position(symbol).lots = lots
    *others, (symbol, side, lots, _) = sent
    for number, (symbol_of, side_of, lots_of, price) in enumerate(others):
        ledger.apply(new_order(number, symbol_of, side_of, lots_of, price))
        ledger.apply(OrderAccepted(f"s1-{number}", "V", 0, 0))
    twin_open = [NaiveOpen(s, d, n) for s, d, n, _ in others]
    positions = dict(zip("ABC", held, strict=True))
    for one, multiplier in SYMBOLS.items():
        for d in (1, -1):
            worst = d * positions[one] + ledger.open_lots(one, d)
            assert worst == worst_position(positions[one], d, twin_open, one), multiplier
    key = "max_net_exposure" if is_net else "max_gross_exposure"
    rules, _ = rules_over(ledger, by_symbol, **{key: limit})
    rules.unsettled = ""
    worths = {name: by_symbol[name] * m for name, m in SYMBOLS.items()}
    before, _ = exposures(positions, twin_open, worths, side)
    gross, net = exposures(positions, [*twin_open, NaiveOpen(symbol, side, lots)], worths, side)
    order = new_order(99, symbol, side, lots, by_symbol[symbol])
    expected = net > limit if is_net else gross > limit and gross > before

    ask = Ask(symbol, side, order.price, lots, lots, order.order_type)
    assert bool(rules._check_exposure(ask)) == expected
