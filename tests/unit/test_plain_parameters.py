"""Parameters of strategies in plain Python, and what a class says of itself."""

from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tapewire import Strategy, Wants, parameter
from tapewire.errors import ConfigError
from tapewire.strategies.plain.strategy import declared_parameters


class Momentum(Strategy):
    """Follows the trend.

    And more.
    """

    lookback: int = parameter(50, "trades looked back on", minimum=2, maximum=1_000)
    threshold: float = 0.5
    offset: Decimal = Decimal("0.25")
    path: Path | None = None
    venue: str
    loud: bool = False
    seen: ClassVar[int] = 0
    _own: int = 3


def test_annotated_fields_are_parameters() -> None:
    specs = declared_parameters(Momentum)
    assert list(specs) == ["lookback", "threshold", "offset", "path", "venue", "loud"]
    assert specs["lookback"].doc == "trades looked back on"
    assert (specs["lookback"].minimum, specs["lookback"].maximum) == (2, 1_000)
    assert specs["venue"].required
    assert not specs["path"].required


def test_values_are_converted_to_their_types() -> None:
    one = Momentum(venue="x", threshold=2, offset=0.1, path="a/b", lookback=np.int64(7))
    assert one.parameters == {
        "lookback": 7, "threshold": 2.0, "offset": Decimal("0.1"), "path": Path("a/b"),
        "venue": "x", "loud": False,
    }  # fmt: skip
    assert type(one.threshold) is float
    assert one.lookback == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lookbak": 5}, "Momentum has no parameter lookbak; did you mean lookback?"),
        ({}, "Momentum needs the parameter venue (venue)"),
        ({"venue": "x", "lookback": 1}, "Momentum.lookback: expected at least 2, found 1"),
        ({"venue": "x", "lookback": 5.5}, "Momentum.lookback: expected int, found 5.5"),
        ({"venue": "x", "lookback": True}, "Momentum.lookback: expected int, found True"),
        ({"venue": 3}, "Momentum.venue: expected str, found 3"),
        ({"venue": "x", "loud": 1}, "Momentum.loud: expected bool, found 1"),
        ({"venue": "x", "offset": "ten"}, "Momentum.offset: expected Decimal, found 'ten'"),
    ],
)
def test_wrong_values_are_one_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Momentum(**given)
    assert str(caught.value) == message


def test_a_field_that_is_no_parameter_says_what_to_do() -> None:
    class Odd(Strategy):
        prices: list[float] = []  # noqa: RUF012

    with pytest.raises(ConfigError, match=r"Odd.prices: expected one of int, float.*on_start"):
        Odd()


def test_a_parameter_without_a_type_is_refused() -> None:
    class Odd(Strategy):
        size = parameter(1.5, "lots")

    with pytest.raises(ConfigError, match=r"Odd.size: expected a type.*`size: float = parameter"):
        Odd()


def test_a_default_of_another_type_is_refused() -> None:
    class Odd(Strategy):
        size: int = 1.5  # type: ignore[assignment]

    with pytest.raises(ConfigError, match=r"Odd.size: expected a default of type int, found 1.5"):
        Odd()


def test_a_class_says_what_a_run_has_to_know() -> None:
    definition = Momentum.definition()
    assert (definition.name, definition.doc) == ("Momentum", "Follows the trend.")
    assert definition is Momentum.definition()
    # Word of its orders it always gets; nothing else is asked for.
    called = [k for k, hook in enumerate(definition.addresses()) if hook]
    assert called == [5, 6]


@pytest.mark.parametrize(
    ("wants", "message"),
    [
        ({"book": "bba"}, "book: expected 'price', 'bbo' or 'depth', found 'bba'"),
        ({"book": "depth"}, "book: 'depth' needs a depth of at least 1, found 0"),
        ({"depth": 1_001}, "depth: expected a whole number from 0 to 1,000, found 1001"),
        ({"depth": 2.0}, "depth: expected a whole number from 0 to 1,000, found 2.0"),
        ({"trades_kept": -1}, "trades_kept: expected a whole number from 0 to 1,048,576, found -1"),
        ({"symbols": "ES*"}, "symbols: expected a tuple of symbols, found 'ES*'"),
        ({"features": ("returns_1x",)}, "returns_1x"),
    ],
)
def test_wants_are_checked_where_they_are_written(wants: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Wants(**wants)
    assert message in str(caught.value)
