"""A folder's index: what it says of real and made files, what it reads again, what a run takes."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import databento
import numpy as np
import pyarrow.parquet as pq
import pytest
import xxhash
from rich.console import Console

import streams
from tapewire.config.loading import make_config
from tapewire.errors import ConfigError, FormatError, MissingFileError, NoDataError
from tapewire.inputs.cataloguing import list_catalogue
from tapewire.replay import catalogue
from tapewire.replay.catalogue import INDEX_NAME, find_files, index_folder, read_catalogue
from tapewire.replay.dbn import inspect
from tapewire.replay.mixed import _MAPPINGS
from tapewire.runs.requests import Request

T0, DAY = streams.START_NS, streams.DAY_NS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three days: AAA on the first and third, BBB on the second and third; one in a folder."""
    (tmp_path / "data" / "more").mkdir(parents=True)
    days = [{"AAA": [(7, 0, 1)]}, {"BBB": [(9, 1, 2)]}, {"AAA": [(8, 2, 3)], "BBB": [(9, 2, 3)]}]
    for day, mappings in enumerate(days):
        records = streams.make_records(5, ts_recv=range(T0 + day * DAY, T0 + day * DAY + 5))
        data = streams.dbn_header(mappings) + records.tobytes()
        name = ("b.dbn", "more/c.dbn.zst", "a.dbn")[day]
        packed = streams.zstd_bytes(data) if name.endswith("zst") else data
        (tmp_path / "data" / name).write_bytes(packed)
    (tmp_path / "data" / ".hidden.dbn").write_bytes(b"no")
    (tmp_path / "data" / "notes.txt").write_bytes(b"no")
    return tmp_path / "data"


def test_every_fixture_is_known_as_databento_reads_it(
    tmp_path: Path, data_file: Callable[[str], Path]
) -> None:
    fixtures = data_file("fixtures/index.tsv").parent
    names = sorted(p for p in fixtures.rglob("*.dbn*") if p.name.endswith((".dbn", ".dbn.zst")))
    for i, path in enumerate(names):
        (tmp_path / f"{i:03d}-{path.name}").symlink_to(path)
    files, read = index_folder(tmp_path)
    assert read == len(files) == len(names) > 100
    good = 0
    for file, path in zip(files, names, strict=True):
        if file.problem:
            assert "frag" in path.name or file.schema == "mixed" or "ts_out" in file.problem, file
            continue
        good += 1
        store = databento.DBNStore.from_bytes(path.read_bytes())
        rows = store.to_ndarray(None if store.schema else "mbo")  # a capture mixes several
        clock = "ts_recv" if "ts_recv" in rows.dtype.names else "ts_event"
        assert (file.schema, file.dataset, file.records) == (
            str(store.schema or "mbo"), store.dataset, len(rows),
        )  # fmt: skip
        if len(rows):
            assert (file.first_ns, file.last_ns) == (int(rows[clock].min()), int(rows[clock].max()))
        assert file.xxh3_128 == xxhash.xxh3_128_hexdigest(path.read_bytes())
    assert good > 80
    assert {file.schema for file in files} >= {"mbo", "definition", "ohlcv-1d", "mbp-10", "status"}
    assert {file.version for file in files if not file.problem} == {1, 2, 3}


def test_it_reads_again_what_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, read = index_folder(folder)
    assert (read, [file.path for file in files]) == (3, ["a.dbn", "b.dbn", "more/c.dbn.zst"])
    third = files[0]
    assert (third.records, third.first_ns, third.last_ns) == (5, T0 + 2 * DAY, T0 + 2 * DAY + 4)
    assert [tuple(m) for m in third.symbols] == [
        ("AAA", 8, T0 + 2 * DAY, T0 + 3 * DAY), ("BBB", 9, T0 + 2 * DAY, T0 + 3 * DAY),
    ]  # fmt: skip
    assert read_catalogue(folder) == files
    looked = []
    really = catalogue._looked_into
    monkeypatch.setattr(
        catalogue, "_looked_into", lambda *args: looked.append(args[1]) or really(*args)
    )
    assert index_folder(folder) == (files, 0)
    os.utime(folder / "b.dbn", ns=(1, 1))
    (folder / "more" / "c.dbn.zst").unlink()
    (folder / "d.dbn").write_bytes(b"DBN\x03 and no more")
    (folder / "e.dbn").write_bytes((folder / "a.dbn").read_bytes()[:-3])
    files, read = index_folder(folder)
    assert looked == ["b.dbn", "d.dbn", "e.dbn"]
    assert (read, len(files)) == (3, 4)
    assert "is not a DBN file" in files[2].problem
    assert "ends inside record 4" in files[3].problem
    assert [files[2].has((), None, None), files[3].has((), None, None)] == [False, True]


