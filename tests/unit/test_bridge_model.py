"""A model without a run: how it asks, what it may return, how its calls are put together."""

import asyncio
import subprocess
import sys
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_peers import ES, NQ, rows_of
from tapewire.bridge import ModelRows, ModelSession, RowSignals, StrategyBase
from tapewire.bridge import protocol as msg
from tapewire.bridge.calling import ModelCaller
from tapewire.bridge.outputs import ModelAnswer, answer_of, joined
from tapewire.compiled.numbers import to_price
from tapewire.errors import StrategyError

SESSION = ModelSession("mine", "pipelined", ("mid", "imbalance_5"))


@given(
    st.integers()
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.floats()
    | st.decimals(-(10**6), 10**6, places=9)
    | st.floats(-(10**5), 10**5).map(lambda x: round(x * 4) / 4)
    | st.text(max_size=6)
    | st.booleans()
    | st.none()
)
def test_a_price_is_exact_or_refused(value: Any) -> None:
    """Held against fractions: what is written, times 1e9, whole and within ±2^62."""
    try:
        exact = Fraction(value if isinstance(value, int) else Decimal(str(value)) * 10**9)
        right = not isinstance(value, bool) and exact.denominator == 1 and abs(exact) <= 2**62
    except (TypeError, ValueError, OverflowError, InvalidOperation):
        right = False
    if not right:
        with pytest.raises((TypeError, ValueError)):
            to_price(value)
        return
    if not isinstance(value, int):  # what a Decimal of 28 digits would round
        exact = Fraction(str(value)) * 10**9
    if exact.denominator == 1:
        assert to_price(value) == exact


@pytest.mark.parametrize("value", [Decimal("Infinity"), Decimal("NaN"), "1e999999", float("inf")])
def test_a_price_without_end_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a finite price of at most nine decimal places"):
        to_price(value)


# --- asking ---------------------------------------------------------------------------------------


def test_requests_stand_by_row_and_in_the_order_they_were_made() -> None:
    signals = RowSignals(3, {0: ES, 1: NQ})
    signals.sell(2, 4, "4800.5", tag=-1, time_in_force="IOC").cancel(0, 8)
    signals.buy(2, 1, tag=2, instrument=1).replace(0, 8, price=Decimal("1.25")).cancel_all(1)
    signals.replace(1, 9, quantity=6).target(1, -3).confidence(1, 0.25)
    assert signals.targets.tolist() == [msg.NO_TARGET, -3, msg.NO_TARGET]
    assert signals.confidences is not None
    assert signals.confidences.tolist() == [1.0, 0.25, 1.0]
    assert [row.tolist()[:-2] for row in signals.requests()] == [
        (8, 0, 0, 0, -1, msg.CANCEL, 0, 0, 0),
        (8, 1_250_000_000, 0, 0, -1, msg.REPLACE, 0, 0, 0),
        (0, 0, 0, 1, -1, msg.CANCEL_ALL, 0, 0, 0),
        (9, msg.NO_PRICE, 6, 1, -1, msg.REPLACE, 0, 0, 0),
        (-1, 4_800_500_000_000, 4, 2, -1, msg.SUBMIT, msg.SELL, msg.LIMIT, msg.IOC),
        (2, msg.NO_PRICE, 1, 2, 1, msg.SUBMIT, msg.BUY, msg.MARKET, msg.IOC),
    ]


