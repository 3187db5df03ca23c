"""What a server says of configurations and tables that clients send, whatever is in them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapewire.compiled import measured, tables
from tapewire.compiled.measured import require_small_apart
from tapewire.compiled.tables import require_small
from tapewire.errors import FormatError
from tapewire.runs import served
from tapewire.runs.served_result import reconciled, shown_without


def checked(tmp_path: Path, yaml: str, what: str = "check") -> Any:
    places = {"data": str(tmp_path), "strategies": None, "runs": str(tmp_path / "runs")}
    return served.answer({**places, "store": "", "what": what, "yaml": yaml}, lambda told: None)


@pytest.mark.parametrize("what", ["check", "check_session"])
@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("1.5: 2", "keys should be strings, found 1.5"),
        ("a: !!binary aGVsbG8=", "not valid YAML: could not determine a constructor"),
        ("a: !!set {a}", "not valid YAML: could not determine a constructor"),
        ("a: !!timestamp 2024-01-01", "not valid YAML: could not determine a constructor"),
        ("backtest: {initial_capital: .nan}", "expected a finite number, found NaN"),
        ("live: {dataset: A, symbols: [B]}\nbacktest: [1]", "backtest: expected a mapping"),
    ],
)
def test_what_no_configuration_has_is_a_problem_and_no_bug(
    tmp_path: Path, what: str, yaml: str, said: str
) -> None:
    if what == "check" and "live" in yaml:
        return
    found = checked(tmp_path, yaml, what)
    assert said in "\n".join(found["problems"])
    json.loads(found["json"] or "{}", parse_constant=pytest.fail)


def test_files_go_by_their_names_in_the_servers_folders_and_texts_of_clients_stay() -> None:
    folders = [Path("/srv/données"), None, Path("d")]
    there = Path("d").absolute()
    value = {
        "text": ["/srv/données/bars/es.dbn ends too soon", f"{there}/x.py: no strategy"],
        "json": json.dumps({"file": "/srv/données/es.dbn"}),
        "yaml": "files: [bars/d/es.dbn] # end/of d/x",
        "count": 3,
        "files": {"/srv/données/es.dbn": 1, 2: "es.dbn"},
    }
    assert shown_without(value, folders) == {
        "text": ["bars/es.dbn ends too soon", "x.py: no strategy"],
        "json": '{"file": "es.dbn"}',
        "yaml": "files: [bars/d/es.dbn] # end/of d/x",
        "count": 3,
        "files": {"es.dbn": 1, 2: "es.dbn"},
    }


@pytest.mark.parametrize(
    "text",
    [
        "files: [archive/data/es.dbn]", "~/data/es.dbn", "../data/es.dbn", "a-/data/es.dbn",
        "archivé/data/es.dbn", "archive\u0301/data/es.dbn", r"archiv\u00e9/data/es.dbn",
        "${HOME}/data/es.dbn", "/data", "/database/es.dbn",
    ],
)  # fmt: skip
def test_a_short_folder_is_cut_out_of_no_path_that_goes_on_before_it(text: str) -> None:
    assert shown_without(text, [Path("/data")]) == text


@pytest.mark.parametrize("before", ["", "'", '"', "(", "[", "=", ": ", "\n", r"\n", r"\\t", '\\"'])
def test_it_is_told_nowhere_else(before: str) -> None:
    told = f"{before}/data/es.dbn, then {before}/data/nq.dbn"
    assert shown_without(told, [Path("/data")]) == f"{before}es.dbn, then {before}nq.dbn"


def words(count: int, word: str) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), [word])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": pa.array([1] * 101)}, "fills of at most 100 rows, found 101"),
        ({f"c{k}": pa.array([1] * 60) for k in range(10)}, "at most 500 cells, found 600"),
        ({"a": words(90, "x" * 100)}, "at most 5,000 bytes of text, found 9,000"),
        ({"a": pa.array(["x" * 6_000])}, "at most 5,000 bytes, found 6,"),
        ({"a": pa.array([[1, 2]])}, "fills in plain columns, found 'a'"),
    ],
)
def test_a_table_that_is_large_in_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: Any, said: str
) -> None:
    for name, most in (("ROWS_MAX", 100), ("CELLS_MAX", 500), ("TEXT_BYTES_MAX", 5_000)):
        monkeypatch.setattr(tables, name, most)
    path = tmp_path / "fills.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(FormatError, match=said):
        require_small(path, "fills")
    few = {
        "text": words(90, "word"),
        "price": pa.array([1.5] * 90),
        "kind": pa.array([7] * 90).dictionary_encode(),
    }
    pq.write_table(pa.table(few), path)
    require_small(path, "fills")
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(FormatError, match="expected fills as CSV or Parquet"):
        require_small(path, "fills")


def lying(tmp_path: Path, *, columns: int, letters: int) -> bytes:
    """A file of a row of long texts, whose footer says that they are short."""
    path = tmp_path / "lying.parquet"
    text = pa.array(["\0" * letters])
    table = pa.table({f"c{k}": text for k in range(columns)})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)
    data = path.read_bytes()
    group = pq.read_metadata(path).row_group(0)
    sizes = {group.total_byte_size, group.column(0).total_uncompressed_size}
    for size in sizes:
        whole = varint(size)
        data = data.replace(whole, varint(100, len(whole)))
    path.write_bytes(data)
    assert pq.read_metadata(path).row_group(0).total_byte_size == 100
    return data


def varint(value: int, length: int = 0) -> bytes:
    """A number as thrift writes it, of so many bytes at least."""
    left, found = 2 * value, bytearray()
    while left or len(found) < length:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found[-1] &= 0x7F
    return bytes(found)


def test_a_footer_that_lies_takes_no_memory_of_who_asks(tmp_path: Path) -> None:
    data = lying(tmp_path, columns=3, letters=90_000_000)
    assert len(data) < 50_000
    here, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.system_memory_pool())
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(FormatError, match="at most 256,000,000 bytes of text, found 270,000"):
            reconciled(None, "fills.parquet", data, "")  # type: ignore[arg-type]
    finally:
        pa.set_memory_pool(here)
    assert pool.max_memory() < 1_000_000


def test_what_reads_a_table_has_bounds_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lying(tmp_path, columns=3, letters=90_000_000)
    monkeypatch.setattr(measured, "MEMORY_BYTES_MAX", 150_000_000)
    with pytest.raises(FormatError, match="at most 256,000,000 bytes, found more"):
        require_small_apart(tmp_path / "lying.parquet", "fills")
    path = tmp_path / "données.parquet"
    pq.write_table(pa.table({"a": words(90, "word"), "b": pa.array([1.5] * 90)}), path)
    require_small_apart(path, "fills")
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(FormatError, match=r"données\.parquet: expected fills as CSV or Parquet"):
        require_small_apart(path, "fills")
    monkeypatch.setattr(measured, "TIMEOUT_S", 0.0)
    with pytest.raises(FormatError, match="expected fills that are read within 0 s"):
        require_small_apart(path, "fills")


def test_so_are_the_lines_of_a_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_MAX", 100)
    path = tmp_path / "fills.csv"
    path.write_text("a\n" + "1\n" * 100)
    with pytest.raises(FormatError, match="at most 100 rows, found 101"):
        require_small(path, "fills")
    path.write_text("a\n" + "1\n" * 99)
    require_small(path, "fills")