def test_a_broken_file_is_found_where_it_may_be_wanted(folder: Path) -> None:
    """Whoever plays it says what is wrong; without it a day would be missing without a word."""
    third = folder / "a.dbn"
    whole = third.read_bytes()
    third.write_bytes(whole[:-3])
    records = streams.make_records(5, ts_recv=range(T0 + DAY, T0 + DAY + 5))
    data = streams.dbn_header({"BBB": [(9, 1, 2)]}) + records.tobytes()
    frames = [streams.zstd_bytes(data[:-90]), streams.zstd_bytes(data[-90:])]
    (folder / "more" / "c.dbn.zst").write_bytes(b"".join(frames)[:-9])
    files, _ = index_folder(folder)
    broken = {file.path: file for file in files if file.problem}
    assert "ends inside record 4" in broken["a.dbn"].problem
    assert broken["a.dbn"].names() == {"AAA", "BBB"}
    assert {name: file.records for name, file in broken.items()} == {
        "a.dbn": 4,
        "more/c.dbn.zst": 3,
    }
    first, second, third_name = (str(folder / n) for n in ("b.dbn", "more/c.dbn.zst", "a.dbn"))
    for given, expected in (
        ({}, {first, second, third_name}),
        ({"symbols": ["BBB"]}, {second, third_name}),
        ({"end_ns": T0 + DAY}, {first}),
        ({"start_ns": T0 + 9 * DAY}, set()),
    ):
        if expected:
            assert set(find_files(folder, **given)) == expected, given
        else:
            with pytest.raises(NoDataError, match="has no records at that time"):
                find_files(folder, **given)
    with pytest.raises(FormatError, match=r"a\.dbn: ends inside record 4"):
        inspect(third_name)
    (folder / "more" / "c.dbn.zst").write_bytes(b"")
    index_folder(folder)
    with pytest.raises(FormatError, match=r"c\.dbn\.zst: .*whether it is needed can't be told"):
        find_files(folder)


def test_a_broken_file_without_symbols_is_found_for_a_product_that_no_other_has(
    tmp_path: Path,
) -> None:
    """That there are none of it in good files is no word of what this one has."""
    data = streams.dbn_header({"NQH4": [(7, 0, 1)]}) + streams.make_records(5).tobytes()
    (tmp_path / "good.dbn").write_bytes(data)
    bare = streams.dbn_header({}) + streams.make_records(5).tobytes()
    (tmp_path / "bad.dbn").write_bytes(bare[:-9])
    index_folder(tmp_path)
    for name in ("ES.FUT", "ES.c.0", "ESH4"):
        assert find_files(tmp_path, symbols=[name]) == [str(tmp_path / "bad.dbn")]
    with pytest.raises(NoDataError, match=r"has no ES\.FUT"):
        find_files(tmp_path, symbols=["ES.FUT"], start_ns=T0 + 9 * DAY)


def test_a_cut_capture_is_wanted_until_its_last_record_alone(tmp_path: Path) -> None:
    """Its header has no end, and its symbols none: it does not stand before every later day."""
    header = streams.dbn_header({}, schema=None, has_end=False)
    body = mapped(2**64 - 1) + streams.make_records(3, ts_recv=[T0 + 5, T0 + 6, T0 + 9]).tobytes()
    (tmp_path / "live.dbn").write_bytes(header + body[:-9])
    later = streams.make_records(5, ts_recv=range(T0 + 2 * DAY, T0 + 2 * DAY + 5))
    good = streams.dbn_header({"AAA": [(7, 2, 3)]}, days=3) + later.tobytes()
    (tmp_path / "good.dbn").write_bytes(good)
    (_, live), _ = index_folder(tmp_path)
    assert "ends inside a record" in live.problem
    assert (live.schema, live.records, live.first_ns, live.last_ns) == ("mbo", 2, T0 + 5, T0 + 6)
    for start_ns, expected in ((T0, ["live.dbn", "good.dbn"]), (T0 + DAY, ["good.dbn"])):
        found = find_files(tmp_path, symbols=["AAA"], start_ns=start_ns)
        assert [Path(path).name for path in found] == expected
    # One that says until when it was asked for may have lost what came then.
    (tmp_path / "live.dbn").write_bytes(streams.dbn_header({}, schema=None, days=9) + body[:-9])
    index_folder(tmp_path)
    assert len(find_files(tmp_path, symbols=["AAA"], start_ns=T0 + DAY)) == 2


