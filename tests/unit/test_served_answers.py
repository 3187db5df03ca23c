"""What a server says of configurations and tables that clients send, whatever is in them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapewire.compiled import tables
from tapewire.compiled.tables import require_small
from tapewire.errors import FormatError
from tapewire.runs import served
from tapewire.runs.served_result import shown_without


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


def test_so_are_the_lines_of_a_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_MAX", 100)
    path = tmp_path / "fills.csv"
    path.write_text("a\n" + "1\n" * 100)
    with pytest.raises(FormatError, match="at most 100 rows, found 101"):
        require_small(path, "fills")
    path.write_text("a\n" + "1\n" * 99)
    require_small(path, "fills")
