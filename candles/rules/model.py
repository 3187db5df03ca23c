"""A strategy as data: the form of its JSON."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

#: Bounds of what may be written: a file from anywhere can't make work without an end.
CONDITIONS_MAX: Final = 1_000
DEPTH_MAX: Final = 16

Comparison = Literal[
    "crosses_above",
    "crosses_below",
    "greater_than",
    "greater_or_equal",
    "less_than",
    "less_or_equal",
]
Number = Annotated[float, Field(allow_inf_nan=False)]
Above = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
Bars = Annotated[int, Field(ge=1, le=10_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class _RulePart(BaseModel):
    """What all parts have in common: no other keys, nothing turned into another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class IndicatorValue(_RulePart):
    """An indicator's output as of a bar's end."""

    indicator: Name = Field(description="One of `tapewire candles indicators`.")
    timeframe: Name | None = Field(
        None, description="One of the strategy's timeframes; the primary one if left out."
    )
    params: dict[str, float | int] = Field(
        default_factory=dict, description="By name; what is left out has its default."
    )
    output: Name | None = Field(None, description="One of its outputs; the first if left out.")


def _kind_of_value(value: Any) -> str:
    return "@indicator" if isinstance(value, (dict, IndicatorValue)) else "@number"


CompareWith = Annotated[
    Annotated[Number, Tag("@number")] | Annotated[IndicatorValue, Tag("@indicator")],
    Discriminator(_kind_of_value),
]


class IndicatorCondition(IndicatorValue):
    """A comparison of an indicator with a number or another indicator."""

    comparison: Comparison
    value: CompareWith | None = Field(
        None,
        description="A number, in currency for prices, or another indicator. Left out, crosses are "
        "compared with 0, macd with its signal, stochastic with its d.",
    )


class ExitDistance(_RulePart):
    """A stop or a target, at a distance from the entry's price: one of three measures."""

    type: Literal["stop_loss", "take_profit", "trailing_stop"]
    percent: Above | None = Field(None, description="Of the entry's price.")
    fixed: Above | None = Field(None, description="In currency.")
    atr: Above | None = Field(None, description="Average true ranges, as of the signal's bar.")
    period: Annotated[int, Field(ge=2, le=100_000)] | None = Field(
        None, description="Bars of the average true range, 14 if left out; with atr only."
    )

    @property
    def measure(self) -> tuple[str, float]:
        """How far from the entry: (``percent``, ``fixed`` or ``atr``, how much of it)."""
        given = {"percent": self.percent, "fixed": self.fixed, "atr": self.atr}
        return next((name, amount) for name, amount in given.items() if amount is not None)


class ExitTime(_RulePart):
    """The end of a position some bars after its entry."""

    type: Literal["time_exit"]
    bars: Bars = Field(description="Of the primary timeframe.")


class RuleGroup(_RulePart):
    """Conditions that hold together, one by one, or not."""

    operator: Literal["AND", "OR", "NOT"]
    conditions: list["Rule"] = Field(
        min_length=1, max_length=CONDITIONS_MAX, description="One, with NOT."
    )


def _kind_of_rule(value: Any) -> str | None:
    if isinstance(value, dict):
        if "operator" in value:
            return "@group"
        if "type" in value:
            return "@time" if value["type"] == "time_exit" else "@distance"
        return "@condition" if "indicator" in value else None
    for kind, tag in _TAGS:
        if isinstance(value, kind):
            return tag
    return None


_TAGS: Final[tuple[tuple[type[BaseModel], str], ...]] = (
    (RuleGroup, "@group"),
    (IndicatorCondition, "@condition"),
    (ExitDistance, "@distance"),
    (ExitTime, "@time"),
)

Rule = Annotated[
    Annotated[RuleGroup, Tag("@group")]
    | Annotated[IndicatorCondition, Tag("@condition")]
    | Annotated[ExitDistance, Tag("@distance")]
    | Annotated[ExitTime, Tag("@time")],
    Discriminator(_kind_of_rule),
]


class SideRules(_RulePart):
    """Rules for either direction; what is left out never holds."""

    long: Rule | None = None
    short: Rule | None = None


class TimeframeNames(_RulePart):
    """The timeframes of a strategy, as ``5m``, ``4h``, ``1d``."""

    primary: Name = Field(description="Its bars are those that signals are of.")
    secondary: list[Name] = Field(default_factory=list, max_length=16)


class DeclaredStrategy(_RulePart):
    """A strategy over bars, declared as data."""

    name: Name
    version: Annotated[str, Field(pattern=r"^\d{1,6}(\.\d{1,6}){0,2}$")]
    timeframes: TimeframeNames
    entry_rules: SideRules
    exit_rules: SideRules = Field(default_factory=SideRules)


RuleGroup.model_rebuild()
