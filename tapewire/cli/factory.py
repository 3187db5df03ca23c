"""``tapewire factory …``: strategies made by rule."""

from pathlib import Path
from typing import Annotated

import typer

from tapewire.cli import factory_convert
from tapewire.cli.options import names_in

app = typer.Typer(
    name="factory",
    help="Make strategies by rule, to be traded on bars by thousands.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.callback()
def _verbs() -> None:
    """Keep ``generate`` a verb while it is the only one."""


@app.command(
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire factory generate -n 1000 -o strategies.jsonl --seed 7\n\n"
    "tapewire factory generate -n 200 -o trends.jsonl --indicators sma,ema,close,adx "
    "--max-conditions 4 --timeframes 5m,1h\n\n"
    "tapewire candles batch strategies.jsonl -d bars.csv -o results.parquet"
)
def generate(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .jsonl file: one strategy a line.")
    ],
    count: Annotated[int, typer.Option("-n", "--count", help="How many different ones.")] = 1_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same ones.")] = 0,
    indicators: Annotated[
        list[str] | None,
        typer.Option(
            "--indicators",
            metavar="NAMES",
            show_default=False,
            help="Only these, comma-separated; see tapewire candles indicators.",
        ),
    ] = None,
    timeframes: Annotated[
        list[str] | None,
        typer.Option(
            "--timeframes",
            metavar="NAMES",
            show_default=False,
            help="The primary one first, which has to be the shortest; default: 1h,4h,1d.",
        ),
    ] = None,
    max_indicators: Annotated[
        int, typer.Option("--max-indicators", help="The same of another period is another.")
    ] = 5,
    max_conditions: Annotated[
        int, typer.Option("--max-conditions", help="Stops and targets are none.")
    ] = 10,
    max_timeframes: Annotated[int, typer.Option("--max-timeframes", help="Of one strategy.")] = 3,
    max_complexity: Annotated[
        float,
        typer.Option(
            "--complexity-score-max",
            help="5 a condition, 6 an indicator, 10 a timeframe beside the primary one.",
        ),
    ] = 100.0,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw strategies at random: different ones, valid, within bounds."""
    from rich.console import Console

    from tapewire.generator import StrategyConstraints
    from tapewire.generator.drawing import TIMEFRAMES
    from tapewire.runs.generated import generate_file

    bounds = StrategyConstraints(
        max_indicators=max_indicators,
        max_conditions=max_conditions,
        max_timeframes=max_timeframes,
        allowed_indicators=names_in(indicators) or None,
        complexity_score_max=max_complexity,
    )
    made = generate_file(
        output,
        count,
        seed=seed,
        constraints=bounds,
        timeframes=names_in(timeframes) or TIMEFRAMES,
        force=force,
    )
    made.say(Console(), as_json=as_json)


factory_convert.add_to(app)