def test_what_is_asked_for_beside_price_and_lots_travels_in_its_bytes() -> None:
    signals = RowSignals(1, {0: ES})
    signals.sell(0, 1, tag=1, trigger_price="4.5", time_in_force="DAY", reduce_only=True)
    signals.buy(0, 1, tag=2, market_to_limit=True).buy(0, 1, 5, tag=3, time_in_force="FOK")
    signals.buy(0, 1, 5, tag=4, post_only=True).buy(0, 1, 5, tag=5, post_only="reprice")
    assert [request.tobytes()[8:16] + request.tobytes()[32:] for request in signals.requests()] == [
        bytes.fromhex(expected) for expected in (
            "008d380c01000000 01 ff 03 04 04 000000", "ffffffffffffff7f 01 01 05 01 00 000000",
            "0500000000000000 01 01 02 03 00 000000", "0500000000000000 01 01 02 01 01 000000",
            "0500000000000000 01 01 02 01 02 000000",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda s: s.target(3, 1), "row: expected 0 to 2, found 3"),
        (lambda s: s.target(-1, 1), "row: expected 0 to 2, found -1"),
        (lambda s: s.target(True, 1), "row: expected a whole number, found True"),
        (lambda s: s.target(0, 2**31), "row 0: target: expected -2147483647 to 2147483647"),
        (lambda s: s.target(0, float("nan")), "row 0: target: expected a whole number, found nan"),
        (lambda s: s.confidence(0, 1.01), "row 0: confidence: expected 0 to 1, found 1.01"),
        (lambda s: s.confidence(0, float("nan")), "row 0: confidence: expected 0 to 1, found nan"),
        (lambda s: s.buy(1, 0, tag=1), "row 1: quantity: expected 1 to 2147483647, found 0"),
        (lambda s: s.buy(1, 1, 0.1 + 1e-12, tag=1), "row 1: price: expected a finite price"),
        (lambda s: s.buy(1, 1, tag="x"), "row 1: tag: expected a whole number, found 'x'"),
        (lambda s: s.buy(1, 1, tag=2**63), "row 1: tag: expected"),
        (lambda s: s.buy(1, 1, tag=1, time_in_force="GTC"), "expected IOC of a market order, foun"),
        (lambda s: s.buy(1, 1, 5, tag=1, time_in_force="GTD"), "expected GTC or IOC or FOK or DAY"),
        (lambda s: s.buy(1, 1, 5, tag=1, trigger_price=6), "expected one of price, trigger_price"),
        (lambda s: s.buy(1, 1, tag=1, trigger_price="x"), "row 1: trigger_price: expected"),
        (lambda s: s.buy(1, 1, 5, tag=1, post_only="no"), "row 1: post_only: expected True, False"),
        (lambda s: s.buy(1, 1, 5, tag=1, peg="mid"), "row 1: peg: expected one of time_in_force"),
        (lambda s: s.cancel(1, 1, instrument=2), "row 1: instrument: expected one of the session"),
        (
            lambda s: s.replace(1, 1),
            "row 1: replace: expected a price or a quantity, found neither",
        ),
        (lambda s: [s.cancel(2, k) for k in range(33)], "row 2: expected at most 32 requests"),
    ],
)
def test_what_cannot_be_asked_for_is_named(ask: Any, expected: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        ask(RowSignals(3, {0: ES, 1: NQ}))
    assert expected in str(caught.value)


# --- returning ------------------------------------------------------------------------------------

NONE = msg.NO_TARGET


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        (None, [NONE] * 3),
        ([1, -2, 0], [1, -2, 0]),
        ((np.int8(1), 2, 3), [1, 2, 3]),
        (np.array([1.0, np.nan, -3.0]), [1, NONE, -3]),
        (np.array([1, NONE, 2**31 - 1]), [1, NONE, 2**31 - 1]),
        (np.arange(6, dtype=np.float32)[::2], [0, 2, 4]),
        ({"target": [1, 2, 3]}, [1, 2, 3]),
        ({"confidence": [0, 0.5, 1]}, [NONE] * 3),
        (RowSignals(3).target(1, 7), [NONE, 7, NONE]),
    ],
    ids=range(9),
)
def test_what_may_be_returned(value: Any, targets: list[int]) -> None:
    answer = answer_of(value, 3, 0)
    assert answer.targets.dtype == np.int64
    assert answer.targets.tolist() == targets


@pytest.mark.parametrize("value", [4, np.int16(4), 4.0, [4], np.array(4), np.array([4.0])])
def test_of_one_row_a_number_will_do(value: Any) -> None:
    assert answer_of(value, 1, 0).targets.tolist() == [4]


@pytest.mark.parametrize("value", [0.5, np.inf, -np.inf, 2**31, [[1]], [1, 2], True, "1", b"1", {}])
def test_of_one_row_what_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        answer_of(value, 1, 0)


def test_a_wrong_row_is_named_by_its_number_in_the_run() -> None:
    with pytest.raises(
        ValueError, match=r"^row 102: expected a target in whole lots .* found 0.5$"
    ):
        answer_of([1.0, 2.0, 0.5, 0.25], 4, 100)


request_rows = st.lists(st.integers(0, 9), max_size=40).map(sorted)


