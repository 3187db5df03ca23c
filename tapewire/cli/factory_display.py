"""What the commands of ``tapewire factory`` print."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tapewire.inputs.telling import tell

if TYPE_CHECKING:
    from rich.console import Console

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
        tell(console, "  none has a fitness: too few trades")
    tell(console, f"kept in {result.store}; see tapewire factory list, show, report {result.id}")


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
    part = ", the part that searches may see" if table.is_part else ""
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
    failed = one.failed
    passed = len(one.verdicts) - len(failed)
    tell(console, f"verdict: {passed} of {len(one.verdicts)} checks passed")
    for check in one.verdicts:
        tell(console, f"  {'passed' if check['passed'] else 'FAILED'}  {check['sentence']}")
