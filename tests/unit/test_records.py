"""The record dtype is Databento's MboMsg, byte for byte."""

import databento_dbn as dbn
import numpy as np
import pytest
from databento.common.constants import SCHEMA_STRUCT_MAP

from naive.book import Record
from tapewire.compiled.units import PRICE_UNITS
from tapewire.market import records as r
from tapewire.market.records import MBO_DTYPE, MBO_KERNEL_DTYPE

OFFSETS = {
    "length": 0, "rtype": 1, "publisher_id": 2, "instrument_id": 4, "ts_event": 8, "order_id": 16,
    "price": 24, "size": 32, "flags": 36, "channel_id": 37, "action": 38, "side": 39,
    "ts_recv": 40, "ts_in_delta": 48, "sequence": 52,
}  # fmt: skip


@pytest.mark.parametrize("dtype", [MBO_DTYPE, MBO_KERNEL_DTYPE])
def test_layout(dtype: np.dtype[np.void]) -> None:
    assert dtype.itemsize == 56 == 4 * r.RECORD_LENGTH_WORDS
    assert {name: dtype.fields[name][1] for name in dtype.names} == OFFSETS
    assert sum(dtype[name].itemsize for name in dtype.names) == 56  # no padding


def test_layout_is_that_of_databentos_own_numpy_dtype() -> None:
    theirs = np.dtype(SCHEMA_STRUCT_MAP[dbn.Schema.MBO]._dtypes)
    assert theirs.itemsize == MBO_DTYPE.itemsize
    assert theirs.names == MBO_DTYPE.names
    for name in theirs.names:
        assert theirs.fields[name][1] == MBO_DTYPE.fields[name][1], name
        assert theirs[name].itemsize == MBO_DTYPE[name].itemsize, name
        if name not in ("action", "side"):  # theirs are characters, ours their codes
            assert theirs[name] == MBO_DTYPE[name], name


def test_kernels_read_times_and_ids_as_signed() -> None:
    for name in MBO_DTYPE.names:
        signed = name in ("ts_event", "ts_recv", "order_id")
        assert MBO_KERNEL_DTYPE[name] == (np.dtype("<i8") if signed else MBO_DTYPE[name])


def test_bytes_of_a_record_made_by_databento() -> None:
    message = dbn.MBOMsg(
        publisher_id=1, instrument_id=17_077, ts_event=2**63 + 1, order_id=2**64 - 2,
        price=-250_000_000, size=2**32 - 1, action=dbn.Action.MODIFY, side=dbn.Side.ASK,
        ts_recv=1_703_541_600_181_198_464, flags=130, channel_id=7, ts_in_delta=-5,
        sequence=2**32 - 2,
    )  # fmt: skip
    record = Record._make(np.frombuffer(bytes(message), MBO_DTYPE)[0].tolist())
    assert record == (
        14, r.RTYPE_MBO, 1, 17_077, 2**63 + 1, 2**64 - 2, -250_000_000, 2**32 - 1, 130, 7,
        r.ACTION_MODIFY, r.SIDE_ASK, 1_703_541_600_181_198_464, -5, 2**32 - 2,
    )  # fmt: skip


def test_constants_are_databentos() -> None:
    for name in ("F_LAST", "F_TOB", "F_SNAPSHOT", "F_MBP", "F_BAD_TS_RECV", "F_MAYBE_BAD_BOOK"):
        assert getattr(r, name) == getattr(dbn, name), name
    assert r.UNDEF_PRICE == dbn.UNDEF_PRICE
    assert r.UNDEF_TIMESTAMP == dbn.UNDEF_TIMESTAMP
    assert PRICE_UNITS == dbn.FIXED_PRICE_SCALE
    for action in dbn.Action.variants():
        ours = getattr(r, f"ACTION_{action.name}")
        assert chr(ours) == action.value
    assert {chr(s) for s in (r.SIDE_ASK, r.SIDE_BID, r.SIDE_NONE)} == {
        side.value for side in dbn.Side.variants()
    }
