"""A table of fees: lines (exchange, clearing, broker, …), venues, and tiers by volume.

A row says what a lot costs makers and takers, per contract and in basis points of its value, for
one line of the bill, at one venue or all, while the lots that the strategy has traded in that book
lie between two bounds. Each line is charged once, by the rows of the venue where it has any, else
by those of all venues; a fill that crosses a bound pays each part by its own row. Fee of a part =
lots x per contract + |price| x lots x multiplier x bps / 10,000, in exact integers (`notional.py`).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np

from tapewire.compiled.memory import accessor
from tapewire.compiled.parameters import ParameterFault, ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.fees.notional import RATE_OF_BP, notional_fee

LINES: Final = ("exchange", "clearing", "broker")
ROWS_MAX: Final = 100
LOTS_MAX: Final = 2**62
ANY: Final = -1

ROW: Final = np.dtype(
    [
        ("line", "i8"),
        ("publisher", "i8"),  # or ANY
        ("first", "i8"),  # lots traded before
        ("last", "i8"),  # not included
        ("per_lot", "i8", (2,)),  # of makers and takers, 1e-9 currency
        ("rate", "i8", (2,)),  # of makers and takers, millionths of a basis point
    ]
)
STATE: Final = np.dtype([("rows", "i8"), ("n", "i8")])
row_at: Final = accessor(ROW, in_block=False)

_NUMBERS: Final = {"maker": 1_000, "taker": 1_000, "maker_bps": 10_000, "taker_bps": 10_000}
_KEYS: Final = ("line", "publisher", "from", "to", *_NUMBERS)


def kernel(
    state: Any, price: int, lots: int, liquidity: int, multiplier_num: int, multiplier_den: int,
    traded: int, publisher_id: int, line: int,
) -> Any:  # fmt: skip
    """The sum over lines, or one of them, and over the parts of the fill between bounds."""
    fee = 0
    for k in range(state.n):
        row = row_at(state.rows, k)
        if line != ANY and row.line != line:
            continue
        part = min(traded + lots, row.last) - max(traded, row.first)
        if part <= 0:
            continue
        if row.publisher == ANY:
            special = False
            for j in range(state.n):
                other = row_at(state.rows, j)
                special |= other.line == row.line and other.publisher == publisher_id
            if special:
                continue
        elif row.publisher != publisher_id:
            continue
        fee += part * row.per_lot[liquidity]
        rate = row.rate[liquidity]
        if rate != 0:
            fee += notional_fee(price, part, multiplier_num, multiplier_den, rate)
    return fee


def check(parameters: Mapping[str, Any]) -> None:
    """Raise `ParameterFault` if a row is none, or tiers have a hole or overlap."""
    rows = parameters["rows"]
    if not 0 < len(rows) <= ROWS_MAX:
        raise ParameterFault(("rows",), f"expected 1 to {ROWS_MAX:,} rows, found {len(rows):,}")
    tiers: dict[tuple[str, int], list[int]] = {}
    for k, row in enumerate(rows):
        _check_row(k, row)
        tiers.setdefault((row.get("line", LINES[0]), row.get("publisher", ANY)), []).append(k)
    for (line, publisher), places in tiers.items():
        _check_tiers(rows, places)
        if publisher != ANY and (line, ANY) not in tiers:
            raise ParameterFault(
                ("rows", places[0]),
                f"expected rows of line {line} without publisher, too, for all other venues, "
                "found none",
            )


def _check_row(k: int, row: Any) -> None:
    if not isinstance(row, dict):
        raise ParameterFault(("rows", k), f"expected a mapping, found {row!r}")
    for key, value in row.items():
        if key not in _KEYS:
            raise ParameterFault(("rows", k, key), f"unknown key, known: {', '.join(_KEYS)}")
        if key == "line":
            if value not in LINES:
                raise ParameterFault(
                    ("rows", k, key), f"expected one of {', '.join(LINES)}, found {value!r}"
                )
        elif key in _NUMBERS:
            _check_number(k, key, value)
        elif isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LOTS_MAX:
            raise ParameterFault(
                ("rows", k, key), f"expected a whole number of at least 0, found {value!r}"
            )


def _check_number(k: int, key: str, value: Any) -> None:
    most, places = _NUMBERS[key], 6 if key.endswith("bps") else 9
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ParameterFault(("rows", k, key), f"expected a number, found {value!r}")
    fault = ParameterSpec(Decimal, "", None, -most, most, places).fault(Decimal(str(value)))
    if fault:
        raise ParameterFault(("rows", k, key), f"expected {fault}, found {value}")


def _check_tiers(rows: Sequence[Mapping[str, Any]], places: Sequence[int]) -> None:
    """Look whether the tiers of a line at a venue begin at 0 and follow each other to the end."""
    expected: int | None = 0
    for k in places:
        first, last = rows[k].get("from", 0), rows[k].get("to")
        if expected is None:
            raise ParameterFault(
                ("rows", k), "expected no row behind one without an end (to) of the same line and "
                f"venue, found one from {first:,}",
            )  # fmt: skip
        if first != expected:
            raise ParameterFault(
                ("rows", k, "from"),
                f"expected {expected:,}, where the tier before ends, found {first:,}",
            )
        if last is not None and last <= first:
            raise ParameterFault(("rows", k, "to"), f"expected more than {first:,}, found {last:,}")
        expected = last
    if expected is not None:
        raise ParameterFault(
            ("rows", places[-1], "to"), f"expected none in the last tier, found {expected:,}"
        )


def table_of(parameters: Mapping[str, Any]) -> Any:
    """The rows as kernels read them, shape (n,) of `ROW`."""
    table = np.zeros(len(parameters["rows"]), ROW)
    for record, row in zip(table, parameters["rows"], strict=True):
        record["line"] = LINES.index(row.get("line", LINES[0]))
        record["publisher"] = row.get("publisher", ANY)
        record["first"], record["last"] = row.get("from", 0), row.get("to", LOTS_MAX)
        for side, name in enumerate(("maker", "taker")):
            record["per_lot"][side] = int(Decimal(str(row.get(name, 0))).scaleb(9))
            record["rate"][side] = int(Decimal(str(row.get(f"{name}_bps", 0))) * RATE_OF_BP)
    return table


def prepare(parameters: Mapping[str, Any], state: Any) -> object:
    """Write the table into the state record; returns what must be kept with it."""
    table = table_of(parameters)
    state["rows"], state["n"] = table.ctypes.data, table.size
    return table


SCHEDULE = ModelDefinition(
    family="fees",
    name="schedule",
    doc="a table of fees: lines, venues, tiers by volume",
    kernel=kernel,
    parameters={
        "rows": ParameterSpec(
            list, "mappings of line, publisher, from, to, maker, taker, maker_bps, taker_bps"
        ),
    },
    state=STATE,
    prepare=prepare,
    check=check,
    lines=LINES,
)
