"""What a metric is, and the ways its value is kept and written."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

from tapewire.analytics import formats as f
from tapewire.analytics.exact import decimal_text
from tapewire.analytics.schemas import MONEY_UNIT, Column

#: Source of book-keeping identities and counts.
DEFINITION: Final = "the formula is the definition"


def as_it_is(value: Any) -> Any:
    """Return a value that is ready for JSON."""
    return value


@dataclass(frozen=True)
class Format:
    """How values of one kind are stored and written.

    Attributes
    ----------
    type
        Type of the column, a key of the types in `tapewire.analytics.schemas`.
    unit
        Unit of the column.
    text
        The value as the report shows it; takes None, too.
    manifest
        The value as the manifest has it, ready for JSON; None leaves it out.
    """

    type: str
    unit: str
    text: Callable[[Any], str]
    manifest: Callable[[Any], Any] | None = as_it_is


#: Exact money; in the manifest as decimal text in currency.
MONEY: Final = Format("int64", MONEY_UNIT, f.money, decimal_text)
TIME: Final = Format("time", "ns UTC", f.time_utc, None)
COUNT: Final = Format("int64", "count", f.count)
LOTS: Final = Format("int64", "lots", f.count)
#: A part of a whole, shown as a percentage.
SHARE: Final = Format("float64", "ratio", f.percent)
RATIO: Final = Format("float64", "ratio", f.number)
#: Money per something; no longer exact.
CURRENCY: Final = Format("float64", "currency", f.number)
SMALL_CURRENCY: Final = Format("float64", "currency", partial(f.number, places=4))
SECONDS: Final = Format("float64", "s", f.duration)


class Metric:
    """One figure of a leg, a strategy or the run. Its class is its definition; no instance is made.

    Attributes
    ----------
    column
        Name in ``metrics.parquet`` and in the manifest.
    label
        Name in the report's table of metrics.
    format
        Type, unit and text.
    formula
        How it is computed, in words; the column's description and the report's tooltip.
    source
        Where the formula is from: author, title, year.
    null
        When there is no value; empty for a metric that always has one.
    compact
        Heading in the report's table by strategy and instrument; empty: it is not there.
    terse
        Heading on the terminal and in a notebook; empty: it is not there.
    absent
        Sentence below the report's table where there is no value; may be empty.
    costs
        Whether less of it is better; of most, more is, and of some neither.
    compute
        Its value, or None, from its inputs: every parameter is called like a field of `Inputs`
        and has its type.
    """

    column: ClassVar[str]
    label: ClassVar[str]
    format: ClassVar[Format]
    formula: ClassVar[str]
    source: ClassVar[str] = DEFINITION
    null: ClassVar[str] = ""
    compact: ClassVar[str] = ""
    terse: ClassVar[str] = ""
    absent: ClassVar[str] = ""
    costs: ClassVar[bool] = False
    compute: ClassVar[Callable[..., int | float | None]]

    @classmethod
    def schema(cls) -> Column:
        """Return its column of ``metrics.parquet``."""
        return Column(cls.column, cls.format.type, cls.format.unit, cls.formula, cls.null)


def ratio(part: float, whole: float) -> float | None:
    """Return ``part / whole``; None where the whole is 0."""
    return part / whole if whole else None
