"""``tapewire candles …``: bars."""

import typer

from tapewire.cli import candles_indicators

app = typer.Typer(
    name="candles",
    help="Indicators and strategies on bars.",
    no_args_is_help=True,
)
candles_indicators.add_to(app)
