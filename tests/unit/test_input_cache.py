"""The input cache: by content, bounded, never a damaged copy, nothing half-written."""

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import xxhash

import streams
from input_copies import COPY_BYTES, RECORDS, cache, copies, fetch, packed, plan
from naive.dbn import read_mbo
from tapewire.atomic import AtomicFile
from tapewire.errors import ConfigError, FormatError, InputError, MissingFileError, NoDataError
from tapewire.inputs import cache as input_cache
from tapewire.inputs import cache_folder as _cache_folder
from tapewire.inputs.cache import InputCache
from tapewire.replay import ReplayPlan
from tapewire.replay.convert import PREPARED_VERSION


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, in a place of its own."""
    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tapewire" / "inputs"


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """Four compressed files, no two alike."""
    return [packed(tmp_path / f"{i}.dbn.zst", first_order_id=1 + i * 10**6) for i in range(4)]


# --- by content -----------------------------------------------------------------------------------


def test_made_once_then_used(inputs: list[Path], folder: Path) -> None:
    said: list[str] = []
    with cache(said=said) as opened:
        replayed = opened.prepare(plan(*inputs[:2], symbols=("TEST",), start_ns=5))
        assert replayed == plan(*map(Path, replayed.files), symbols=("TEST",), start_ns=5)
        assert list(opened.inputs) == list(replayed.files)
        for original, entry in zip(inputs, opened.inputs.values(), strict=False):
            raw, copy = original.read_bytes(), entry.prepared.read_bytes()
            assert (entry.original.name, entry.original.size_bytes) == (str(original), len(raw))
            assert entry.original_hash == xxhash.xxh3_128_hexdigest(raw)
            assert entry.prepared_hash == xxhash.xxh3_128_hexdigest(copy)
            assert entry.prepared == folder / f"{entry.original_hash}-v{PREPARED_VERSION}.dbn"
            assert len(copy) == COPY_BYTES
        assert [row["made"] for row in opened.describe()] == [True, True]
    assert len(said) == 2
    assert "preparing 0.dbn.zst for the input cache" in said[0]
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.dbn")}
    with cache(said=said) as opened:
        assert opened.prepare(plan(*inputs[:2])).files == replayed.files
        assert [row["made"] for row in opened.describe()] == [False, False]
        assert opened.warnings == []
    assert len(said) == 2
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.dbn")} == before
    assert folder.stat().st_mode & 0o777 == 0o700


def test_neither_name_nor_date_matter(inputs: list[Path], tmp_path: Path, folder: Path) -> None:
    first, *_ = fetch(inputs[0])
    moved = inputs[0].rename(tmp_path / "other.zst")
    os.utime(moved, ns=(1, 1))
    assert fetch(moved) == (first, [False], [])
    # Other content under the old name, with the old date and size, is another copy.
    swapped = inputs[1].rename(moved)
    os.utime(swapped, ns=(1, 1))
    other, made, _ = fetch(swapped)
    assert other != first
    assert made == [True]
    assert len(copies(folder)) == 2


def test_plain_files_are_left_alone(tmp_path: Path, inputs: list[Path], folder: Path) -> None:
    plain = Path(streams.write(tmp_path / "a.dbn", streams.dbn_bytes(streams.make_records(9))))
    with cache() as opened:
        assert opened.prepare(plan(plain)) == plan(plain)
        assert not folder.exists()
    paths, made, _ = fetch(plain, inputs[0])
    assert paths[0] == plain
    assert paths[1].parent == folder
    assert made == [True]


def test_the_same_content_twice_is_one_copy_and_one_file(
    inputs: list[Path], tmp_path: Path, folder: Path
) -> None:
    twin = Path(shutil.copy(inputs[0], tmp_path / "twin.dbn.zst"))
    paths, made, warnings = fetch(inputs[0], twin)
    assert (paths[0].parent, paths[1], made, warnings) == (folder, twin, [True], [])


def test_what_the_replay_would_refuse_is_refused_first(
    inputs: list[Path], tmp_path: Path, folder: Path
) -> None:
    link = tmp_path / "link.dbn.zst"
    link.symlink_to(inputs[0])
    cut = tmp_path / "cut.dbn.zst"
    cut.write_bytes(inputs[0].read_bytes()[:-9])
    cases: list[tuple[type[Exception], str, ReplayPlan]] = [
        (MissingFileError, "no such file", plan(inputs[0], tmp_path / "none.dbn.zst")),
        (ConfigError, "listed twice", plan(inputs[0], link)),
        (NoDataError, "did you mean 'TEST'", plan(inputs[0], symbols=("TSET",))),
        (FormatError, "truncated", plan(inputs[0], cut)),
    ]
    for error, message, wrong in cases:
        with pytest.raises(error, match=message), cache() as opened:
            opened.prepare(wrong)
    assert not folder.exists()


def test_damage_within_an_input_is_left_to_the_replay(inputs: list[Path], folder: Path) -> None:
    records = streams.make_records(RECORDS)
    records["rtype"][700] = 1
    streams.write(inputs[0], streams.zstd_bytes(streams.dbn_bytes(records)))
    with cache() as opened:
        assert opened.prepare(plan(inputs[0])) == plan(inputs[0])
        assert "record 700 at byte offset" in opened.warnings[0]
    assert copies(folder) == set()


def test_an_input_that_changes_meanwhile(
    inputs: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = InputCache._hash_of

    def then_swapped(self: InputCache, path: Path, doing: str) -> str:
        found = real(self, path, doing)
        inputs[1].replace(inputs[0])
        return found

    monkeypatch.setattr(InputCache, "_hash_of", then_swapped)
    with cache() as opened:
        assert opened.prepare(plan(inputs[0])) == plan(inputs[0])
        assert "was written to while it was read" in opened.warnings[0]
    assert copies(folder) == set()


# --- bounded --------------------------------------------------------------------------------------


def test_the_longest_unused_go_before_the_limit_is_passed(inputs: list[Path], folder: Path) -> None:
    limit = 2 * COPY_BYTES + COPY_BYTES // 2
    a, b, c, d = inputs
    names = {}
    for path in (a, b):
        names[path] = fetch(path, limit_bytes=limit)[0][0].name
    assert fetch(a, limit_bytes=limit)[1] == [False]  # now b is the one unused for longest
    names[c] = fetch(c, limit_bytes=limit)[0][0].name
    assert copies(folder) == {names[a], names[c]}
    names[d] = fetch(d, limit_bytes=limit)[0][0].name
    assert copies(folder) == {names[c], names[d]}
    # A smaller limit takes hold with the next run, whatever that reads.
    fetch(d, limit_bytes=COPY_BYTES)
    assert copies(folder) == {names[d]}
    assert fetch(a, b, limit_bytes=limit)[2] == []
    assert copies(folder) == {names[a], names[b]}


def test_all_there_is_never_exceeds_the_limit(
    inputs: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at whenever something is written."""
    limit = 2 * COPY_BYTES + COPY_BYTES // 2
    sizes: list[int] = []
    real = input_cache._Claiming.write

    def write(self: Any, data: memoryview) -> int:
        count = real(self, data)
        self._target.file.flush()
        sizes.append(sum(p.stat().st_size for p in folder.iterdir() if ".dbn" in p.name))
        return count

    monkeypatch.setattr(input_cache._Claiming, "write", write)
    for path in inputs * 2:
        assert fetch(path, limit_bytes=limit)[1:] == ([True], [])
    assert len(sizes) == 16
    assert max(sizes) <= limit


