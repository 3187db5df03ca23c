"""``tapewire factory generate``: a file of strategies, and what is typed wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tapewire.cli.program import app
from tapewire.errors import TapewireError
from tapewire.runs.declared import read_strategies
from tapewire.runs.generated import generate_file


def generate(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["factory", "generate", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_what_is_written_is_what_a_batch_reads(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    options = ("--seed", "5", "--timeframes", "5m,1h", "--indicators", "rsi,sma,close", "--json")
    told = json.loads(generate("-n", "40", "-o", str(path), *options))
    strategies = read_strategies([path])
    assert [one.name for one in strategies] == [f"random-5-{k:06}" for k in range(40)]
    assert (told["count"], told["seed"], told["path"]) == (40, 5, str(path))
    assert 11 <= told["complexity_least"] <= told["complexity_most"] <= 100
    again = tmp_path / "t.jsonl"
    assert "40 strategies in" in generate("-n", "40", "-o", str(again), *options[:-1])
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-n", "0", "-o", "x.jsonl"], "--count: expected 1 to 1,000,000, found 0"),
        (["-n", "2", "-o", "x.json"], "expected a name that ends in .jsonl, found 'x.json'"),
        (["-n", "2", "-o", "x.jsonl", "--indicators", "rsj"], "no indicator 'rsj'"),
        (["-n", "2", "-o", "x.jsonl", "--timeframes", "1h,5m"], "the primary one first"),
        (["-n", "2", "-o", "x.jsonl", "--max-conditions", "0"], "max_conditions: expected at"),
        (["-n", "2", "-o", "x.jsonl", "--complexity-score-max", "5"], "score_max: expected at"),
        (["-n", "2", "-o", "x.jsonl", "--indicators", "volume"], "expected 2 different"),
        (["-n", "2", "-o", "there.jsonl"], "there is a file already"),
    ],
)
def test_what_is_typed_wrong_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.jsonl").write_text("mine")
    with pytest.raises(TapewireError, match=said) as found:
        generate(*arguments)
    assert "\n" not in str(found.value)
    assert [path.name for path in tmp_path.iterdir()] == ["there.jsonl"]
    assert (tmp_path / "there.jsonl").read_text() == "mine"


def test_a_file_is_made_by_a_grammar_too(tmp_path: Path) -> None:
    own = tmp_path / "own.bnf"
    own.write_text(
        '<strategy> ::= {"entry_rules": {"long": {"indicator": "rsi", "comparison": "less_than", '
        '"value": <10..40>}}}'
    )
    for name, grammar, seed in (("a", None, 5), ("b", own, 5), ("c", own, 5)):
        generate_file(
            tmp_path / f"{name}.jsonl", 9, seed=seed, timeframes=("5m", "1h"), method="grammar",
            grammar=grammar,
        )  # fmt: skip
    strategies = [read_strategies([tmp_path / f"{name}.jsonl"]) for name in "abc"]
    assert [one.name for one in strategies[0]] == [f"grammar-5-{k:06}" for k in range(9)]
    assert all(one.entry_rules.long.indicator == "rsi" for one in strategies[1])  # type: ignore[union-attr]
    assert strategies[1] == strategies[2]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method": "genetik"}, "--method: expected one of random, grammar, found 'genetik'"),
        ({"grammar": Path("x.bnf")}, "--grammar: expected --method grammar beside it"),
        ({"method": "grammar", "grammar": Path("none.bnf")}, "none.bnf: can't be read"),
    ],
)
def test_methods_that_are_none(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(TapewireError, match=said):
        generate_file(tmp_path / "x.jsonl", 3, timeframes=("5m",), **given)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_grammar_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('\n{"a": 1}\n')
    with pytest.raises(TapewireError, match=r"x\.json:2: expected <name> ::= …, found"):
        generate_file(
            tmp_path / "x.jsonl",
            3,
            timeframes=("5m",),
            method="grammar",
            grammar=tmp_path / "x.json",
        )