def test_a_cut_capture_without_orders_is_none_of_a_run(tmp_path: Path) -> None:
    header = streams.dbn_header({}, schema=None)
    (tmp_path / "none.dbn").write_bytes(header + mapped(T0 + DAY) * 2 + b"\x0a\x12")
    (tmp_path / "empty.dbn").write_bytes(header)
    (empty, none), _ = index_folder(tmp_path)
    assert none.schema == "mixed"
    assert none.problem.endswith("expected MBO records, found none: 2 symbol mapping")
    assert empty.problem.endswith("expected MBO records, found none: it has no records")
    with pytest.raises(NoDataError, match="in its 0 indexed files of schema mbo"):
        find_files(tmp_path, symbols=["AAA"])


def test_symbols_of_a_download_are_those_that_lie_beside_it(tmp_path: Path) -> None:
    """As a run has them: its headers map nothing; and a day is not left out without a word."""
    folder = tmp_path / "GLBX-1"
    folder.mkdir()
    for day in range(2):
        records = streams.make_records(5, ts_recv=range(T0 + day * DAY, T0 + day * DAY + 5))
        (folder / f"{day}.dbn").write_bytes(streams.dbn_header({}) + records.tobytes())
    mapped_too = streams.dbn_header({"ESH4": [(7, 2, 3)]}, days=3)
    later = streams.make_records(5, ts_recv=range(T0 + 2 * DAY, T0 + 2 * DAY + 5))
    (tmp_path / "2.dbn").write_bytes(mapped_too + later.tobytes())
    assert index_folder(tmp_path)[1] == 3
    assert find_files(tmp_path, symbols=["ESH4"]) == [str(tmp_path / "2.dbn")]
    first, last = (str(np.datetime64(T0 + day * DAY, "ns"))[:10] for day in (0, 9))
    symbology = {
        "result": {"ESH4": [{"d0": first, "d1": last, "s": "7"}]},
        "stype_in": "raw_symbol", "stype_out": "instrument_id",
    }  # fmt: skip
    (folder / "symbology.json").write_text(json.dumps(symbology))
    files, read = index_folder(tmp_path)
    assert read == 2
    assert [file.names() for file in files] == [{"ESH4"}] * 3
    found = find_files(tmp_path, symbols=["ESH4"])
    assert [Path(path).name for path in found] == ["0.dbn", "1.dbn", "2.dbn"]
    assert [inspect(path).mappings for path in found[:2]] == [file.symbols for file in files[1:]]
    assert index_folder(tmp_path)[1] == 0


def mapped(end_ns: int) -> bytes:
    """A record that maps a symbol, as the live client keeps it."""
    mapping = np.zeros(1, _MAPPINGS[176])
    mapping["head"] = b"\x2c\x16\x00\x00"
    mapping["instrument_id"], mapping["symbol_in"], mapping["symbol_out"] = 7, b"AAA", b"AAA"
    mapping["start_ts"], mapping["end_ts"] = T0, end_ns
    return mapping.tobytes()


def test_what_a_live_client_wrote_is_indexed_by_its_orders(tmp_path: Path) -> None:
    """Its symbols are in its records; one without orders is no file of a run."""
    status = np.zeros(40, np.uint8)
    status[:2] = 10, 0x12
    header = streams.dbn_header({}, schema=None)
    orders = streams.make_records(3, ts_recv=[T0 + 5, T0 + 6, T0 + 9])
    said = mapped(T0 + DAY) + status.tobytes()
    (tmp_path / "live.dbn").write_bytes(header + said + orders.tobytes() + status.tobytes())
    (tmp_path / "none.dbn").write_bytes(header + said)
    files, _ = index_folder(tmp_path)
    live, none = files
    assert (live.schema, live.records, live.problem) == ("mbo", 3, "")
    assert (live.first_ns, live.last_ns, live.names()) == (T0 + 5, T0 + 9, {"AAA"})
    assert live.xxh3_128 == xxhash.xxh3_128_hexdigest((tmp_path / "live.dbn").read_bytes())
    assert (none.schema, "expected MBO records, found none: " in none.problem) == ("mixed", True)
    assert find_files(tmp_path, symbols=["AAA"]) == [str(tmp_path / "live.dbn")]


