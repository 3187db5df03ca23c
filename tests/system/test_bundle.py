"""Bundles: a run that is repeated elsewhere, and what differs first where it is not the same."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import tapewire as tw
from conftest import TapewireHere
from tapewire.errors import FormatError
from tapewire.runs.bundles import unpack

IDEA = """\
import tapewire as tw
from idea_price import price

class Idea(tw.Strategy):
    size: int = tw.parameter(1)

    def on_start(self, context):
        self.sent = 0

    def on_trade(self, trade, context):
        if self.sent < 20:
            context.submit(tw.BUY, self.size, price(trade))
            self.sent += 1
"""
HELPER = "def price(trade):\n    return trade.price\n"
Change = Callable[[dict[str, bytes]], None]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, synthetic_file: Path) -> Path:
    """A folder with a file of data, a strategy with its helper, a run of both, and its bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    shutil.copy(synthetic_file, folder / "day.dbn.zst")
    (folder / "idea.py").write_text(IDEA)
    (folder / "idea_price.py").write_text(HELPER)
    run = tw.run(
        files=folder / "day.dbn.zst", strategies=[f"{folder / 'idea.py'}:Idea", "market_maker"],
        instruments={"TWA1": {"tick_size": 0.25, "multiplier": 50}}, output=folder / "run",
    )  # fmt: skip
    assert run.fills.num_rows > 10
    said = TapewireHere(folder)("bundle", "run", "--with-data")
    assert said.returncode == 0, said.stderr
    assert (folder / "run.zip").stat().st_size > 1_000
    return folder


