"""``tapewire data rolls``: what continuous symbols mean on each day, as a table or JSON."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tapewire.errors import ConfigError
from tapewire.inputs.rolls import Rolls, rolls_of
from tapewire.inputs.telling import Steps, tell
from tapewire.inputs.typed_sources import Names, contract_files, typed_source
from tapewire.market.continuous import root_of
from tapewire.processes.signals import interruptible
from tapewire.replay.rolls import RollDay, RollTable, date_of


def list_rolls(
    files: Sequence[str],
    symbols: Sequence[str],
    *,
    definitions: Names = (),
    statistics: Names = (),
    volumes: Names = (),
    duplicates: str | None = None,
    as_json: bool = False,
    console: Console | None = None,
) -> Rolls:
    """Say which contract each continuous symbol means on each day, and why.

    Parameters
    ----------
    files, definitions, statistics, volumes
        Names as a run takes them. Of folders, the others are found, too.
    symbols
        Continuous symbols and parents.
    duplicates
        As a run has it: of ``drop``, what two files have counts once.

    Raises
    ------
    ConfigError
        If a name fits no file, or a symbol is neither.
    InputError
        As `rolls_of`.
    InterruptedRunError
        If the user stopped it.
    """
    if not symbols:
        raise ConfigError("--symbols: expected continuous symbols such as ES.v.0, found none")
    for symbol in symbols:
        if root_of(symbol) is None:
            raise ConfigError(
                "--symbols: expected continuous symbols (ES.c.0, ES.v.0, ES.n.0) or parents "
                f"(ES.FUT), found {symbol!r}"
            )
    named = contract_files(definitions, statistics, volumes)
    options = {"symbols": list(symbols), "duplicates": duplicates}
    source, notes = typed_source(files, options, named)
    with interruptible():
        rolls = rolls_of(source, Steps)
    if console is not None and as_json:
        facts = {**rolls.describe(), "notes": [*notes, *rolls.warnings()]}
        del facts["policy"]
        console.out(json.dumps(facts, indent=2), highlight=False)
    elif console is not None:
        for table in rolls.tables:
            _show(table, console)
        for name, contracts in rolls.parents.items():
            tell(console, f"{name}: {', '.join(contracts)}")
        for note in [*notes, *rolls.warnings()]:
            tell(console, f"note: {note}")
    return rolls


def _show(table: RollTable, console: Console) -> None:
    shown = Table(box=None, pad_edge=False, title=f"{table.name} ({table.source})")
    for name in ("day", "contract", "why", "lots"):
        shown.add_column(name)
    previous = ""
    for one in table.days:
        mark = " ← roll" if previous not in ("", _contract(one)) else ""
        lots = ", ".join(f"{symbol} {lots:,}" for symbol, lots in one.figures.items())
        of = "" if one.of_day is None else f" ({date_of(one.of_day)})"
        row = (date_of(one.day), _contract(one) + mark, one.why + of, lots)
        shown.add_row(*map(Text, row))
        previous = _contract(one)
    if console.is_terminal:
        console.print(shown)
    else:  # a line a day, for other programs
        Console(file=console.file, width=10_000).print(shown)


def _contract(one: RollDay) -> str:
    """Name a contract: where files say it themselves, it has a number only."""
    return one.symbol if root_of(one.symbol) is None else f"instrument {one.instrument_id}"
