"""``tapewire candles indicators``, ``check`` and ``schema``: what may be declared of bars."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tapewire.cli.terminal import say

if TYPE_CHECKING:
    from tapewire.candles.indicators import IndicatorDefinition

_DONE: Final = "nothing else was to be done"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to ``tapewire candles``."""
    app.command(
        "indicators",
        epilog="[bold]Examples[/bold]\n\n"
        "tapewire candles indicators\n\n"
        "tapewire candles indicators rsi\n\n"
        "tapewire candles indicators --json",
    )(_indicators)
    app.command(
        "check",
        epilog="[bold]Examples[/bold]\n\n"
        "tapewire candles check strategy.json\n\n"
        "tapewire candles check strategies/*.json --json",
    )(_check)
    app.command(
        "schema",
        epilog="[bold]Examples[/bold]\n\n"
        "tapewire candles schema\n\n"
        "tapewire candles schema -o strategy.schema.json",
    )(_schema)


def _indicators(
    name: Annotated[
        str | None, typer.Argument(help="Only this one, and its formula.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the indicators: their parameters with defaults and ranges, and what they give."""
    from tapewire.candles.indicators import INDICATORS, find_indicator

    found = [find_indicator(name)] if name is not None else list(INDICATORS.values())
    if as_json:
        text = json.dumps([_as_json(one) for one in found], indent=1, ensure_ascii=False)
    else:
        text = "\n".join(_lines(one, whole=name is not None) for one in found)
    say(text, done=_DONE)


def _check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Strategies as JSON.", show_default=False),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Read declared strategies and say in words what they do; exit code 2 if one is wrong."""
    from tapewire.candles.rules import load_strategy, strategy_text

    texts = {str(file): strategy_text(load_strategy(file)) for file in files}
    if as_json:
        rows = [{"file": file, "text": text} for file, text in texts.items()]
        text = json.dumps(rows, indent=1, ensure_ascii=False)
    else:
        text = "\n".join(texts.values())
    say(text, done=_DONE)


def _schema(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A file instead of the terminal.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of declared strategies."""
    from tapewire.atomic import atomic_write
    from tapewire.candles.rules import strategy_schema

    text = json.dumps(strategy_schema(), indent=1, ensure_ascii=False)
    if output is None:
        say(text, done=_DONE)
    else:
        atomic_write(output, f"{text}\n")
        say(str(output), done=f"{output} is written")


def _lines(one: "IndicatorDefinition", *, whole: bool) -> str:
    parameters = [
        f"{name} {spec.default:g} ({spec.minimum:g} to {spec.maximum:g})"
        for name, spec in one.parameters.items()
    ]
    outputs = ", ".join(f"{output.name} [{output.unit}]" for output in one.outputs)
    line = f"{one.name:<12} {', '.join(parameters) or 'no parameters'} → {outputs}"
    if not whole:
        return line
    notes = [f"  {name}: {spec.doc}" for name, spec in one.parameters.items()]
    against = (
        "a number or an indicator" if one.against is None else f"{one.against}, or what is said"
    )
    return "\n".join(
        [line, *notes, f"  formula: {one.formula}", f"  source: {one.source}",
         f"  compared with: {against}"]
    )  # fmt: skip


def _as_json(one: "IndicatorDefinition") -> dict[str, Any]:
    return {
        "name": one.name,
        "inputs": list(one.inputs),
        "parameters": {
            name: {
                "type": spec.type.__name__,
                "default": spec.default,
                "minimum": spec.minimum,
                "maximum": spec.maximum,
                "doc": spec.doc,
            }
            for name, spec in one.parameters.items()
        },
        "outputs": [
            {"name": out.name, "unit": out.unit, "low": out.low, "high": out.high}
            for out in one.outputs
        ],
        "against": one.against,
        "formula": one.formula,
        "source": one.source,
    }