@given(request_rows, st.integers(1, 12), st.booleans())
def test_an_answer_in_several_messages_is_the_same_answer(
    rows: list[int], requests_max: int, has_confidence: bool
) -> None:
    requests = np.zeros(len(rows), msg.REQUEST)
    requests["row"], requests["tag"] = rows, np.arange(len(rows))
    requests_max = max([requests_max, *np.bincount(rows).tolist()] if rows else [1])
    confidence = np.linspace(0, 1, 10) if has_confidence else None
    answer = ModelAnswer(np.arange(10), confidence, requests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(msg, "REQUESTS_MAX", requests_max)
        sent = list(answer.messages(100, 77))
    parts, following, busy_ns = [], 100, 0
    for signals, arrays in sent:
        assert signals.first_row == following
        assert signals.requests <= requests_max
        sizes = [signals.rows] * (1 + has_confidence) + [signals.requests][: signals.requests]
        assert [len(array) for array in arrays] == sizes
        following += signals.rows
        busy_ns += signals.busy_ns
        asked = arrays[-1] if signals.requests else np.zeros(0, msg.REQUEST)
        assert np.all((asked["row"] >= 0) & (asked["row"] < signals.rows))
        parts.append(ModelAnswer(arrays[0], arrays[1] if has_confidence else None, asked))
    assert (following, busy_ns) == (110, 77)
    whole = joined(parts)
    np.testing.assert_array_equal(whole.targets, answer.targets)
    np.testing.assert_array_equal(whole.requests, requests)
    if confidence is not None:
        np.testing.assert_array_equal(whole.confidence, confidence)


# --- being called ---------------------------------------------------------------------------------


def asked(kind: type[StrategyBase], n: int, *, size: int, **parameters: Any) -> ModelAnswer:
    async def work() -> ModelAnswer:
        caller = ModelCaller(kind, parameters, SESSION)
        await caller.start()
        caller.add_instruments((ES,))
        ts, instrument, values = rows_of(n)
        return joined([
            answer
            for at in range(0, n, size)
            async for _, answer, _ in caller.answers(
                at, ts[at : at + size], instrument[at : at + size], values[at : at + size]
            )
        ])  # fmt: skip

    return asyncio.run(work())


class Rising(StrategyBase):
    def on_start(self, session: ModelSession) -> None:
        self.column = session.column("mid")

    def on_features(self, features: np.ndarray) -> np.ndarray:
        assert self.session.instruments[int(self.rows.instrument[0])].symbol == "ESH4"
        return np.sign(features[:, self.column]) * self.parameters["lots"]


class RisingByRow(Rising):
    batches = False

    async def on_features(self, features: np.ndarray) -> float:  # type: ignore[override]
        return float(np.sign(features[self.column])) * self.parameters["lots"]


@pytest.mark.parametrize("kind", [Rising, RisingByRow])
@pytest.mark.parametrize("size", [1, 7, 256])
def test_answers_are_the_same_however_rows_come(kind: type[StrategyBase], size: int) -> None:
    expected = np.sign(rows_of(300)[2][:, 0]) * 5
    np.testing.assert_array_equal(asked(kind, 300, size=size, lots=5).targets, expected)


def test_a_model_is_tried_by_hand_as_anything_else() -> None:
    model = Rising(lots=1)
    model.session = ModelSession("mine", "pipelined", ("mid",), {0: ES})
    model.on_start(model.session)
    model.rows = ModelRows(np.arange(2), np.zeros(2, np.int32))
    assert model.on_features(np.array([[1.0], [-1.0]])).tolist() == [1, -1]
    assert model.signals().target(1, 2).targets.tolist() == [NONE, 2]


class Writing(StrategyBase):
    def on_features(self, features: np.ndarray) -> None:
        features[0, 0] = 1.0


def test_a_hook_that_writes_to_features_is_told() -> None:
    async def work() -> None:
        caller = ModelCaller(Writing, {}, SESSION)
        ts, instrument, values = rows_of(3)
        values.flags.writeable = False
        async for _ in caller.answers(0, ts, instrument, values):
            pass

    with pytest.raises(StrategyError, match=r"(?s)on_features at rows 0 to 2.*read-only"):
        asyncio.run(work())


def test_a_model_without_on_features_says_so() -> None:
    with pytest.raises(StrategyError, match="StrategyBase has no on_features"):
        asked(StrategyBase, 1, size=1)


def test_an_error_longer_than_a_message_keeps_its_begin_and_its_end() -> None:
    class Deep(StrategyBase):
        def on_features(self, features: np.ndarray) -> None:
            raise ValueError("x" * 20_000 + "the end")

    with pytest.raises(StrategyError) as caught:
        asked(Deep, 1, size=1)
    text = str(caught.value)
    assert text.startswith("model test_an_error_longer")
    assert text.endswith("the end")
    assert msg.decode_message(msg.encode_message(msg.BridgeError(text))).message.endswith("the end")  # type: ignore[union-attr]


def test_what_a_model_imports_loads_no_compiled_code() -> None:
    script = (
        "import sys, tapewire.bridge as b; [getattr(b, name) for name in b.__all__]\n"
        "print(*({'numba', 'llvmlite', 'pyarrow', 'pandas', 'databento'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "\n"
