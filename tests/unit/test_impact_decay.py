"""What own taking has pushed the price by: remembered, decayed and charged, by hand."""

import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naive.impact import square_root_shift
from stories import Log, Played, Tape, play
from tapewire.compiled.jit import jit_entry, jit_inline
from tapewire.config.loading import make_config
from tapewire.errors import ConfigError
from tapewire.execution.layout import TALLY
from tapewire.execution.models import Model, ModelDefinition, Models, built_in
from tapewire.execution.models.impact import square_root
from tapewire.execution.models.impact.decay import ONE, PARTS, decay_record
from tapewire.execution.pushes import faded

NOW = built_in("latency", "fixed", network_latency_us=Decimal(0), processing_latency_us=Decimal(0))


# --- the root -------------------------------------------------------------------------------------

_kernel = jit_inline(square_root.kernel)


@jit_entry
def _root_impact(states: Any, price: int, lots: int) -> int:
    return _kernel(states[0], price, lots, 1, 1)


def root_impact(y: str, bps: str, volume: int, price: int, lots: int) -> int:
    state = np.zeros(1, square_root.STATE)
    given = {"y": Decimal(y), "daily_volatility_bps": Decimal(bps), "daily_volume": volume}
    square_root.prepare(given, state[0])
    return int(_root_impact(state, price, lots))


@pytest.mark.parametrize(
    ("y", "bps", "volume", "price", "lots", "expected"),
    [
        # ES at 4,800: 1 % a day, a millionth of the day's 1,600,000 lots and 1/400 of them
        ("1", "100", 1_600_000, "4800", 4_000, "2.4"),  # 4800 * 0.01 * sqrt(1 / 400)
        ("0.5", "100", 1_600_000, "4800", 4_000, "1.2"),
        ("1", "100", 1_000_000, "4800", 1, "0.048"),
        ("1", "100", 1_000_000, "-4800", 1, "0.048"),
        ("1", "0", 1_000_000, "4800", 1, "0"),
        ("1", "100", 100, "4800", 90_000, "1440"),  # thirty times the root of a day's volume
    ],
)
def test_the_root_by_hand(
    y: str, bps: str, volume: int, price: str, lots: int, expected: str
) -> None:
    units = root_impact(y, bps, volume, int(Decimal(price) * 10**9), lots)
    exact = int(Decimal(expected) * 10**9)
    assert abs(units - exact) <= exact * 4e-6  # 2^-28 of a root of one thousandth


def test_the_root_equals_its_twin_and_grows_with_lots() -> None:
    draw = np.random.default_rng(3)
    for _ in range(300):
        volume = int(10 ** draw.uniform(0, 9))
        price, lots = int(10 ** draw.uniform(7, 15)), int(10 ** draw.uniform(0, 6))
        if lots >= 64 * volume:
            continue
        units = root_impact("0.7", "123.4", volume, price, lots)
        assert units == square_root_shift(86_380_000, volume, price, lots)
        assert units <= root_impact("0.7", "123.4", volume, price, lots + 1)


# --- decay ----------------------------------------------------------------------------------------


@jit_entry
def _left(records: Any, parts: Any, elapsed_ns: int) -> int:
    left = 0
    for part in range(records[0].n):
        left += faded(records[0], part, parts[part], elapsed_ns)
    return left


def left_of_one(section: dict[str, Any], elapsed_ns: int) -> float:
    record = decay_record(section)
    share = record["share"][0]
    assert share.sum() + record["lasting"][0] == ONE - int(section.get("temporary", 0) * ONE)
    parts = share * 10_000_000  # a push of ten million times ONE
    push = int(parts.sum())
    assert _left(record, -parts, elapsed_ns) == -_left(record, parts, elapsed_ns)
    return int(_left(record, parts, elapsed_ns)) / push if push else 0.0


def test_an_exponential_halves_each_half_life() -> None:
    for half_life_ms in (Decimal("0.001"), Decimal(250), Decimal(86_400_000)):
        section = {"type": "exponential", "half_life_ms": half_life_ms}
        for halvings in (0, 0.25, 1, 1.7, 5, 20):
            expected = 2.0**-halvings
            found = left_of_one(section, round(halvings * float(half_life_ms) * 1e6))
            assert found == pytest.approx(expected, rel=2e-5), (half_life_ms, halvings)


