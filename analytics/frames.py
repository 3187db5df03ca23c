"""Tables of a run for those who want other numbers: the files keep exact integers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics.schemas import MONEY_UNIT, PRICE_UNIT
from tapewire.compiled.units import MONEY_UNITS, PRICE_UNITS
from tapewire.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

#: What a column is in afterwards, and how many of its units make one of that.
_UNITS: Final = {PRICE_UNIT: ("price", PRICE_UNITS), MONEY_UNIT: ("currency", MONEY_UNITS)}
#: Digits of a decimal, and how many of them are behind the point; sums have room, too.
_DIGITS: Final = 38
_PLACES: Final = 9


def as_floats(table: "pa.Table") -> "pa.Table":
    """Return a table of a run with prices and money as floats in whole units.

    Columns in units of 1e-9, as their metadata say, become ``float64``, the nearest to the exact
    value; nulls stay. Everything else, quantities and times above all, is left as it is.

    Parameters
    ----------
    table
        ``fills``, ``orders``, ``equity`` or ``metrics`` of a result, or read from a run folder.

    Raises
    ------
    ConfigError
        If it is no Arrow table.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def floats(column: "pa.ChunkedArray", units: int) -> "pa.ChunkedArray":
        return pc.divide(pc.cast(column, pa.float64(), safe=False), float(units))

    return _converted(table, floats)


def as_decimals(table: "pa.Table") -> "pa.Table":
    """Return a table of a run with prices and money as exact decimals in whole units.

    Columns in units of 1e-9, as their metadata say, become ``decimal128(38, 9)``, which pandas
    shows as ``decimal.Decimal``; nulls stay, and so does everything else.

    Parameters
    ----------
    table
        As `as_floats` takes it.

    Raises
    ------
    ConfigError
        If it is no Arrow table.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def decimals(column: "pa.ChunkedArray", units: int) -> "pa.ChunkedArray":
        assert units == 10**_PLACES
        whole = pc.cast(column, pa.decimal128(19, 0))  # as many digits as an int64 has
        exact = pa.decimal128(_DIGITS, _PLACES)  # the same digits, the point among them
        return pa.chunked_array([chunk.view(exact) for chunk in whole.chunks], exact)

    return _converted(table, decimals)


def _converted(table: Any, convert: "Callable[[pa.ChunkedArray, int], Any]") -> "pa.Table":
    """Return the table with `convert` done to all columns that are in units of 1e-9."""
    import pyarrow as pa

    if not isinstance(table, pa.Table):
        found = "nothing" if table is None else f"a {type(table).__name__}"
        raise ConfigError(f"table: expected an Arrow table of a run, found {found}")
    for i, field in enumerate(table.schema):
        notes = field.metadata or {}
        unit = _UNITS.get(notes.get(b"unit", b"").decode())
        if unit is None or not pa.types.is_int64(field.type):
            continue
        name, units = unit
        values = convert(table.column(i), units)
        whole = pa.field(field.name, values.type, field.nullable, {**notes, b"unit": name})
        table = table.set_column(i, whole, values)
    return table