def test_a_file_that_begins_with_a_skippable_frame_is_one(tmp_path: Path) -> None:
    """As parallel compressors write them; a replay reads it."""
    data = streams.dbn_header() + streams.make_records(3).tobytes()
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00size"
    (tmp_path / "a.dbn.zst").write_bytes(skippable + streams.zstd_bytes(data))
    ((file,), _) = index_folder(tmp_path)
    assert (file.records, file.problem) == (3, "")


def test_what_a_run_needs_is_found_by_symbol_and_time(folder: Path) -> None:
    index_folder(folder)
    first, second, third = (str(folder / n) for n in ("b.dbn", "more/c.dbn.zst", "a.dbn"))
    for given, expected in (
        ({}, [first, second, third]),
        ({"symbols": ["AAA"]}, [first, third]),
        ({"symbols": ["BBB"]}, [second, third]),
        ({"symbols": ["BBB"], "end_ns": T0 + 2 * DAY}, [second]),  # the end is not part of it
        ({"symbols": ["BBB"], "end_ns": T0 + 2 * DAY + 1}, [second, third]),
        ({"start_ns": T0 + DAY + 4}, [second, third]),
        ({"start_ns": T0 + DAY + 5}, [third]),
        ({"symbols": ["AAA", "BBB"], "end_ns": T0 + DAY + 1}, [first, second]),
    ):
        assert find_files(folder, **given) == expected, given
    with pytest.raises(NoDataError, match="has no AAB in its 3 indexed files of schema mbo"):
        find_files(folder, symbols=["AAA", "AAB"])
    with pytest.raises(NoDataError, match="has no BBB at that time in its 3"):
        find_files(folder, symbols=["AAA", "BBB"], end_ns=T0 + 1)
    with pytest.raises(NoDataError, match="has no records at that time"):
        find_files(folder, start_ns=T0 + 9 * DAY)
    os.utime(folder / "a.dbn", ns=(1, 1))
    assert find_files(folder, end_ns=T0 + 1) == [first]  # the others don't matter
    with pytest.raises(FormatError, match=r"a\.dbn: is another file now than when it was indexed"):
        find_files(folder)
    (folder / "a.dbn").unlink()
    with pytest.raises(MissingFileError, match=r"a\.dbn: is gone since it was indexed"):
        find_files(folder)


def test_an_index_that_is_none_is_made_anew(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="make it with tapewire data index"):
        read_catalogue(folder)
    with pytest.raises(MissingFileError, match=r"expected a folder of \.dbn"):
        index_folder(tmp_path / "none")
    (folder / INDEX_NAME).write_bytes(b"no parquet")
    with pytest.raises(FormatError, match=r"can't be read: .*make it with tapewire data index"):
        read_catalogue(folder)
    index_folder(folder)
    table = pq.read_table(folder / INDEX_NAME)
    pq.write_table(table.replace_schema_metadata({}), folder / INDEX_NAME)
    with pytest.raises(FormatError, match="is no catalogue of this version"):
        read_catalogue(folder)
    assert index_folder(folder)[1] == 3


def test_the_commands(folder: Path, tapewire_here: Any) -> None:
    said = tapewire_here("data", "index", "data")
    assert said.stdout == "data: 3 files, 3 of them read now, 15 records, 2 symbols\n"
    (folder / "bad.dbn").write_bytes(b"x")
    facts = json.loads(tapewire_here("data", "index", "data", "--json").stdout)
    assert (facts["files"], facts["read"], list(facts["problems"])) == (4, 1, ["bad.dbn"])
    day = str(np.datetime64(T0 + DAY, "ns"))[:10]
    listed = json.loads(tapewire_here("data", "list", "data", "--start", day, "--json").stdout)
    assert [row["path"] for row in listed] == ["more/c.dbn.zst", "a.dbn"]
    assert listed[0]["symbols"][0]["raw_symbol"] == "BBB"
    said = tapewire_here("data", "list", "data", "--symbols", "AAA", "--schema", "mbo").stdout
    assert [line.split()[0] for line in said.splitlines()] == ["file", "b.dbn", "a.dbn"]
    said = tapewire_here("data", "list", "data", "--end", "soon")
    assert (said.returncode, "--end: expected a time" in said.stderr) == (2, True)
    said = tapewire_here("run", "--catalogue", "data", "day.dbn")
    assert (said.returncode, "--catalogue: expected without FILES" in said.stderr) == (2, True)