@pytest.mark.parametrize("exponent", [0.1, 0.25, 0.5, 0.8, 1])
def test_a_power_law_is_its_formula(exponent: float) -> None:
    section = {"type": "power_law", "exponent": exponent, "after_ms": 5}
    for ratio in (0, 0.1, 1, 7, 100, 1_000, 10_000):
        found = left_of_one(section, round(ratio * 5_000_000))
        assert found == pytest.approx((1 + ratio) ** -exponent, rel=2.5e-3), ratio


def test_what_is_pushed_is_remembered_in_a_fixed_number_of_words() -> None:
    assert TALLY["push_parts"].shape == (PARTS,)


# --- stories --------------------------------------------------------------------------------------


def cents(state: Any, price: int, lots: int, num: int, den: int) -> Any:
    """A cent for each lot."""
    return lots * 10_000_000


def pushing(**decay: Any) -> Models:
    """A user's own model whose pushes are remembered."""
    definition = ModelDefinition(
        "impact", "cents", "", cents, decay=lambda _: decay_record(decay) if decay else None
    )
    return Models(latency=NOW, impact=Model(definition))


def ladder() -> Tape:
    return (
        Tape().add(0, 1, "B", 100, 50).add(1, 9, "A", 101, 3).add(2, 10, "A", 102, 50)
    )  # mid 100.5


def prices(played: Played) -> list[tuple[str, float]]:
    return [(fill.order, float(fill.price)) for fill in played.fills]


def two_buys_and_a_sale() -> tuple[Tape, Log]:
    tape = Tape().add(0, 1, "B", 100, 50).add(1, 9, "A", 101, 50).tick(2_500)
    return tape, Log().buy(10, "a", 8).buy(1_010, "b", 4).sell(2_010, "c", 4)


def test_what_one_order_pushed_the_next_one_pays(tmp_path: Path) -> None:
    tape, log = two_buys_and_a_sale()
    models = pushing(type="exponential", half_life_ms=1, permanent=0.25)
    played = play(tmp_path, tape, log, models=models)
    # 8 lots push by 0.08: 0.02 for good, 0.06 that halves each ms. A ms later 0.05 is left, and 4
    # lots push by 0.04. Another ms later 0.03 is there for good, and (0.03 + 0.03) / 2 on top.
    assert prices(played) == [("a", 101.08), ("b", 101.09), ("c", 100.02)]


def test_the_account_is_marked_where_it_pushed_the_price(tmp_path: Path) -> None:
    tape, log = two_buys_and_a_sale()
    models = pushing(type="none", permanent=0.5)
    played = play(tmp_path, tape, log, models=models)
    assert prices(played) == [("a", 101.08), ("b", 101.08), ("c", 100.02)]
    last = played.last_sample()
    assert (last["position"], last["mark"]) == (8, 100_540_000_000)  # 100.5 + (8 + 4 - 4) / 2 cents
    assert play(tmp_path, tape, log, models=pushing()).last_sample()["mark"] == 100_500_000_000


def test_a_mark_moves_back_as_the_push_decays(tmp_path: Path) -> None:
    tape, _ = two_buys_and_a_sale()
    models = pushing(type="exponential", half_life_ms=1)
    played = play(tmp_path, tape, Log().buy(10, "a", 8), models=models, sample_interval_ns=500_000)
    marks = {int(row["ts"]): int(row["mark"]) for row in played.rows.samples}
    # Nothing happens between 1 and 2,500 µs; the last event is captured a µs later.
    left = 80_000_000 * 2 ** (-(2_501 - 10) / 1_000)
    assert marks[max(marks)] - 100_500_000_000 == pytest.approx(left, rel=2e-5)


def test_a_temporary_part_concerns_the_order_alone(tmp_path: Path) -> None:
    tape, log = two_buys_and_a_sale()
    played = play(tmp_path, tape, log, models=pushing(type="none", temporary=1))
    assert prices(played) == [("a", 101.08), ("b", 101.04), ("c", 99.96)]
    assert play(tmp_path, tape, log, models=pushing()).brief() == played.brief()


