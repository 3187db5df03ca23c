"""Indicators of compiled strategies: bit for bit what the streams give."""

from typing import Any

import numpy as np
import pytest

from bars import walk
from tapewire.candles.columns import BarColumns
from tapewire.candles.indicators import INDICATORS, indicator_stream, parameters_of
from tapewire.candles.indicators.compiled import COLUMNS, COMPILED, memory_of
from tapewire.candles.rules.comparing import holds
from tapewire.candles.rules.plan import in_units
from tapewire.generator.converting.parts import COMPARED
from tapewire.generator.tape import comparing

SMALL = {"fast": 3, "slow": 7, "period": 5, "smooth": 2, "signal": 4, "width": 1.5}


def flat() -> BarColumns:
    """Bars among which many do not move at all."""
    bars = walk(300, 5, move=0)
    return BarColumns.of(
        bars.ts_event, bars.close, bars.close, bars.close, bars.close, bars.volume // 7,
        session=bars.session,
    )  # fmt: skip


def test_each_indicator_is_there() -> None:
    assert {*COMPILED, *COLUMNS} == set(INDICATORS)


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_indicator_is_its_stream(name: str) -> None:
    """In an array that is longer than it has to be, as a strategy's with a smaller period is."""
    definition = INDICATORS[name]
    given = {one: SMALL[one] for one in definition.parameters}
    values = parameters_of(definition, given)
    for bars, more in ((walk(300, 3), 0), (walk(300, 4, start=100), 9), (flat(), 0)):
        stream = indicator_stream(name, given)
        memory = np.zeros(memory_of(name, values) + more)
        for row in bars.rows():
            bar = np.array([row.open, row.high, row.low, row.close, row.volume, row.session])
            found = COMPILED[name][0](memory, bar, *values.values())
            np.testing.assert_array_equal(np.atleast_1d(found), stream.push(row))


def test_comparisons_are_those_of_rules() -> None:
    tiny = 1e-11
    numbers: list[Any] = [float("nan"), -50.0, 0.0, tiny, 50.0, 50.0 + tiny, 50.1, 2.0**60]
    for code, name in COMPARED.items():
        compiled = getattr(comparing, name)
        crosses = "cross" in name
        for left in numbers:
            for right in numbers:
                for before in ((1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (float("nan"), 1.0)):
                    given = (left, right, *before) if crosses else (left, right)
                    assert compiled(*given) == holds(code, left, right, *before), (name, given)


def test_a_price_in_units_is_that_of_rules() -> None:
    for price in (0.0, 4_800.25, 0.1, 1e17, -3.0, 7.77):
        for unit in (1.0, 0.25, 0.01, 0.1):
            assert comparing.in_ticks(price, unit) == in_units(price, unit)
