"""A real day of one stock as Databento normalized it, put back into ITCH and converted again."""

import datetime as dt
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np

from itch_files import message
from naive.dbn import read_mbo
from tapewire.replay.conversions import convert_itch
from tapewire.replay.trading_days import midnight_ns

DAY = dt.date(2025, 7, 17)
FIELDS = ["action", "side", "order_id", "price", "size", "ts_event", "publisher_id"]


def as_itch(records: np.ndarray) -> bytes:
    """The messages that became these records: those of one message share their sequence."""
    midnight = midnight_ns(DAY)
    locate = int(records["instrument_id"][0])
    out = []
    sizes: dict[int, int] = {}
    for _, group in groupby(records, key=lambda record: record["sequence"]):
        rows = list(group)
        actions = "".join(chr(row["action"]) for row in rows)
        first = rows[0]
        ns = int(first["ts_event"]) - midnight
        order, size = int(first["order_id"]), int(first["size"])
        price = int(first["price"]) // 100_000
        if actions == "R":
            out.append(message("R", locate, ns, stock="ARL"))
        elif actions == "A":
            side = {"B": "B", "A": "S"}[chr(first["side"])]
            more = {"stock": "ARL", "price": price, "shares": size}
            out.append(message("A", locate, ns, order=order, side=side, **more))
            sizes[order] = size
        elif actions == "CA":
            new = rows[1]
            more = {"shares": int(new["size"]), "price": int(new["price"]) // 100_000}
            out.append(message("U", locate, ns, order=order, new=int(new["order_id"]), **more))
            assert sizes.pop(order) == size
            sizes[int(new["order_id"])] = int(new["size"])
        elif actions == "C":
            sizes[order] -= size
            kind, more = ("X", {"shares": size}) if sizes[order] else ("D", {})
            out.append(message(kind, locate, ns, order=order, **more))
        elif actions == "TFC":
            order = int(rows[1]["order_id"])
            sizes[order] -= size
            out.append(message("E", locate, ns, order=order, shares=size))
        else:
            assert actions == "T"
            out.append(message("P", locate, ns, side="B", shares=size, stock="ARL", price=price))
    out.append(message("S", 0, 86_399 * 10**9, event="C"))
    return b"".join(out)


def test_what_databento_made_of_a_day_is_made_again(
    tmp_path: Path, data_file: Callable[[str], Path]
) -> None:
    vendors = read_mbo(data_file("truth/xnas-arl-20250717/mbo.dbn.zst"))
    path = tmp_path / "20250717.itch50"
    path.write_bytes(as_itch(vendors))
    report = convert_itch(path, tmp_path / "arl.mbo.dbn")
    ours = read_mbo(tmp_path / "arl.mbo.dbn")
    assert len(ours) == len(vendors) == 5_886
    for field in FIELDS:
        assert (ours[field] == vendors[field]).all(), field
    # Records of one message are one event there, too, where packets don't join several.
    same = np.diff(vendors["sequence"].astype(np.int64)) == 0
    assert ((np.diff(ours["sequence"].astype(np.int64)) == 0) == same).all()
    assert set(report.messages) == set("RAUDEPS")
    assert report.notes == ()
    trades = vendors["action"] == ord("T")
    assert report.volume == int(vendors["size"][trades].sum())
