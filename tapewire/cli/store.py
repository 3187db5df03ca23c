"""``tapewire store …``: the database of strategies and results, looked after."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tapewire.cli import store_keys
from tapewire.cli.store_options import DEFAULT, StoreUrl

app = typer.Typer(
    name="store",
    help="Look after the database of strategies and results: back it up, restore, migrate, check.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(store_keys.app)
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


@app.command(
    epilog="[bold]Examples[/bold]\n\ntapewire store backup monday.backup\n\n"
    "tapewire store backup monday.backup --store postgresql://me@host/strategies"
)
def backup(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="The backup, one file.")],
    store: StoreUrl = DEFAULT,
    force: _Force = False,
    as_json: _AsJson = False,
) -> None:
    """Write all of a store into one file, while others use it."""
    from tapewire.inputs.candle_outputs import stoppable
    from tapewire.store import Store
    from tapewire.store.backups import back_up

    with stoppable(), Store.open(store, create=False) as opened, _shown("backing up") as progress:
        size = back_up(opened, output, force=force, progress=progress)
        url = opened.url
    _say(
        {"store": url, "backup": str(output), "bytes": size},
        f"{url} is backed up in {output}: {size / 1e6:,.1f} MB",
        as_json=as_json,
    )


@app.command(
    epilog="[bold]Examples[/bold]\n\ntapewire store restore monday.backup --store again.db\n\n"
    "tapewire store restore monday.backup --force"
)
def restore(
    backup: Annotated[Path, typer.Argument(metavar="FILE", help="Of tapewire store backup.")],
    store: StoreUrl = DEFAULT,
    force: _Force = False,
    as_json: _AsJson = False,
) -> None:
    """Fill an empty store from a backup; with --force one whose content may go."""
    from tapewire.inputs.candle_outputs import stoppable
    from tapewire.store.backups import restore as restored

    with stoppable(), _shown("restoring") as progress:
        url = restored(store, backup, force=force, progress=progress)
    _say({"store": url, "backup": str(backup)}, f"{url} is as in {backup}", as_json=as_json)


@app.command(
    epilog="[bold]Examples[/bold]\n\ntapewire store migrate\n\n"
    "tapewire store migrate --to 0001      for an older Tapewire"
)
def migrate(
    store: StoreUrl = DEFAULT,
    to: Annotated[
        str, typer.Option("--to", metavar="VERSION", help="Of the tables; or head, the newest.")
    ] = "head",
    force: Annotated[
        bool, typer.Option("--force", help="Go down, and lose the tables that are newer.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """Bring the tables to the version that this Tapewire works with; back the store up first."""
    from tapewire.errors import ConfigError
    from tapewire.inputs.candle_outputs import stoppable
    from tapewire.store import Store
    from tapewire.store.migrating import version_of

    with stoppable(), Store.unchecked(store) as opened:
        with opened.reading("look at its tables") as connection:
            found = version_of(connection, opened.url)
        if to != "head" and found is not None and (to == "base" or to < found) and not force:
            raise ConfigError(
                f"--to {to}: the way down from {found} loses tables; --force to go it"
            )
        was, now = opened.migrate(to)
        url = opened.url
    text = (
        f"{url}: tables of version {now}, as they were"
        if was == now
        else (f"{url}: tables of version {now}, from {was or 'none'}")
    )
    _say({"store": url, "from": was, "to": now}, text, as_json=as_json)


@app.command(epilog="[bold]Example[/bold]\n\ntapewire store check --store tapewire.db")
def check(store: StoreUrl = DEFAULT, as_json: _AsJson = False) -> None:
    """Look whether file, tables and counts are sound; the exit code is 1 where they are not."""
    from tapewire.inputs.candle_outputs import stoppable
    from tapewire.store import Store
    from tapewire.store.checking import check_store

    with stoppable(), Store.open(store, create=False) as opened, _shown("checking") as progress:
        steps = iter(range(1_000))
        found = check_store(opened, lambda _what: progress(next(steps), 0))
    rows = [f"  {name:<18} {count:>12,}" for name, count in found.rows.items() if count]
    verdict = [f"  FAULT {one}" for one in found.faults] or ["  sound"]
    head = f"{found.url}: tables of version {found.version}"
    _say(asdict(found), "\n".join([head, *rows, *verdict]), as_json=as_json)
    if found.faults:
        raise typer.Exit(1)


@contextmanager
def _shown(what: str) -> Iterator[Any]:
    """Show how far it is, once that takes a while."""
    from tapewire.inputs.telling import Steps

    with Steps(what, None) as steps:
        yield lambda done, _total: steps(done)


def _say(found: dict[str, Any], text: str, *, as_json: bool) -> None:
    print(json.dumps(found, ensure_ascii=False) if as_json else text, file=sys.stdout)