def test_lots_that_an_order_takes_in_one_moment_are_one_push(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 8).buy(20, "b", 1)
    played = play(tmp_path, ladder().tick(100), log, models=pushing(type="none", permanent=1))
    # 3 lots at 101, 5 more at 102, which pay for 8; the next one for all of them.
    assert prices(played) == [("a", 101.03), ("a", 102.08), ("b", 102.09)]
    alone = play(tmp_path, ladder().tick(100), log, models=pushing())
    assert prices(alone) == [("a", 101.03), ("a", 102.05), ("b", 102.01)]


def test_a_remembered_push_stops_at_the_limit(tmp_path: Path) -> None:
    tape = Tape().add(0, 1, "B", 100, 50).add(1, 9, "A", 101, 50).tick(2_500)
    log = Log().buy(10, "a", 8).buy(20, "b", 4, 101.05)
    played = play(tmp_path, tape, log, models=pushing(type="none", permanent=1))
    assert prices(played) == [("a", 101.08), ("b", 101.05)]


def test_resting_orders_fill_at_their_price_whatever_was_pushed(tmp_path: Path) -> None:
    tape = Tape().add(0, 1, "B", 100, 50).add(1, 9, "A", 101, 50)
    tape.add(30, 2, "B", 100.5, 1).trade(40, (2, 1)).tick(100)
    log = Log().buy(10, "a", 8).buy(20, "b", 1, 100.5)
    played = play(tmp_path, tape, log, models=pushing(type="none", permanent=1))
    assert prices(played) == [("a", 101.08), ("b", 100.5)]


# --- the configuration ----------------------------------------------------------------------------


def configured(**impact: Any) -> Any:
    execution = {"market_impact": impact}
    return make_config(
        {
            "backtest": {"data_source": {"type": "synthetic"}, "execution": execution},
            "strategy": {"type": "market_maker"},
        }
    )


DECAY = {"type": "exponential", "half_life_ms": 500, "permanent": 0.2}
ROOT = {"type": "square_root", "daily_volatility_bps": 110, "daily_volume": 1_500_000}


def test_a_section_of_decay_is_read_and_written_down() -> None:
    config = configured(**ROOT, decay=DECAY)
    assert config.to_dict()["backtest"]["execution"]["market_impact"] == {
        "type": "square_root", "y": 1, "daily_volatility_bps": 110, "daily_volume": 1_500_000,
        "decay": DECAY,
    }  # fmt: skip
    assert make_config(config.to_dict()) == config


@pytest.mark.parametrize(
    ("decay", "message"),
    [
        ({"half_life_ms": 5}, ".type: expected none, exponential, power_law, found nothing"),
        ({"type": "linear"}, ".type: expected none, exponential, power_law, found 'linear'"),
        ({"type": "exponential"}, ".half_life_ms: expected this key with type exponential"),
        ({**DECAY, "half_life": 5}, ".half_life: unknown key with type exponential, known: type, "),
        ({**DECAY, "half_life_ms": -1}, ".half_life_ms: expected at least 0.001, found -1"),
        ({**DECAY, "half_life_ms": "1 s"}, ".half_life_ms: expected a number, found '1 s'"),
        ({"type": "power_law", "exponent": 1.5}, ".exponent: expected at most 1, found 1.5"),
        ({**DECAY, "permanent": 1.2}, ".permanent: expected at most 1, found 1.2"),
        ({**DECAY, "temporary": 0.9}, ": expected permanent and temporary of at most 1 together, "),
    ],
)
def test_what_is_wrong_with_a_decay_is_said_by_its_key(decay: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(type="linear", impact_bps_per_million=1, decay=decay)
    assert f"backtest.execution.market_impact.decay{message}" in str(caught.value)
    with pytest.raises(ConfigError, match="impact model linear: decay"):
        built_in("impact", "linear", decay=decay)


def test_a_decay_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match="decay: expected a mapping, found 'exponential'"):
        configured(type="linear", impact_bps_per_million=1, decay="exponential")


def test_fractions_of_a_push_are_exact() -> None:
    assert math.isclose(Fraction(int(decay_record(DECAY)["lasting"][0]), ONE), 0.2, abs_tol=1e-7)
