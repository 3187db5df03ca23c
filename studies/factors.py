"""What a Monte Carlo study does: how often, and what of a run it draws from what distribution."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from tapewire.config.wording import expected
from tapewire.studies.axes import value_of
from tapewire.studies.settings import TRIALS_MAX, VALUES_MAX, Block, Range

#: Synthetic markets of one study.
MARKETS_MAX: Final = 10_000
#: How often trades and blocks may be drawn again.
RESAMPLES_MAX: Final = 1_000_000
_FACTORS: Final = ("lognormal", "normal", "uniform")


class Factor(BaseModel):
    """What something is multiplied with; one of the three.

    Attributes
    ----------
    lognormal
        Standard deviation of the factor's logarithm; its median is 1.
    normal
        Standard deviation of the factor around 1; below 0 it is 0.
    uniform
        The least and the most, each between them as likely.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lognormal: float | None = Field(default=None, gt=0, le=5)
    normal: float | None = Field(default=None, gt=0, le=5)
    uniform: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = [name for name in _FACTORS if getattr(self, name) is not None]
        if len(given) != 1:
            raise expected(f"one of {', '.join(_FACTORS)}", given or None)
        if self.uniform is not None and not 0 <= self.uniform[0] <= self.uniform[1] < math.inf:
            raise expected("uniform with two numbers, 0 or more, the least first", self.uniform)
        return self

    def draw(self, random: np.random.Generator) -> float:
        """Draw a factor."""
        if self.lognormal is not None:
            return math.exp(self.lognormal * random.standard_normal())
        if self.normal is not None:
            return max(0.0, 1.0 + self.normal * random.standard_normal())
        assert self.uniform is not None
        low, high = self.uniform
        return low + (high - low) * random.random()

    def __str__(self) -> str:
        if self.uniform is not None:
            return f"times uniform {self.uniform[0]:g} to {self.uniform[1]:g}"
        if self.normal is not None:
            return f"times normal 1 ± {self.normal:g}"
        return f"times lognormal, sigma {self.lognormal:g}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "anew"
    if isinstance(value, Factor) or (isinstance(value, Mapping) and set(value) & set(_FACTORS)):
        return "factor"
    return "range" if isinstance(value, (Mapping, Range)) else "list"


#: What is drawn from: a factor of what is configured; a range or a list of values; or anew.
Perturbation = Annotated[
    Annotated[Literal[True], Tag("anew")]
    | Annotated[Factor, Tag("factor")]
    | Annotated[Range, Tag("range")]
    | Annotated[list[Any], Field(min_length=1, max_length=VALUES_MAX), Tag("list")],
    Discriminator(_kind),
]


class MonteCarloSettings(BaseModel):
    """What is drawn, how often, by what seed.

    Attributes
    ----------
    perturb
        Distributions by what they are of: ``seed``, ``latency``, ``jitter``, ``fill``, ``fees``,
        or anything that a study may vary. None: those of `tapewire.studies.perturbing.DEFAULTS`
        that the configuration has a use for.
    draws
        Perturbed runs.
    markets
        Runs over a synthetic market each, made with a seed of its own.
    like, symbol
        The file whose market those are like, and whose book of it.
    calibration
        Or the model that ``tapewire data calibrate`` wrote.
    market_hours, market_records
        Length of each: hours, or records.
    resamples
        How often trades and blocks are drawn again.
    bootstrap
        ``stationary`` or ``circular``.
    block_length
        Of both, in trades or in blocks; None: as `resampling.block_length` finds it.
    block
        Blocks of P&L: ``day`` (UTC), or minutes.
    seed
        Of all draws.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    perturb: dict[str, Perturbation] | None = None
    draws: int = Field(default=100, ge=0, le=TRIALS_MAX)
    markets: int = Field(default=0, ge=0, le=MARKETS_MAX)
    like: str | None = None
    symbol: str | None = None
    calibration: str | None = None
    market_hours: float | None = Field(default=None, gt=0, le=23)
    market_records: int | None = Field(default=None, ge=64, le=1_000_000_000)
    resamples: int = Field(default=2_000, ge=2, le=RESAMPLES_MAX)
    bootstrap: Literal["stationary", "circular"] = "stationary"
    block_length: float | None = Field(default=None, ge=1)
    block: Block = "day"
    seed: int = Field(default=0, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.like is not None and self.calibration is not None:
            raise expected("one of like and calibration", "both")
        if self.symbol is not None and self.like is None:
            raise expected("like, the file whose book symbol is", None)
        if self.market_hours is not None and self.market_records is not None:
            raise expected("one of market_hours and market_records", "both")
        if self.perturb is not None and not self.perturb and self.draws:
            raise expected("something to perturb, or draws: 0", None)
        if self.markets == 0 and (self.like or self.calibration):
            raise expected("markets, how many are made, beside like or calibration", 0)
        return self

    @property
    def block_ns(self) -> int:
        """Length of a block."""
        return (1440 if self.block == "day" else self.block) * 60 * 1_000_000_000


def perturbation_of(text: str) -> Any:
    """Read a distribution as it is typed: ``lognormal:0.25``, ``uniform:0.5:1``, or values.

    Raises
    ------
    ValueError
        If it is none.
    """
    name, *numbers = text.split(":")
    if name not in _FACTORS:
        return value_of(text)
    try:
        given = [float(number) for number in numbers]
    except ValueError:
        given = []
    if len(given) != (2 if name == "uniform" else 1):
        raise ValueError(
            f"expected lognormal:SIGMA, normal:SIGMA or uniform:LEAST:MOST, found {text!r}"
        )
    return {name: given if name == "uniform" else given[0]}
