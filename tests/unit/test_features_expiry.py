"""Rows of features end with their instrument: by hand, wherever its definition lies.

Of XH4 (id 1) and XM4 (id 2) bid 100 and ask 102 stand from 1:00; at 20:00 the bid of each is 101.
The last record comes at 47:00, so that there is a row per 6 hours up to 42:00.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import defined
import streams
import tapewire as tw
from tapewire.errors import ConfigError, NoDataError
from tapewire.features import until_expiry
from tapewire.inputs.features import feature_request

T0, HOUR = streams.START_NS, 3_600 * 10**9
#: (hour, instrument, side, price)
ADDED = [
    (1, 1, "B", 100), (1, 1, "A", 102), (1, 2, "B", 100), (1, 2, "A", 102),
    (20, 1, "B", 101), (20, 2, "B", 101), (47, 2, "B", 90),
]  # fmt: skip
MAPPINGS = {"XH4": [(1, 0, 2)], "XM4": [(2, 0, 2)]}


def definition(expires_h: float, number: int = 1, symbol: bytes = b"XH4", **fields: Any) -> bytes:
    """An instrument's definition, captured as the data begin."""
    given = {"instrument_id": number, "raw_symbol": symbol, "ts_recv": T0, **fields}
    return defined.definition(expiration=T0 + int(expires_h * HOUR), **given)


def write(folder: Path, where: str, *definitions: bytes) -> dict[str, Any]:
    """The data and definitions of it; what to ask for."""
    rows = streams.make_records(len(ADDED), ts_recv=[T0 + hour * HOUR for hour, *_ in ADDED])
    for row, (_, number, side, price) in zip(rows, ADDED, strict=True):
        row["instrument_id"], row["action"], row["side"] = number, ord("A"), ord(side)
        row["price"], row["size"] = price * 10**9, 1
    data = folder / "x.mbo.dbn"
    if where == "capture":
        header = streams.dbn_header(MAPPINGS, schema=None)
        data.write_bytes(header + b"".join(definitions) + rows.tobytes())
        return {"files": [data]}
    data.write_bytes(streams.dbn_header(MAPPINGS) + rows.tobytes())
    if where == "folder":
        defined.write(folder / "x.definition.dbn", *definitions)
        return {"files": [folder]}
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    path = defined.write(elsewhere / "x.definition.dbn", *definitions)
    return {"files": [data], "definitions": [path]}


def table_of(given: dict[str, Any]) -> dict[str, list[tuple]]:
    """(hour, mid, label) of each row, by symbol."""
    table = tw.features_table(**given, every="6h", features="mid", labels="mid_return_6h")
    hours = (table["ts_recv"].cast(pa.int64()).to_numpy() - T0) // HOUR
    found: dict[str, list[tuple]] = {}
    for hour, row in zip(hours.tolist(), table.to_pylist(), strict=True):
        later = row["mid_return_6h"]
        label = None if np.isnan(later) else round(later, 9)
        found.setdefault(row["symbol"], []).append((hour, row["mid"], label))
    return found


WHOLE = [
    (6, 101.0, 0.0), (12, 101.0, 0.0), (18, 101.0, round(101.5 / 101 - 1, 9)), (24, 101.5, 0.0),
    (30, 101.5, 0.0), (36, 101.5, 0.0), (42, 101.5, None),
]  # fmt: skip


@pytest.mark.parametrize("where", ["option", "folder", "capture"])
def test_no_row_is_of_a_time_after_the_expiry(tmp_path: Path, where: str) -> None:
    found = table_of(write(tmp_path, where, definition(37)))
    assert found["XH4"] == [*WHOLE[:5], (36, 101.5, None)]
    assert found["XM4"] == WHOLE


def test_the_moment_of_expiry_is_no_time_of_it(tmp_path: Path) -> None:
    """And what deletes an instrument, or defines another by its number, says nothing of it."""
    given = write(
        tmp_path, "option", definition(36), definition(8, ts_recv=T0 - 1),
        definition(9, security_update_action=b"D"), definition(9, 2, b"XU4"),
    )  # fmt: skip
    found = table_of(given)
    assert [hour for hour, *_ in found["XH4"]] == [6, 12, 18, 24, 30]
    assert found["XM4"] == WHOLE


def test_who_had_expired_before_has_no_rows_and_is_named(tmp_path: Path) -> None:
    given = write(tmp_path, "option", definition(-1))
    assert table_of(given) == {"XM4": WHOLE}
    (note,) = feature_request(**given, every="6h").notes
    assert note.startswith("XH4 expired at ")
    assert note.endswith(", before the data begin: it has no rows")


def test_what_is_no_use_is_refused(tmp_path: Path) -> None:
    given = write(tmp_path, "option", definition(37))
    other = tmp_path / "other.dbn"
    header = streams.dbn_header(schema="definition", dataset="XNAS.ITCH")
    other.write_bytes(header + definition(37))
    with pytest.raises(NoDataError, match=r"has definitions of XNAS\.ITCH; expected those of GLBX"):
        feature_request(**{**given, "definitions": [other]}, every="6h")
    with pytest.raises(ConfigError, match="--volumes: only for continuous symbols"):
        feature_request(**given, volumes=[other], every="6h")


def test_times_that_are_meant_end_with_the_expiry() -> None:
    times = {1: [(0, 10), (20, 30)], 2: [(5, 10)], 4: [(0, 9)]}
    found = until_expiry(times, {1: 25, 2: 5, 3: 7})
    assert found[1] == [(0, 10), (20, 25)]
    assert found[2] == [(5, 5)]
    assert found[3] == [(-(2**63), 7)]
    assert found[4] == [(0, 9)]
