"""``tapewire factory test``, ``list``, ``show``, ``export``, ``evolve``: strategies of a store."""

from pathlib import Path
from typing import Annotated

import typer

from tapewire.cli.factory_options import (
    AsJson,
    DatasetName,
    Faults,
    Force,
    Guards,
    Interval,
    Jobs,
    MaybeBars,
    Session,
    Settings,
    StoreUrl,
    Symbol,
    Tick,
    bars_of,
)
from tapewire.cli.options import refuse_idle
from tapewire.cli.remote import AtServer, bars_there, refuse_here

Keys = Annotated[
    list[str] | None,
    typer.Argument(metavar="IDS", help="Ids, names or the first letters of hashes."),
]
Key = Annotated[
    str, typer.Argument(metavar="ID", help="An id, a name or the first letters of a hash.")
]
Where = Annotated[
    str | None,
    typer.Option(
        "--where", metavar="CONDITIONS", show_default=False,
        help="Only those of which this is true: trades > 100 and sharpe >= 1.",
    ),
]  # fmt: skip
GenerationId = Annotated[int, typer.Argument(metavar="GENERATION", help="Its number.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command, example in (
        ("test", try_, "test --where 'sharpe > 1' -d bars.parquet"),
        ("list", list_, "list --sort sharpe --where 'trades > 100' --limit 10"),
        ("show", show, "show 12"),
        ("export", export, "export 12 --as python -o strategy.py"),
        ("evolve", evolve, "evolve 3 --generations 20"),
        ("report", report, "report 3 -o generation.html"),
    ):
        epilog = f"[bold]Example[/bold]\n\ntapewire factory {example}"
        app.command(name, epilog=epilog)(command)


def try_(
    keys: Keys = None,
    data: MaybeBars = None,
    every: Annotated[bool, typer.Option("--all", help="All that the store has.")] = False,
    where: Where = None,
    generation: Annotated[
        int | None,
        typer.Option(
            "--generation",
            metavar="ID",
            show_default=False,
            help="Judge the best of a search, on its bars.",
        ),
    ] = None,
    holdout: Annotated[
        bool, typer.Option("--holdout", help="Open the bars that no search saw: once, and noted.")
    ] = False,
    why: Annotated[str, typer.Option("--why", help="Noted with --holdout.")] = "",
    guards: Guards = None,
    force: Annotated[
        bool, typer.Option("--force", help="Open the holdout although it was opened.")
    ] = False,
    store: StoreUrl = None,
    settings: Settings = None,
    symbol: Symbol = None,
    interval: Interval = "1m",
    tick_size: Tick = None,
    faults: Faults = "error",
    session: Session = None,
    dataset: DatasetName = None,
    jobs: Jobs = None,
    server: AtServer = None,
    as_json: AsJson = False,
) -> None:
    """Trade stored strategies on bars, or judge the best of a search; what comes of it is kept."""
    from rich.console import Console

    from tapewire.cli.factory_display import say_judged, say_tried
    from tapewire.cli.factory_remote import judge_there, try_there
    from tapewire.errors import ConfigError
    from tapewire.factory.judging import judge_generation
    from tapewire.factory.trying import try_strategies

    if sum((bool(keys), every, where is not None, generation is not None)) != 1:
        raise ConfigError("expected one of: IDS, --all, --where or --generation")
    if server is not None:
        refuse_here(server, jobs=jobs)
    if generation is not None:
        refuse_idle("without --generation: a search has its own", {
            "--set": settings or None, "--symbol": symbol, "--session": session,
            "--interval": None if interval == "1m" else interval, "--tick-size": tick_size,
            "--faults": None if faults == "error" else faults, "--dataset": dataset,
        })  # fmt: skip
        if server is not None:
            judged = judge_there(
                server, generation, holdout=holdout, why=why, guards=guards, force=force,
                data=None if data is None else str(data),
            )  # fmt: skip
        else:
            judged = judge_generation(
                generation, holdout=holdout, why=why, store=store, data=data, guards=guards,
                jobs=jobs, force=force,
            )  # fmt: skip
        say_judged(judged, Console(), as_json=as_json)
        return
    if data is None:
        raise ConfigError("expected bars (-d FILE), found none")
    if guards:
        raise ConfigError("--guard: expected with --generation only")
    if server is not None:
        there = bars_there(data, symbol, interval, tick_size, faults, session, dataset)
        table = try_there(
            server, there, keys or [], where=where, every=every, assumptions=settings,
            holdout=holdout, why=why, force=force,
        )  # fmt: skip
    else:
        bars = bars_of(data, symbol, interval, tick_size, faults, session, dataset)
        table = try_strategies(
            bars, keys or (), where="" if every else where, assumptions=settings or (),
            store=store, jobs=jobs, holdout=holdout, why=why, force=force,
        )  # fmt: skip
    say_tried(table, Console(), as_json=as_json)


def list_(
    sort: Annotated[
        str, typer.Option("--sort", help="sharpe, return, drawdown, trades, id or name.")
    ] = "sharpe",
    ascending: Annotated[bool, typer.Option("--ascending", help="The least first.")] = False,
    where: Where = None,
    kind: Annotated[
        str, typer.Option("--kind", help="Of results: search, test or holdout.")
    ] = "search",
    after: Annotated[
        str | None, typer.Option("--after", help="Where the page before ended.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="Rows.")] = 20,
    store: StoreUrl = None,
    server: AtServer = None,
    as_json: AsJson = False,
) -> None:
    """List stored strategies, page by page."""
    from rich.console import Console

    from tapewire.cli.factory_display import say_list
    from tapewire.cli.factory_remote import list_there
    from tapewire.factory.looking import list_strategies

    if server is not None:
        listed = list_there(
            server, sort=sort, ascending=ascending, where=where, kind=kind, page_token=after,
            page_size=limit,
        )  # fmt: skip
    else:
        listed = list_strategies(
            sort, ascending=ascending, where=where or "", kind=kind, after=after, limit=limit,
            store=store,
        )  # fmt: skip
    say_list(listed, Console(), as_json=as_json)


def show(
    key: Key, store: StoreUrl = None, server: AtServer = None, as_json: AsJson = False
) -> None:
    """Show a strategy: its rules in words, its results, which checks it failed."""
    from rich.console import Console

    from tapewire.cli.factory_display import say_strategy
    from tapewire.cli.factory_remote import show_there
    from tapewire.factory.looking import show_strategy

    found = show_there(server, key) if server is not None else show_strategy(key, store=store)
    say_strategy(found, Console(), as_json=as_json)


def export(
    key: Key,
    form: Annotated[
        str, typer.Option("--as", help="json, candles, python, compiled or text.")
    ] = "json",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file; default: print it.")
    ] = None,
    session: Session = None,
    store: StoreUrl = None,
    server: AtServer = None,
    force: Force = False,
) -> None:
    """Write a strategy as JSON, as code of one of three kinds, or as text."""
    from tapewire.cli.factory_remote import export_there
    from tapewire.factory.looking import exported, publish_text, require_free

    if output is not None:
        require_free(output, force=force)
    if server is not None:
        text = export_there(server, key, form, session)
    else:
        text = exported(key, form, session=session, store=store)
    if output is None:
        print(text, end="")
        return
    publish_text(output, text, force=force)
    print(f"written to {output}")


def evolve(
    generation: GenerationId,
    more: Annotated[
        int, typer.Option("--generations", min=0, help="So many more, of a genetic search.")
    ] = 0,
    data: Annotated[
        Path | None,
        typer.Option("-d", "--data", metavar="FILE", help="Its bars; default: where they were."),
    ] = None,
    store: StoreUrl = None,
    jobs: Jobs = None,
    server: AtServer = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although the holdout was opened for it.")
    ] = False,
    judges: Annotated[
        bool, typer.Option("--judge/--no-judge", help="Hold the best against the guards.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Go on with a search that was stopped or killed, as if it had not been; or for longer."""
    from rich.console import Console

    from tapewire.cli.factory_display import say_generation
    from tapewire.cli.factory_remote import evolve_there
    from tapewire.factory.searching import evolve as go_on

    if server is not None:
        refuse_here(server, jobs=jobs)
        result = evolve_there(
            server, generation, generations=more, force=force, judges=judges,
            data="" if data is None else str(data),
        )  # fmt: skip
    else:
        result = go_on(
            generation, store=store, data=data, generations=more, jobs=jobs, force=force,
            judges=judges,
        )  # fmt: skip
    say_generation(result, Console(), as_json=as_json)


def report(
    generation: GenerationId,
    output: Annotated[Path, typer.Option("-o", "--output", help="An .html file.")],
    store: StoreUrl = None,
    force: Force = False,
) -> None:
    """Write the page of a search: fitness, diversity, holdout against search, verdicts."""
    from tapewire.factory.reporting import report_generation

    report_generation(generation, output, store=store, force=force)
    print(f"written to {output}")
