"""What the commands of ``tapewire factory`` print."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tapewire.inputs.telling import tell

if TYPE_CHECKING:
    from rich.console import Console

    from tapewire.factory.judging import JudgedGeneration
    from tapewire.factory.looking import ListedStrategies, ShownStrategy
    from tapewire.factory.searching import GenerationResult
    from tapewire.factory.trying import TrialTable

#: Columns of a list: heading, key, how a value is written.
_COLUMNS: Final = (
    ("id", "id", "{:d}"), ("sharpe", "sharpe", "{:.2f}"), ("return", "return", "{:.2%}"),
    ("drawdown", "drawdown", "{:.2%}"), ("trades", "trades", "{:,}"),
)  # fmt: skip
#: Rows of strategies that were tried that are printed.
_TRIED_SHOWN: Final = 20
#: Verdicts that are printed.
_JUDGED_SHOWN: Final = 10


def print_json(value: Any) -> None:
    """Print one JSON object, or list."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def say_generation(result: "GenerationResult", console: "Console", *, as_json: bool) -> None:
    """Print what a search came to."""
    if as_json:
        print_json(asdict(result))
        return
    tell(
        console,
        f"generation {result.id} ({result.method}) on {result.dataset}: {result.trials:,} "
        f"strategies in {result.batches:,} batches, {result.elapsed_s:.1f} s, digest "
        f"{result.digest[:12]}",
    )
    for name, value in result.best:
        tell(console, f"  {value:9.3f}  {name}")
    if not result.best:
        tell(
            console,
            "  none has a fitness: too few trades (--trades-min), or bars of fewer sessions than "
            "the objective needs: a Sharpe ratio two",
        )
    if result.judged is not None:
        say_judged(result.judged, console, as_json=False)
    else:
        tell(console, f"not judged: {result.not_judged}")
    tell(console, f"kept in {result.store}; see tapewire factory list, show, report {result.id}")


def say_judged(judged: "JudgedGeneration", console: "Console", *, as_json: bool) -> None:
    """Print what is to be thought of the best of a generation."""
    if as_json:
        print_json(asdict(judged))
        return
    looked = "opened" if judged.is_open else "closed"
    tell(console, f"verdicts on the best {judged.judged} (holdout {looked}):")
    for name, words in judged.lines[:_JUDGED_SHOWN]:
        tell(console, f"  {name}: {words}")
    if judged.passed:
        tell(console, f"{judged.passed} passed every guard")
    elif judged.hopeful and not judged.is_open:
        tell(
            console,
            f"{judged.hopeful} passed all that can be asked with the holdout closed; "
            f"tapewire factory test --generation {judged.id} --holdout asks the rest, once",
        )
    else:
        tell(console, "none passed")


def say_list(listed: "ListedStrategies", console: "Console", *, as_json: bool) -> None:
    """Print a page of strategies, and how to get the next one."""
    if as_json:
        print_json(asdict(listed))
        return
    say_rows(listed.rows, console)
    if listed.after is not None:
        tell(console, f"more: --after {listed.after}")


def say_rows(rows: Sequence[Mapping[str, Any]], console: "Console") -> None:
    """Print strategies, a line each."""
    tell(console, "  ".join(f"{head:>9}" for head, _, _ in _COLUMNS) + "  name")
    for row in rows:
        cells = [
            "–" if row[key] is None else form.format(row[key]) for _, key, form in _COLUMNS
        ]  # fmt: skip
        tell(console, "  ".join(f"{text:>9}" for text in cells) + f"  {row['name']}")
    if not rows:
        tell(console, "no strategy")


def say_tried(table: "TrialTable", console: "Console", *, as_json: bool) -> None:
    """Print what strategies came to on bars."""
    if as_json:
        print_json(asdict(table))
        return
    part = {
        "all": "", "search": ", the part that searches may see", "holdout": ", the closed part"
    }[table.part]  # fmt: skip
    tell(
        console,
        f"{len(table.rows):,} strategies on {table.bars:,} bars of {table.dataset}{part}, "
        f"{table.elapsed_s:.1f} s",
    )
    say_rows(table.rows[:_TRIED_SHOWN], console)


def say_strategy(one: "ShownStrategy", console: "Console", *, as_json: bool) -> None:
    """Print all that is known of a strategy: its rules, its results, what it failed."""
    if as_json:
        print_json(asdict(one))
        return
    tell(console, f"{one.name} (id {one.id}, hash {one.hash[:12]}, complexity {one.complexity:g})")
    for line in one.rules:
        tell(console, f"  {line}")
    for result in one.results:
        words = [
            f"{head} {'–' if result[key] is None else form.format(result[key])}"
            for head, key, form in _COLUMNS[1:]
        ]
        tell(console, f"{result['kind']} on {result['dataset']}: {', '.join(words)}")
    if not one.results:
        tell(console, "not traded yet: tapewire factory test")
    if not one.verdicts:
        tell(console, "not judged yet")
        return
    said = [check for check in one.verdicts if check["test"] == "verdict"]
    tell(console, f"verdict: {said[-1]['sentence'] if said else 'open: the holdout is closed'}")
    for check in one.verdicts:
        if check not in said:
            tell(console, f"  {check['test'].replace('_', ' ')}: {check['sentence']}")
