"""Files of other formats to convert: orders that come and go, as many as are wanted.

Sources of the layouts: NASDAQ TotalView-ITCH 5.0 specification; LOBSTER's description of its files.
"""

from pathlib import Path
from typing import Final

import numpy as np

_NS_PER_S: Final = 10**9
_OPEN_S: Final = 34_200
#: Orders that are live at once.
_LIVE: Final = 1_000
_HEAD: Final = [
    ("length", ">u2"), ("type", "S1"), ("locate", ">u2"), ("tracking", ">u2"),
    ("time_high", ">u2"), ("time_low", ">u4"), ("order", ">u8"),
]  # fmt: skip
_ADD: Final = np.dtype(
    [*_HEAD, ("side", "S1"), ("shares", ">u4"), ("stock", "S8"), ("price", ">u4")]
)
_DELETE: Final = np.dtype(_HEAD)


def itch_file(folder: Path, messages: int) -> Path:
    """Write an ITCH 5.0 file of one stock with so many messages about orders, even."""
    orders = messages // 2
    add, delete = np.zeros(orders, _ADD), np.zeros(orders, _DELETE)
    for rows, kind in ((add, b"A"), (delete, b"D")):
        rows["length"], rows["type"], rows["locate"] = rows.dtype.itemsize - 2, kind, 1
    number = np.arange(1, orders + 1)
    _set_time(add, _OPEN_S * _NS_PER_S + 1_000 * number)
    _set_time(delete, _OPEN_S * _NS_PER_S + 1_000 * (number + _LIVE))
    add["order"] = delete["order"] = number
    add["side"], add["shares"], add["stock"] = b"B", 100, b"TEST    "
    add["price"] = 1_000_000 - 100 * (number % 20)
    live = min(_LIVE, orders)
    both = np.zeros(orders - live, np.dtype([("add", _ADD), ("delete", _DELETE)]))
    both["add"], both["delete"] = add[live:], delete[: orders - live]
    head = (1).to_bytes(2, "big") + bytes(2) + (_OPEN_S * _NS_PER_S).to_bytes(6, "big")
    directory = b"R" + head + b"TEST    " + b"Q" + b"N" + (100).to_bytes(4, "big") + bytes(14)
    path = folder / "orders.itch"
    path.write_bytes(
        len(directory).to_bytes(2, "big") + directory
        + add[:live].tobytes() + both.tobytes() + delete[orders - live :].tobytes()
    )  # fmt: skip
    return path


def _set_time(rows: np.ndarray, ns: np.ndarray) -> None:
    rows["time_high"], rows["time_low"] = ns >> 32, ns & 0xFFFFFFFF


def lobster_file(folder: Path, messages: int) -> Path:
    """Write a LOBSTER message file with so many rows, even, and its orderbook file."""
    told, books = [], []
    for k in range(messages // 2):
        for kind, size in ((1, 300), (3, 200)):
            ns = 2 * k + kind
            told.append(f"{_OPEN_S}.{ns:09d},{kind},{k + 1},100,1000000,1\n")
            books.append(f"1001000,200,1000000,{size}\n")
    path = folder / "TEST_2024-03-04_34200000_57600000_message_1.csv"
    path.write_text("".join(told))
    path.with_name(path.name.replace("_message_", "_orderbook_")).write_text("".join(books))
    return path
