"""The configuration as a file: what is YAML of ours, what is too much of it, what is no file."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from tapewire.config.loading import load_config, make_config
from tapewire.config.schema import to_fixed
from tapewire.config.yaml import MAX_BYTES, dump_yaml, load_yaml
from tapewire.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping .* found nothing"),
        ("- 1", "expected a mapping .* found a list"),
        ("strategy: []", "backtest: expected this key"),
        ("backtest: 5\nstrategy: {type: market_maker}", "backtest: expected a mapping, found 5"),
        ("&a [*a]", "an alias refers to what contains it"),
        ("\x00", "not valid YAML"),
        ("a: " + "[" * 33, r":1:36: not valid YAML: nested deeper than 32 levels"),
        ("- " * 33, "nested deeper than 32 levels"),
        ("".join(" " * n + "a:\n" for n in range(33)), "nested deeper than 32 levels"),
        ("- a\n" * 50_001, "not valid YAML: more than 50,000 values"),
        ("a: 1e" + "9" * 100_000, "expected a number, found '1e9{100,180}$"),
        ("x" * 1_000_001, "at most 1,000,000 bytes"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, text))


def repeated(first: str, more: str, levels: int) -> str:
    """YAML in which every line refers to the one before it."""
    lines = [first] + [more.format(n=n, before=f"*a{n - 1}") for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (repeated("a0: &a0 [x]", "a{n}: &a{n} [" + ", ".join(["{before}"] * 9) + "]", 6),
         "aliases repeat more than 100,000 characters"),
        (repeated("a0: &a0 {x: 1}", "a{n}: &a{n} {{<<: [" + ",".join(["{before}"] * 9)
                  + "]}}", 6), "aliases repeat more than 100,000 characters"),
        (f"a: &a {'x' * 30_000}\nb: [*a, *a, *a, *a]", ":2:17: .*aliases repeat more"),
        (repeated("a0: &a0 [x]", "a{n}: &a{n} [{before}]", 33), "nested deeper than 32 levels"),
        ("a: &a\n  b: [1, *a]", ":2:10: .*an alias refers to what contains it"),
    ],
)  # fmt: skip
def test_aliases_are_bounded(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_yaml(text, "x")


def test_aliases_within_bounds_mean_what_yaml_says() -> None:
    text = "a: &a {x: 1, y: [2, 3]}\nb: *a\nc: {<<: *a, x: 4}\nd: " + "[" * 30 + "5" + "]" * 30
    document, lines = load_yaml(text, "x")
    assert document["b"] == {"x": 1, "y": [2, 3]}
    assert document["c"] == {"x": 4, "y": [2, 3]}
    assert lines["b", "y", 1] == 1
    assert str(document["d"]).count("[") == 30


def test_what_is_no_plain_file_is_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match=r"pipe\.yaml: expected a configuration file, found a pi"):
        load_config(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match=r"zero\.yaml: expected .*, found a device; save it as a"):
        load_config(tmp_path / "zero.yaml")
    (tmp_path / "growing.yaml").write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="at most 1,000,000 bytes, found 1,000,001"):
        load_config(tmp_path / "growing.yaml")


def test_huge_numbers_are_refused_by_their_place() -> None:
    with pytest.raises(ConfigError, match=r"x:2:4: .*at most 80 characters, found one of 5,000"):
        load_yaml("a: 1\nb: " + "9" * 5_000, "x")
    with pytest.raises(ConfigError, match=r"seed: .*found a whole number of more than 80 digits"):
        make_config(
            {
                "backtest": {"data_source": {"type": "synthetic"}, "seed": 10**5_000},
                "strategy": {"type": "market_maker"},
            }
        )


def test_a_missing_file_and_a_folder_and_bytes_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found nothing there"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(tmp_path)
    path = tmp_path / "data.yaml"
    path.write_bytes(b"DBN\x01\xff\xfe")
    with pytest.raises(ConfigError, match="expected YAML in UTF-8, found byte 0xff at offset 4"):
        load_config(path)


def test_decimals_are_exact_to_the_last_digit() -> None:
    document, _ = load_yaml("a: 0.1\nb: 1234567890.123456789\nc: 1e-9", "x")
    assert [to_fixed(v) for v in document.values()] == [10**8, 1234567890123456789, 1]


def test_tickers_that_yaml_1_1_takes_for_something_else_stay_strings() -> None:
    document, _ = load_yaml("[ON, NO, Y, 22:00, 1_2:30, 2023-12-25, 012]", "x")
    assert document == ["ON", "NO", "Y", "22:00", "1_2:30", "2023-12-25", "012"]


def test_numbers_without_a_value_are_written_as_they_are() -> None:
    values = {"none": Decimal("NaN"), "most": Decimal("Infinity"), "least": Decimal("-Infinity")}
    text = dump_yaml(values)
    assert text == "none: .nan\nmost: .inf\nleast: -.inf\n"
    assert str(load_yaml(text, "x")[0]) == str(values)
