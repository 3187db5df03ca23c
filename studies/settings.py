"""The ``study`` of a configuration: what varies, how much of it is tried, what is best."""

import math
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from tapewire.config.wording import expected

#: Trials of one study.
TRIALS_MAX: Final = 1_000_000
#: Values of one axis.
VALUES_MAX: Final = 100_000
#: Of ten, in the numbers of a range, up and down: none is written out that has a billion digits.
POWER_MAX: Final = 30
#: Of a block.
MINUTES_MAX: Final = 1_440
_CONSTRAINT: Final = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+]?[\d_.]+(?:[eE][-+]?\d+)?)\s*")


def _block(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value == "day" or (whole and 1 <= value <= MINUTES_MAX):
        return value
    raise expected(f"day, or minutes from 1 to {MINUTES_MAX:,}", value)


#: A stretch of time that P&L is told for: ``day`` (UTC), or minutes.
Block = Annotated[Literal["day"] | int, BeforeValidator(_block)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Range(_Part):
    """Numbers: every ``step`` from ``from`` to ``to``, both included, or any between them.

    Without ``step`` they can be drawn, not counted out; ``log`` draws their logarithm evenly,
    ``integer`` whole numbers.
    """

    start: Decimal = Field(alias="from")
    to: Decimal
    step: Decimal | None = Field(default=None, gt=0)
    log: bool = False
    integer: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        for number in (self.start, self.to, self.step):
            if number and abs(number.adjusted()) > POWER_MAX:
                raise expected(f"numbers from 1e-{POWER_MAX} to 1e{POWER_MAX}", number)
        if self.to < self.start:
            raise expected(f"a to of at least {self.start}", self.to)
        if self.log and self.start <= 0:
            raise expected("a from above 0 where log is true", self.start)
        if self.step is not None:
            if self.log or self.integer:
                raise expected("step, or log and integer", "both")
            if (self.to - self.start) / self.step >= VALUES_MAX:
                raise expected(f"at most {VALUES_MAX:,} values", self.to)
            if (self.to - self.start) % self.step:
                raise expected(f"a to that is reached from {self.start} in steps of {self.step}",
                               self.to)  # fmt: skip
        return self

    def values(self) -> list[Any] | None:
        """Return the numbers that there are; None where there are too many to count."""
        if self.step is None:
            return None
        count = int((self.to - self.start) / self.step) + 1
        return [plain_number(self.start + k * self.step) for k in range(count)]

    def at(self, share: float) -> Any:
        """Return the number that a share of the range, from 0 to below 1, stands for."""
        counted = self.values()
        if counted is not None:
            return counted[min(int(share * len(counted)), len(counted) - 1)]
        low, high = float(self.start), float(self.to)
        if self.integer:
            high += 1.0
        if self.log:
            found = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            found = low + share * (high - low)
        if self.integer:
            return min(int(found), int(self.to))
        return float(f"{found:.6g}")  # a number that somebody can read, and type again


def plain_number(value: Decimal) -> int | float:
    """Return a number as a configuration writes it."""
    return int(value) if value == value.to_integral_value() else float(value)


class Objective(_Part):
    """What is better: a metric, and whether more or less of it.

    Attributes
    ----------
    metric
        A column of ``metrics.parquet``.
    minimise
        Whether less is better.
    """

    metric: str
    minimise: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """``net_pnl`` is maximised, ``-max_drawdown`` minimised."""
        return cls(metric=text.removeprefix("-"), minimise=text.startswith("-"))

    def __str__(self) -> str:
        return f"-{self.metric}" if self.minimise else self.metric

    def score(self, row: Mapping[str, Any]) -> float | None:
        """Return how good a row is, more being better; None where there is no finite number."""
        value = row.get(self.metric)
        if value is None or not math.isfinite(value):
            return None
        return -float(value) if self.minimise else float(value)


class Constraint(_Part):
    """What a trial must keep to be best: ``fills >= 30``.

    Money is in currency.
    """

    metric: str
    sign: Literal["<=", ">=", "<", ">"]
    bound: float

    @classmethod
    def of(cls, text: str) -> Self:
        """Read ``metric >= number``.

        Raises
        ------
        PydanticCustomError
            If it is none.
        """
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            raise expected("a metric, <, <=, > or >=, and a number, like fills >= 30", text)
        return cls(metric=match[1], sign=match[2], bound=float(match[3]))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.bound:g}"

    def excess(self, value: float | None) -> float | None:
        """Return how far a value is beyond the bound, at most 0 within; None as `keeps` has it."""
        if value is None or not math.isfinite(value):
            return None
        beyond = value - self.bound if self.sign in ("<", "<=") else self.bound - value
        # At a bound that is not to be reached, and where a difference is lost in rounding.
        return min(beyond, 0.0) if self.keeps(value) else max(beyond, sys.float_info.min)

    def keeps(self, value: float | None) -> bool:
        """Whether a value is within the bound; none, and what is not finite, is not."""
        if value is None or not math.isfinite(value):
            return False
        return {
            "<=": value <= self.bound,
            ">=": value >= self.bound,
            "<": value < self.bound,
            ">": value > self.bound,
        }[self.sign]


def _kind(value: object) -> str:
    return "range" if isinstance(value, (Mapping, Range)) else "list"


Values = Annotated[
    Annotated[list[Any], Field(min_length=1, max_length=VALUES_MAX), Tag("list")]
    | Annotated[Range, Tag("range")],
    Discriminator(_kind),
]


class StudySettings(_Part):
    """What a study tries.

    Attributes
    ----------
    vary
        Values by what they are of: a parameter of the strategy by its name, ``strategy`` (names
        of the configuration's), ``symbols``, ``day`` (UTC), or any key of the configuration.
    method
        ``grid``: every combination, the last varying fastest; ``random``: `draws` of them;
        ``list``: `trials` as they stand.
    trials
        Of ``list``: values by name, of each.
    draws, seed
        Of ``random``.
    objective
        Metrics, the first being what best goes by; a minus before one minimises it.
    constraints
        What best must keep.
    block
        What P&L is also told for, for each trial: ``day`` (UTC), or minutes.
    """

    vary: dict[str, Values] = Field(default_factory=dict)
    method: Literal["grid", "random", "list"] = "grid"
    trials: list[dict[str, Any]] | None = None
    draws: int = Field(default=100, ge=1, le=TRIALS_MAX)
    seed: int = Field(default=0, ge=0, lt=2**63)
    objective: Annotated[list[str], Field(min_length=1)] = Field(
        default_factory=lambda: ["net_pnl"]
    )
    constraints: list[str] = Field(default_factory=list)
    block: Block = "day"

    @field_validator("constraints")
    @classmethod
    def _are_constraints(cls, given: list[str]) -> list[str]:
        for text in given:
            Constraint.of(text)
        return given

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.method == "list" and not self.trials:
            raise expected("trials, a list of values by name, with method list", None)
        if self.method != "list":
            if self.trials is not None:
                raise expected("method list with trials", self.method)
            if not self.vary:
                what = "something to vary (--vary NAME=VALUES, or vary in the study of a file)"
                raise expected(what, None)
        return self

    @property
    def objectives(self) -> list[Objective]:
        """What is better."""
        return [Objective.of(text) for text in self.objective]

    @property
    def kept(self) -> list[Constraint]:
        """What best must keep."""
        return [Constraint.of(text) for text in self.constraints]

    @property
    def block_ns(self) -> int:
        """Length of a block."""
        return (1440 if self.block == "day" else self.block) * 60 * 1_000_000_000