def test_a_configuration_says_what_is_wrong_with_its_catalogue(folder: Path) -> None:
    source = {"type": "databento", "catalogue": "data", "symbols": ["CCC"], "start": "soon"}
    whole = {"backtest": {"data_source": source}, "strategy": {"type": "market_maker"}}
    index_folder(folder)
    with pytest.raises(ConfigError) as wrong:
        make_config(whole, base=folder.parent)
    assert len(wrong.value.problems) == 2
    assert "data_source.catalogue: " in str(wrong.value)
    assert "has no CCC in its 3 indexed files" in str(wrong.value)
    assert "data_source.start: expected a time" in str(wrong.value)
    source |= {"files": ["a.dbn"]}
    with pytest.raises(ConfigError, match="expected files or a catalogue of them, found both"):
        make_config(whole, base=folder.parent)


def test_what_the_configuration_asks_for_is_looked_for(folder: Path, tmp_path: Path) -> None:
    """A catalogue that is typed, and symbols and times of the file or typed over them."""
    index_folder(folder)
    day = str(np.datetime64(T0 + DAY, "ns"))
    (tmp_path / "config.yaml").write_text(
        "backtest: {data_source: {type: databento, files: [old.dbn], symbols: [AAA]}}\n"
        "strategy: {type: market_maker}\n"
    )

    def found(**options: Any) -> list[str]:
        request = Request(
            tmp_path / "config.yaml", catalogue=str(folder), options=options,
            overrides={("backtest", "replay", "speed"): "max"},
        )  # fmt: skip
        return [Path(name).name for name in request.checked(_typed).backtest.data_source.files]

    assert found() == ["b.dbn", "a.dbn"]
    assert found(start=day) == ["a.dbn"]
    assert found(symbols=["BBB"]) == ["c.dbn.zst", "a.dbn"]
    with pytest.raises(ConfigError, match=r"^--catalogue: .* has no CCC in its 3 indexed files"):
        found(symbols=["CCC"])
    bare = Request(None, catalogue=str(folder), options={"symbols": ["BBB"]}).checked(_typed)
    assert [Path(name).name for name in bare.backtest.data_source.files] == ["c.dbn.zst", "a.dbn"]
    assert bare.backtest.instruments == {}


def _typed(name: str) -> str:
    return f"--{name}"


def test_a_run_over_a_catalogue_is_one_over_its_files(
    tmp_path: Path, synthetic_file: Path, tapewire_here: Any
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "day.mbo.dbn").symlink_to(synthetic_file)
    other = streams.dbn_header({"BBB": [(9, 0, 1)]}) + streams.make_records(5).tobytes()
    (tmp_path / "data" / "other.dbn").write_bytes(other)
    files, _ = index_folder(tmp_path / "data")
    (tmp_path / "config.yaml").write_text(
        "backtest: {data_source: {type: databento, catalogue: data, symbols: [TWA1]}}\n"
        "strategy: {type: market_maker}\n"
    )
    strategy = ("-s", "market_maker", "-q")
    for arguments in (
        ("--catalogue", "data", "--symbols", "TWA1", "-o", "found"),
        (synthetic_file, "--symbols", "TWA1", "-o", "named"),
        ("config.yaml", "-o", "configured"),
    ):
        said = tapewire_here("run", *arguments, *strategy)
        assert said.returncode == 0, said.stderr
    found, named, configured = (
        json.loads((tmp_path / name / "manifest.json").read_text())
        for name in ("found", "named", "configured")
    )
    assert found["digest"] == named["digest"]
    assert configured["inputs"] == found["inputs"]
    # What was found is in force: the catalogue may change.
    kept = (tmp_path / "configured" / "config.yaml").read_text()
    assert "day.mbo.dbn" in kept
    assert "catalogue:" not in kept
    (used,) = found["inputs"]
    assert Path(used["file"]).name == "day.mbo.dbn"
    assert files[0].xxh3_128 in used.values()


def test_a_list_of_nothing_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = index_folder(folder)[0]
    assert list_catalogue(folder, symbols=["ZZZ"], console=Console(file=io.StringIO())) == []
    said = f"note: of the {len(files)} files of {folder} none has what is asked for\n"
    assert capsys.readouterr().err == said
