"""Order logs as users bring them: CSV and Parquet, good and bad."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stories import COLUMNS, SYMBOL, Log, Played, Tape, configure, ns, read, run
from tapewire.errors import ConfigError, FormatError, InputError, MissingFileError, NoDataError
from tapewire.strategies.order_log_file import read_order_log


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101.25, 10).tick(500)


def some_orders() -> Log:
    log = Log().buy(10, "limit", 3, "100.25").sell(20, "market", 2).buy(30, "ioc", 4, 101.25, "IOC")
    return log.replace(100, "limit", 2, "100.5").cancel(200, "limit")


def play_file(path: Path) -> Played:
    return read(*run(configure(path), market().records()))


def good_row(**changes: Any) -> dict[str, str]:
    row = Log().buy(10, "a", 1, 100).rows[0]
    return {**row, **{name: str(value) for name, value in changes.items()}}


def write_rows(path: Path, *rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Path:
    lines = [",".join(columns), *(",".join(row.get(c, "") for c in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def parquet(path: Path, log: Log, price: Any, **kinds: Any) -> Path:
    """The same log as Parquet, with a price column of a type."""

    def convert(name: str, text: str) -> Any:
        if name in kinds:
            return kinds[name](text)
        if name == "price":
            return None if text == "" else price[1](text)
        if name in ("ts_ns", "quantity"):
            return int(text) if text else None
        return text or None

    types = {"ts_ns": pa.int64(), "quantity": pa.int64(), "price": price[0]}
    table = pa.table(
        {
            name: pa.array(
                [convert(name, row[name]) for row in log.rows], types.get(name, pa.string())
            )
            for name in COLUMNS
        }
    )
    pq.write_table(table, path)
    return path


# --- good files -----------------------------------------------------------------------------------


def test_what_a_log_says_is_what_is_sent(tmp_path: Path) -> None:
    played = play_file(some_orders().write(tmp_path / "log.csv"))
    assert {k: (o.status, o.sent, o.quantity) for k, o in played.orders.items()} == {
        "limit": ("CANCELED", 10, 2), "market": ("FILLED", 20, 2), "ioc": ("FILLED", 30, 4),
    }  # fmt: skip
    assert played.orders["limit"].price == Decimal("100.5")


@pytest.mark.parametrize(
    "price",
    [
        (pa.decimal128(18, 9), Decimal),
        (pa.float64(), float),
        (pa.string(), str),
        (pa.decimal128(10, 2), Decimal),
    ],
    ids=["decimal", "double", "text", "short decimal"],
)
@pytest.mark.parametrize("suffix", ["parquet", "pq"])
def test_parquet_gives_the_same_digest(tmp_path: Path, price: Any, suffix: str) -> None:
    log = some_orders()
    expected = play_file(log.write(tmp_path / "log.csv")).digest
    found = play_file(parquet(tmp_path / f"log.{suffix}", log, price)).digest
    assert found == expected


def test_rows_need_not_be_sorted_nor_words_be_large(tmp_path: Path) -> None:
    log = some_orders()
    expected = play_file(log.write(tmp_path / "log.csv")).digest
    log.rows.reverse()
    for row in log.rows:
        for name in ("action", "side", "order_type", "time_in_force"):
            row[name] = row[name].lower()
        row["action"] = row["action"].upper()
    assert play_file(log.write(tmp_path / "other.csv")).digest == expected


def test_rows_of_one_time_keep_the_order_of_the_file(tmp_path: Path) -> None:
    log = Log().buy(10, "first", 6, 101.25).buy(10, "second", 6, 101.25).cancel(10, "second")
    played = play_file(log.write(tmp_path / "log.csv"))
    assert [f.lots for f in played.fills if f.order == "first"] == [6]
    assert [f.lots for f in played.fills if f.order == "second"] == [4]
    assert played.orders["second"].status == "CANCELED"


def test_a_byte_order_mark_and_quotes_as_spreadsheets_write_them(tmp_path: Path) -> None:
    path = some_orders().write(tmp_path / "log.csv")
    expected = play_file(path).digest
    lines = [",".join(f'"{c}"' for c in line.split(",")) for line in path.read_text().splitlines()]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")
    assert play_file(path).digest == expected


def test_nine_decimals_survive(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, "100.123456789")
    played = play_file(log.write(tmp_path / "log.csv"))
    assert played.rows.orders["price"].tolist() == [100_123_456_789]


def test_times_survive_to_the_nanosecond(tmp_path: Path) -> None:
    log = Log().buy("10.001", "a", 1, 100)
    played = play_file(log.write(tmp_path / "log.csv"))
    assert played.rows.orders["ts_sent"].tolist() == [ns("10.001")]


def test_columns_a_log_does_not_need_are_left_alone(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "log.csv", {**good_row(), "note": "ours", "venue": "x"},
        columns=(*COLUMNS, "note", "venue"),
    )  # fmt: skip
    assert list(play_file(path).orders) == ["a"]


def test_a_publisher_column_names_the_book(tmp_path: Path) -> None:
    columns = (*COLUMNS, "publisher_id")
    rows = [{**good_row(client_order_id=f"o{p}"), "publisher_id": str(p)} for p in (1, 2)]
    path = write_rows(tmp_path / "log.csv", *rows, columns=columns)
    simulation, _ = run(configure(path), market().records())
    assert [(leg.publisher_id, leg.symbol) for leg in simulation.legs] == [(1, SYMBOL), (2, SYMBOL)]


# --- bad files ------------------------------------------------------------------------------------


def fails(path: Path, kind: type[Exception], *parts: str) -> None:
    with pytest.raises(kind) as error:
        configure_and_open(path)
    message = str(error.value)
    assert "\n" not in message.strip()
    for part in (str(path), *parts):
        assert part in message, message


def configure_and_open(path: Path) -> None:
    run(configure(path), market().records())


BAD_ROWS = {
    "side": ({"side": "LONG"}, ("row 1", "side", "BUY or SELL", "'LONG'")),
    "no side": ({"side": ""}, ("row 1", "side", "nothing")),
    "action": ({"action": "amend"}, ("row 1", "action", "new or cancel or replace", "'amend'")),
    "type": ({"order_type": "ICEBERG"}, ("row 1", "order_type", "MARKET or LIMIT", "'ICEBERG'")),
    "tif": ({"time_in_force": "GFD"}, ("row 1", "time_in_force", "GTC or IOC", "'GFD'")),
    "ten decimals": ({"price": "100.1234567891"}, ("row 1", "price", "nine decimals")),
    "no price": ({"price": ""}, ("row 1", "price", "nothing")),
    "a word for a price": ({"price": "cheap"}, ("row 1", "price", "decimal price", "'cheap'")),
    "nan": ({"price": "nan"}, ("row 1", "price", "'nan'")),
    "infinite": ({"price": "inf"}, ("row 1", "price", "'inf'")),
    "huge": ({"price": "9e18"}, ("row 1", "price", "'9e18'")),
    "half a lot": ({"quantity": "1.5"}, ("row 1", "quantity", "whole number", "'1.5'")),
    "no lots": ({"quantity": "0"}, ("row 1", "quantity", "a whole number from 1 on", "'0'")),
    "lots sold short": ({"quantity": "-3"}, ("row 1", "quantity", "from 1 on", "'-3'")),
    "no quantity": ({"quantity": ""}, ("row 1", "quantity", "nothing")),
    "a date": ({"ts_ns": "2023-12-25"}, ("row 1", "ts_ns", "whole number", "'2023-12-25'")),
    "a huge time": ({"ts_ns": str(2**64)}, ("row 1", "ts_ns", "64-bit")),
    "no id": ({"client_order_id": ""}, ("row 1", "client_order_id", "nothing")),
}


@pytest.mark.parametrize(("changes", "parts"), BAD_ROWS.values(), ids=list(BAD_ROWS))
def test_a_bad_cell_is_named(tmp_path: Path, changes: dict, parts: tuple) -> None:
    fails(write_rows(tmp_path / "log.csv", good_row(**changes)), FormatError, *parts)


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("quantity", "1e99999999", "a 64-bit number"),
        ("quantity", "-1e99999999", "a 64-bit number"),
        ("quantity", "1e-99999999", "a whole number"),
        ("ts_ns", "1e19", "a 64-bit number"),
        ("price", "1e999999", "a price below 4.6e9"),
        ("price", "-1e99999999", "a price below 4.6e9"),
        ("price", "1e-99999999", "at most nine decimals"),
    ],
)
def test_a_number_beyond_all_bounds_is_named(
    tmp_path: Path, column: str, text: str, expected: str
) -> None:
    path = write_rows(tmp_path / "log.csv", good_row(**{column: text}))
    with pytest.raises(FormatError, match=rf"row 1, {column}: expected {expected}, found '{text}'"):
        read_order_log(path)


def test_numbers_may_have_exponents(tmp_path: Path) -> None:
    row = good_row(quantity="1.2e1", price="4.5e9", ts_ns="0e99999999")
    read = read_order_log(write_rows(tmp_path / "log.csv", row)).rows[0]
    assert (read["quantity"], read["price"], read["ts"]) == (12, 4_500_000_000 * 10**9, 0)


def test_the_row_is_counted_from_one_as_in_the_file(tmp_path: Path) -> None:
    rows = [good_row(client_order_id=f"o{k}", ts_ns=ns(100 - k)) for k in range(5)]
    rows[3]["side"] = "X"
    fails(write_rows(tmp_path / "log.csv", *rows), FormatError, "row 4", "side")


def test_a_replace_to_no_lots_is_named(tmp_path: Path) -> None:
    row = good_row(action="replace", quantity=0)
    fails(
        write_rows(tmp_path / "log.csv", good_row(), row), FormatError, "row 2", "quantity", "'0'"
    )


@pytest.mark.parametrize("action", ["cancel", "replace"])
def test_an_order_nobody_sent(tmp_path: Path, action: str) -> None:
    row = good_row(action=action, client_order_id="ghost")
    fails(
        write_rows(tmp_path / "log.csv", good_row(), row), FormatError,
        "row 2", "client_order_id", "'ghost'", "earlier",
    )  # fmt: skip


def test_a_cancel_before_its_order(tmp_path: Path) -> None:
    rows = [good_row(), good_row(action="cancel", ts_ns=ns(9))]
    fails(write_rows(tmp_path / "log.csv", *rows), FormatError, "row 2", "'a'", "earlier")


def test_an_id_used_twice(tmp_path: Path) -> None:
    rows = [good_row(), good_row(ts_ns=ns(50))]
    fails(write_rows(tmp_path / "log.csv", *rows), FormatError, "row 2", "client_order_id", "'a'")


def test_a_cancel_under_another_symbol(tmp_path: Path) -> None:
    rows = [good_row(), good_row(action="cancel", ts_ns=ns(50), symbol="TWY")]
    fails(write_rows(tmp_path / "log.csv", *rows), FormatError, "row 2", "'TWX'", "'TWY'")


def test_a_symbol_the_data_do_not_have(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "log.csv", good_row(symbol="NQH4"))
    fails(path, NoDataError, "'NQH4'", "TWX, TWY")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column(tmp_path: Path, column: str) -> None:
    columns = tuple(c for c in COLUMNS if c != column)
    path = write_rows(tmp_path / "log.csv", good_row(), columns=columns)
    fails(path, FormatError, f"{column} is missing")


def test_several_missing_columns(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "log.csv", good_row(), columns=COLUMNS[:-2])
    fails(path, FormatError, "quantity, time_in_force are missing")


def test_no_rows(tmp_path: Path) -> None:
    fails(write_rows(tmp_path / "log.csv"), NoDataError, "found none")


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02\xff\xfe" * 20], ids=["empty", "noise"])
def test_a_file_that_is_none(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    fails(path, InputError)


def test_a_truncated_parquet_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "log.parquet", some_orders(), (pa.string(), str))
    path.write_bytes(path.read_bytes()[:-20])
    fails(path, FormatError, "Parquet")


def test_a_ragged_row(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "log.csv", good_row())
    path.write_text(path.read_text() + "1,2,3\n")
    fails(path, FormatError)


def test_a_missing_file(tmp_path: Path) -> None:
    fails(tmp_path / "log.csv", MissingFileError, "no such file")


def test_a_folder(tmp_path: Path) -> None:
    for name in ("folder.csv", "folder.parquet"):
        (tmp_path / name).mkdir()
        fails(tmp_path / name, InputError)


def test_a_parquet_price_that_a_double_cannot_hold(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 100)
    path = parquet(tmp_path / "log.parquet", log, (pa.float64(), lambda _: 0.1 + 0.2))
    fails(path, FormatError, "row 1", "price", "nine decimals")


def test_several_publishers_and_no_column_for_them(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "log.csv", good_row())
    config = replace(configure(path), publishers=(1, 2))
    with pytest.raises(ConfigError, match=r"several publishers .1, 2.; add a publisher_id"):
        run(config, market().records())


def test_a_publisher_of_books_that_have_none(tmp_path: Path) -> None:
    """It would be sent to a book in which nothing ever happens."""
    row = good_row() | {"publisher_id": "30"}
    path = write_rows(tmp_path / "log.csv", row, columns=(*COLUMNS, "publisher_id"))
    config = replace(configure(path), publishers=(0,))
    with pytest.raises(ConfigError, match=r"expected no publisher_id, found 30: .*leave the colu"):
        run(config, market().records())


def test_a_cancel_or_replace_need_not_repeat_what_the_order_said(tmp_path: Path) -> None:
    def rows(*blank: str) -> list[dict[str, str]]:
        log = Log().buy(10, "a", 3, "100.25").replace(100, "a", 2, "100.25").cancel(200, "a")
        first, *later = log.rows
        return [first, *({**row, **dict.fromkeys(blank, "")} for row in later)]

    said = play_file(write_rows(tmp_path / "said.csv", *rows()))
    blank = rows("symbol", "side", "order_type", "price", "time_in_force")
    unsaid = play_file(write_rows(tmp_path / "unsaid.csv", *blank))
    assert unsaid.orders == said.orders
    order = unsaid.orders["a"]
    assert (order.status, order.quantity, float(order.price)) == ("CANCELED", 2, 100.25)
