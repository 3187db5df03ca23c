"""``tapewire explain``."""

from pathlib import Path
from typing import Annotated, Final

import typer

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire explain runs/2024-03-04T14-30 17\n\n"
    "tapewire explain first 17 --strategy market_maker --json"
)


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    order: Annotated[str, typer.Argument(metavar="ORDER_ID", help="Its client_order_id.")],
    strategy: Annotated[
        str | None, typer.Option("-s", "--strategy", help="Whose, if several have such an order.")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option("--symbol", help="Where, if there is one on several books.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell one order's story: sent, arrived, its queue, what filled it, what other models say.

    Reads the run's data again, which must be where they were, unchanged.
    """
    import json

    from tapewire.runs.result import RunResult

    story = RunResult.load(run).explain(order, strategy=strategy, symbol=symbol)
    print(json.dumps(story.to_dict(), indent=2) if as_json else story)