def test_what_a_run_uses_stays(inputs: list[Path], folder: Path) -> None:
    a, b, c, _ = inputs
    limit = 2 * COPY_BYTES
    with cache(limit) as one:
        used = set(one.prepare(plan(a)).files)
        with cache(limit) as two:
            used |= set(two.prepare(plan(b)).files)
            with cache(limit) as three:
                assert three.prepare(plan(c)) == plan(c)
                (warning,) = three.warnings
                assert f"{c} was not replayed from the input cache" in warning
                assert "runs under way use all but 0 GB" in warning
            assert {str(folder / name) for name in copies(folder)} == used
        (name,) = fetch(c, limit_bytes=limit)[0]  # the second one may go now
        assert copies(folder) == {name.name, *(Path(path).name for path in one.inputs)}


@pytest.mark.parametrize("limit", [100, COPY_BYTES // 2, COPY_BYTES - 1])
def test_a_copy_larger_than_the_limit_is_not_kept(
    inputs: list[Path], folder: Path, limit: int
) -> None:
    with cache(limit) as opened:
        assert opened.prepare(plan(inputs[0])) == plan(inputs[0])
        (warning,) = opened.warnings
        assert "replay.cache_max_gb is" in warning
        assert "tapewire data convert" in warning
    assert copies(folder) == set()
    assert fetch(inputs[0], limit_bytes=COPY_BYTES)[1] == [True]


def test_a_large_copy_drives_no_other_out_in_vain(
    tmp_path: Path, inputs: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size can be told long before it is written."""
    monkeypatch.setattr(_cache_folder, "CLAIM_BYTES", 0)
    monkeypatch.setattr("tapewire.replay.convert._CHUNK_RECORDS", 4_096)
    monkeypatch.setattr("tapewire.replay.byte_sources._READ_BYTES", 4_096)
    records = streams.make_records(200_000)
    records["order_id"] *= 0x9E3779B97F4A7C15 % 2**63
    large = tmp_path / "large.dbn.zst"
    streams.write(large, streams.zstd_bytes(streams.dbn_bytes(records)))
    names = {fetch(path)[0][0].name for path in inputs}
    written: list[int] = []
    real = input_cache._Claiming.write

    def write(self: Any, data: memoryview) -> int:
        written.append(len(data))
        return real(self, data)

    monkeypatch.setattr(input_cache._Claiming, "write", write)
    with cache(10_000_000) as opened:
        assert opened.prepare(plan(large)) == plan(large)
        assert "cache_max_gb is 0.01 GB" in opened.warnings[0]
    assert copies(folder) == names
    assert sum(written) < 1_500_000


# --- many at once ---------------------------------------------------------------------------------


def test_nobody_waits_for_a_copy_in_the_making(inputs: list[Path], folder: Path) -> None:
    content = xxhash.xxh3_128_hexdigest(inputs[0].read_bytes())
    folder.mkdir(parents=True)
    other = AtomicFile(folder / f"{content}-v{PREPARED_VERSION}.dbn")
    paths, _, warnings = fetch(inputs[0])
    assert paths == [inputs[0]]
    assert "another run is preparing it" in warnings[0]
    assert other.temporary.exists()
    other.discard()
    assert fetch(inputs[0])[1] == [True]


def test_many_at_once_over_too_little_room(inputs: list[Path], folder: Path) -> None:
    """Each takes what it can get; nobody ever loses or misreads a copy it was given."""
    wanted = {str(path): read_mbo(path).tobytes() for path in inputs}
    limit = 2 * COPY_BYTES + 100
    wrong: list[BaseException] = []
    from_cache = [0]

    def work(first: int) -> None:
        try:
            for step in range(12):
                files = [inputs[(first + step + i) % 4] for i in range(2)]
                with cache(limit) as opened:
                    replayed = opened.prepare(plan(*files))
                    from_cache[0] += len(opened.inputs)
                    for original, name in zip(files, replayed.files, strict=True):
                        assert read_mbo(Path(name)).tobytes() == wanted[str(original)]
                    assert len(opened.inputs) + len(opened.warnings) == 2
                    assert not any("damaged" in text for text in opened.warnings)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert from_cache[0] > 12
    assert len(copies(folder)) <= 2
    facts = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    assert all(fact["size_bytes"] == COPY_BYTES for fact in facts)


def test_who_makes_a_copy_that_is_there_by_then_leaves_it_to_who_reads_it(
    inputs: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its reader would hold a file without a name, and the name could be removed."""
    real = InputCache._make
    with cache() as first:
        names: list[str] = []

        def make(self: InputCache, *arguments: Any) -> Any:
            """Make a copy that somebody has made between its being looked for and now."""
            monkeypatch.setattr(InputCache, "_make", real)
            names.extend(first.prepare(plan(inputs[0])).files)
            return real(self, *arguments)

        monkeypatch.setattr(InputCache, "_make", make)
        with cache() as second:
            assert list(second.prepare(plan(inputs[0])).files) == names
        with cache(COPY_BYTES + 100) as third:  # there is room for one, and that is read
            third.prepare(plan(inputs[1]))
            assert third.warnings
        assert copies(folder) == {Path(name).name for name in names}
        assert read_mbo(Path(names[0])).tobytes() == read_mbo(inputs[0]).tobytes()


def test_errors_are_inputs_own(inputs: list[Path]) -> None:
    """A cache in trouble never ends a run: what it raises belongs to the plan."""
    assert issubclass(FormatError, InputError)
    inputs[0].write_bytes(b"")
    with pytest.raises(FormatError, match="is empty"), cache() as opened:
        opened.prepare(plan(inputs[0]))