def changed(packed: Path, to: Path, change: Change) -> Path:
    """Write the bundle again with other content, and an index that fits it."""
    with zipfile.ZipFile(packed / "run.zip") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    change(content)
    index = json.loads(content["bundle.json"])
    for name in index["files"]:
        data = content[name]
        index["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    content["bundle.json"] = json.dumps(index).encode()
    with zipfile.ZipFile(to, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return to


def test_a_bundle_is_the_same_run_where_nothing_of_it_is(
    packed: Path, tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    away = tmp_path / "elsewhere"
    packed.rename(away)  # neither data nor code are where they were
    try:
        said = tapewire_here("verify", away / "run.zip", "--run-code", "--json")
    finally:
        away.rename(packed)
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert found["same"]
    assert found["versions"] == {}
    digest = tw.RunResult.load(packed / "run").digest
    assert found["digest"] == {"bundle": digest, "here": digest}
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_the_same_whenever_it_is_packed(
    packed: Path, tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    said = tapewire_here("bundle", packed / "run", "--with-data", "-o", "again.zip")
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "again.zip").read_bytes() == (packed / "run.zip").read_bytes()
    said = tapewire_here("bundle", packed / "run", "-o", "again.zip")
    assert (said.returncode, "--force" in said.stderr) == (4, True)


def test_nobodys_code_is_run_unasked(packed: Path, tapewire_here: TapewireHere) -> None:
    said = tapewire_here("verify", packed / "run.zip")
    assert said.returncode == 2
    assert "idea.py:Idea" in said.stderr
    assert "--run-code" in said.stderr


@pytest.mark.parametrize("key", ["command", "model"])
def test_a_process_that_a_configuration_names_is_code(
    key: str, packed: Path, tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    value = ["touch", str(tmp_path / "ran")] if key == "command" else f"{tmp_path}/model.py:M"

    def change(content: dict[str, bytes]) -> None:
        config = content["run/config.yaml"].decode()
        head = config[: config.index("strategy:\n")]
        entry = f"- type: external\n  name: x\n  {key}: {json.dumps(value)}\n"
        content["run/config.yaml"] = f"{head}strategy:\n{entry}".encode()

    bundle = changed(packed, tmp_path / "theirs.zip", change)
    said = tapewire_here("verify", bundle)
    assert said.returncode == 2
    assert "external" in said.stderr
    assert not (tmp_path / "ran").exists()


def _other_code(content: dict[str, bytes]) -> None:
    code = content["code/0/idea.py"].decode()
    content["code/0/idea.py"] = code.replace("self.sent < 20", "self.sent < 19").encode()


def _other_config(content: dict[str, bytes]) -> None:
    text = content["run/config.yaml"].decode()
    content["run/config.yaml"] = text.replace("max_inventory: 10", "max_inventory: 9").encode()


def _other_data(content: dict[str, bytes]) -> None:
    [name] = [name for name in content if name.startswith("data/")]
    content[name] = content[name][:-1] + bytes([content[name][-1] ^ 1])


def _other_rows(content: dict[str, bytes]) -> None:
    manifest = json.loads(content["run/manifest.json"])
    manifest["digest"] = manifest["digests"]["market_maker"] = "0" * 64
    content["run/manifest.json"] = json.dumps(manifest).encode()


def _other_stream(content: dict[str, bytes]) -> None:
    manifest = json.loads(content["run/manifest.json"])
    manifest["stream"]["digest"] = "0" * 32
    content["run/manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("change", "first", "told"),
    [
        (_other_code, "row", ("orders.parquet, row 14 (Idea, order 20)",)),
        (_other_config, "config", ("max_inventory", "10", "9")),
        (_other_data, "input", ("day.dbn.zst", "xxh3_128")),
        (_other_rows, "digest", ("0" * 64, "equal rows")),
        (_other_stream, "stream", ("0" * 32,)),
    ],
)
def test_what_differs_first_is_named(
    change: Change, first: str, told: tuple[str, ...], packed: Path, tmp_path: Path,
    tapewire_here: TapewireHere,
) -> None:  # fmt: skip
    bundle = changed(packed, tmp_path / "other.zip", change)
    said = tapewire_here("verify", bundle, "--run-code", "--json")
    assert said.returncode == 6
    assert json.loads(said.stdout)["first_difference"] == first
    for words in (f"first in its {first}", *told):
        assert words in said.stderr


def test_other_versions_are_told_and_fail_nothing(
    packed: Path, tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    def change(content: dict[str, bytes]) -> None:
        manifest = json.loads(content["run/manifest.json"])
        manifest["versions"]["numba"] = "0.1"
        content["run/manifest.json"] = json.dumps(manifest).encode()

    said = tapewire_here("verify", changed(packed, tmp_path / "a.zip", change), "--run-code")
    assert said.returncode == 0, said.stderr
    assert "version of numba: 0.1 in the bundle" in said.stdout


def test_inputs_are_looked_for_where_it_is_said(
    packed: Path, tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    assert tapewire_here("bundle", packed / "run", "-o", "light.zip").returncode == 0
    (packed / "day.dbn.zst").rename(tmp_path / "day.dbn.zst")
    try:
        said = tapewire_here("verify", "light.zip", "--run-code")
        assert said.returncode == 3
        assert "--data" in said.stderr
        said = tapewire_here("verify", "light.zip", "--run-code", "--data", ".")
        assert said.returncode == 0, said.stderr
    finally:
        (tmp_path / "day.dbn.zst").rename(packed / "day.dbn.zst")


def test_a_run_that_was_changed_is_not_bundled(
    packed: Path, tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    shutil.copytree(packed / "run", tmp_path / "run")
    (tmp_path / "run" / "orders.parquet").write_bytes(b"other")
    said = tapewire_here("bundle", "run")
    assert (said.returncode, "orders.parquet" in said.stderr) == (3, True)
    helper = packed / "idea_price.py"
    helper.write_text(HELPER + "\n")
    try:
        said = tapewire_here("bundle", packed / "run", "-o", "b.zip")
    finally:
        helper.write_text(HELPER)
    assert (said.returncode, "idea_price.py" in said.stderr) == (3, True)
    assert not list(tmp_path.glob("*.zip*"))


def _index(content: dict[str, bytes], **changes: object) -> None:
    index = {**json.loads(content["bundle.json"]), **changes}
    content["bundle.json"] = json.dumps(index).encode()


@pytest.mark.parametrize(
    "name", ["../out", "run/../../out", "/out", "run", "else/a", "run/a\\..\\b"]
)
def test_nothing_is_written_outside(name: str, packed: Path, tmp_path: Path) -> None:
    def change(content: dict[str, bytes]) -> None:
        content[name] = b"out"
        files = json.loads(content["bundle.json"])["files"]
        _index(content, files={**files, name: {}})

    bundle = changed(packed, tmp_path / "evil.zip", change)
    with pytest.raises(FormatError, match=r"bundle\.json"):
        unpack(bundle, tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.zip"]


def test_no_more_is_unpacked_than_is_said(packed: Path, tmp_path: Path) -> None:
    bundle = changed(packed, tmp_path / "a.zip", lambda content: None)
    with zipfile.ZipFile(bundle) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, bytes(64 << 20) if name == "run/orders.parquet" else data)
    with pytest.raises(FormatError, match=r"run/orders\.parquet"):
        unpack(bundle, tmp_path / "there")
    written = tmp_path / "there" / "run" / "orders.parquet"
    assert written.stat().st_size <= len(content["run/orders.parquet"])


@pytest.mark.parametrize("cut", [0, 4, 100, 1_000, -30])
def test_a_damaged_bundle_is_refused(
    cut: int, packed: Path, tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    (tmp_path / "a.zip").write_bytes((packed / "run.zip").read_bytes()[:cut])
    said = tapewire_here("verify", "a.zip", "--run-code")
    assert said.returncode == 3
    assert "expected a bundle" in said.stderr


def test_each_byte_counts(packed: Path, tmp_path: Path, tapewire_here: TapewireHere) -> None:
    """Whatever bit flips, a bundle is refused, differs, or has it where nothing is said."""
    whole = (packed / "run.zip").read_bytes()
    head = range(0, 4_000, 7)  # local headers, the index, the first blocks
    for k in (
        *head,
        *range(4_000, len(whole), len(whole) // 60),
        *range(len(whole) - 900, len(whole), 9),
    ):
        damaged = bytearray(whole)
        damaged[k] ^= 1 << (k % 8)
        (tmp_path / "a.zip").write_bytes(damaged)
        folder = tmp_path / f"{k}"
        try:
            found = unpack(tmp_path / "a.zip", folder)
        except FormatError:
            continue
        for name in ("config.yaml", "orders.parquet", "fills.parquet"):
            assert (found.run / name).read_bytes() == (packed / "run" / name).read_bytes()
        shutil.rmtree(folder)


def test_another_version_is_refused(packed: Path, tmp_path: Path) -> None:
    bundle = changed(packed, tmp_path / "a.zip", lambda content: _index(content, bundle=2))
    with pytest.raises(FormatError, match="version 1, found 2"):
        unpack(bundle, tmp_path / "there")
