"""``tapewire walkforward``."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.terminal import say

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire sweep config.yaml --vary max_inventory=1,2,5 -o studies/a\n\n"
    "tapewire walkforward studies/a --train 20 --test 5\n\n"
    "tapewire walkforward studies/a --train 20 --test 5 --anchored --purge 1 --by sharpe"
)


def walkforward(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of a complete study.")],
    train: Annotated[int, typer.Option("--train", help="Blocks (days) to choose by.")],
    test: Annotated[int, typer.Option("--test", help="Blocks that follow.")],
    anchored: Annotated[
        bool, typer.Option("--anchored", help="Choose by all blocks from the first on.")
    ] = False,
    purge: Annotated[int, typer.Option("--purge", help="Blocks left out between the two.")] = 0,
    embargo: Annotated[
        int, typer.Option("--embargo", help="Blocks after each test that none later chooses by.")
    ] = 0,
    by: Annotated[
        str, typer.Option("--by", help="net_pnl, sharpe or max_drawdown (the least).")
    ] = "net_pnl",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Choose the best of each window of a study, and say what it made afterwards."""
    from tapewire.runs.result_display import aligned
    from tapewire.studies.study import Study
    from tapewire.studies.walkforward import PAGE
    from tapewire.studies.walkforward import walkforward as walk_on

    found = walk_on(
        Study(study), train=train, test=test, anchored=anchored, purge=purge, embargo=embargo, by=by
    )
    if as_json:
        text = json.dumps(found.to_dict(), indent=1)
    else:
        from tapewire.analytics.formats import percent, time_short

        rows = [("test from", "trial", "in sample", "out of sample", "rank after")]
        rows += [
            (time_short(s.test_from), str(s.trial), f"{s.in_sample:,.2f}",
             f"{s.out_of_sample:,.2f}", f"{s.rank} of {found.trials}")
            for s in found.steps
        ]  # fmt: skip
        lines = aligned(rows)
        said = f"net P&L {sum(found.returns):,.2f} out of sample, efficiency "
        said += f"{percent(found.efficiency)}, another choice {found.changes} of "
        said += f"{max(0, len(found.steps) - 1)} times"
        lines += ["", said, f"page    {study / PAGE}"]
        text = "\n".join(lines)
    say(text, done=f"{study / PAGE} is written")
