"""Tables of a run for those who want floats: the files keep exact integers."""

from typing import TYPE_CHECKING, Final

from tapewire.analytics.schemas import MONEY_UNIT, PRICE_UNIT
from tapewire.compiled.units import MONEY_UNITS, PRICE_UNITS
from tapewire.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

#: What a column is in afterwards, and how many of its units make one of that.
_UNITS: Final = {PRICE_UNIT: ("price", PRICE_UNITS), MONEY_UNIT: ("currency", MONEY_UNITS)}


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

    if not isinstance(table, pa.Table):
        found = "nothing" if table is None else f"a {type(table).__name__}"
        raise ConfigError(f"table: expected an Arrow table of a run, found {found}")
    for i, field in enumerate(table.schema):
        notes = field.metadata or {}
        unit = _UNITS.get(notes.get(b"unit", b"").decode())
        if unit is None or not pa.types.is_int64(field.type):
            continue
        name, units = unit
        values = pc.divide(pc.cast(table.column(i), pa.float64(), safe=False), float(units))
        floats = pa.field(field.name, pa.float64(), field.nullable, {**notes, b"unit": name})
        table = table.set_column(i, floats, values)
    return table
