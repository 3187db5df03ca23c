"""Rows of numbers as text: against a slow twin over any text, and what is refused with its line."""

from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import FormatError, MissingFileError
from tapewire.replay import number_rows
from tapewire.replay.number_rows import NumberRows


def read(path: Path, columns: int, *, timed: bool) -> tuple[list[list[int]], str]:
    """All rows that can be read, and the error that ends them."""
    found: list[list[int]] = []
    rows = NumberRows(str(path), columns, timed=timed)
    try:
        while count := rows.more():
            found += rows.take(max(1, count // 2)).tolist()
    except FormatError as error:
        return found, str(error)
    finally:
        rows.close()
    return found, ""


def naive_number(text: str, timed: bool) -> int | None:
    """A number of the kernel's form by Python's own means; None: it is none."""
    whole, point, decimals = text.removeprefix("-").partition(".")
    if not (whole.isascii() and whole.isdigit()):
        return None
    if not timed:
        return None if point or len(whole) > 18 else int(text)
    if point and not (decimals.isascii() and decimals.isdigit() and len(decimals) <= 9):
        return None
    try:
        return None if len(whole) > 9 else int(Decimal(text).scaleb(9))
    except InvalidOperation:
        return None


def naive_rows(text: str, columns: int, timed: bool) -> tuple[list[list[int]], bool]:
    """Rows up to the first that is none, and whether there is such a one."""
    found = []
    for line in text.split("\n"):
        line = line.removesuffix("\r")
        if not line:
            continue
        values = [naive_number(v, timed and not k) for k, v in enumerate(line.split(","))]
        if len(values) != columns or None in values:
            return found, True
        found.append(values)
    return found, False


NUMBER = st.one_of(
    st.integers(-(10**18) + 1, 10**18 - 1).map(str),
    st.integers(0, 99_999).map(str),
    st.decimals(0, 10**9 - 1, places=9).map(str),
    st.sampled_from(["", "-", "1.", ".5", "1.0000000001", "1e5", " 1", "+1", "0" * 19, "1" * 19]),
)
LINE = st.lists(NUMBER, min_size=1, max_size=3).map(",".join)
ENDS = st.sampled_from(["\n", "\r\n", "\n\n", "\n\r\n"])


@given(lines=st.lists(st.tuples(LINE, ENDS), max_size=8), last=LINE, timed=st.booleans())
def test_any_text_is_read_as_by_the_slow_twin(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[tuple[str, str]],
    last: str,
    timed: bool,
) -> None:
    text = "".join(line + end for line, end in lines) + last
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_bytes(text.encode())
    for columns in (1, 2):
        expected, refused = naive_rows(text, columns, timed)
        found, why = read(path, columns, timed=timed)
        assert (found, bool(why)) == (expected, refused), why


def test_blocks_of_any_size_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(7)
    wanted = draw.integers(-(10**12), 10**12, (500, 3)).tolist()
    text = "".join(",".join(map(str, row)) + "\r\n" for row in wanted).removesuffix("\r\n")
    path = tmp_path / "rows.csv"
    path.write_text(text, newline="")
    for block in (50, 51, 64, 1_000, len(text) - 1, len(text), len(text) + 1):
        monkeypatch.setattr(number_rows, "_BLOCK_BYTES", block)
        assert read(path, 3, timed=False) == (wanted, ""), block


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("1,2,3", "'1,2,3'"),
        ("1", "'1'"),
        ("1,", "'1,'"),
        ("1,é", r"'1,\\xc3\\xa9'"),
        ('"1",2', "'\"1\",2'"),
        ("1,2" + " " * 200, "'1,2 +'…"),
    ],
)
def test_what_is_no_row_is_shown(tmp_path: Path, line: str, shown: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"1.5,2\n\n{line}\n3,4\n", encoding="utf-8")
    rows = NumberRows(str(path), 2, timed=True)
    assert rows.more() == 1
    assert rows.take(1).tolist() == [[1_500_000_000, 2]]
    with pytest.raises(FormatError, match=f"after 1 good rows: expected 2 numbers .*{shown}"):
        rows.more()
    rows.close()


def test_a_line_longer_than_a_block_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_rows, "_BLOCK_BYTES", 64)
    path = tmp_path / "rows.csv"
    path.write_text("1,2\n" + "1," * 100)
    assert read(path, 2, timed=False)[0] == [[1, 2]]
    assert "after 1 good rows" in read(path, 2, timed=False)[1]
    path.write_text("1," * 100)
    assert "after 0 good rows" in read(path, 101, timed=False)[1]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"rows\.csv: no such file; both belong"):
        NumberRows(str(tmp_path / "rows.csv"), 2, timed=False, hint="; both belong together")
