"""``tapewire run``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tapewire.cli.options import (
    AllowTruncated,
    BatchRecords,
    Duplicates,
    End,
    Flags,
    Payload,
    Speed,
    Start,
    Symbols,
    Warmup,
    names_in,
    refuse_idle,
    time_in,
    whole_number,
)
from tapewire.cli.terminal import say
from tapewire.errors import ConfigError
from tapewire.runs.requests import Request, flags_value, speed_value, split_inputs

if TYPE_CHECKING:
    from tapewire.cli.live import LiveDisplay

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire run                                     the embedded example\n\n"
    "tapewire run config.yaml -o results/a            a configuration\n\n"
    "tapewire run day.mbo.dbn.zst -s market_maker     a file, default settings\n\n"
    "tapewire run config.yaml monday.dbn tuesday.dbn  a configuration, other files\n\n"
    "tapewire run config.yaml GLBX-20240105-AB12CD/   a batch download's folder\n\n"
    "tapewire run 'glbx-mdp3-{20240102..20240131}.mbo.dbn.zst'   a file a day\n\n"
    "tapewire run month.yaml --days apart --workers 8    days by themselves, eight at once\n\n"
    "tapewire run month.yaml --days apart --checkpoint -o month   keep days as they are done\n\n"
    "tapewire run month.yaml --days apart --resume -o month   go on where that was stopped\n\n"
    "tapewire run day.dbn.zst --flags maybe_bad_book=mark   wait where records were lost\n\n"
    "tapewire run --catalogue data --symbols ESH4 --start 2023-12-25   files of a folder\n\n"
    "tapewire run --from studies/a 17                 one trial of a study, by itself\n\n"
    "tapewire run config.yaml --connect tcp://127.0.0.1:5555   events from another terminal"
)


def run(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="CONFIG|FILES",
            help="A YAML configuration, market data (files, folders, patterns, "
            "{20240102..20240131}), or both: the data then replace those of the configuration.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Run folder; default runs/<time>-<name>.")
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "-s",
            "--strategy",
            help="Run this one (repeat for more): a name in the configuration, else a type.",
        ),
    ] = None,
    catalogue: Annotated[
        Path | None,
        typer.Option(
            "--catalogue",
            help="Take the files that --symbols, --start and --end need from this folder "
            "(tapewire data index).",
        ),
    ] = None,
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    warmup: Warmup = None,
    duplicates: Duplicates = None,
    allow_truncated: AllowTruncated = False,
    flags: Flags = None,
    speed: Speed = None,
    seed: Annotated[
        Any,
        typer.Option(
            "--seed", parser=whole_number, metavar="INTEGER", help="Seed of random draws."
        ),
    ] = None,
    transport: Annotated[
        str | None,
        typer.Option("--transport", help="auto (default), ipc, tcp or inproc (one process)."),
    ] = None,
    payload: Payload = None,
    batch_records: BatchRecords = None,
    cache: Annotated[
        bool | None,
        typer.Option(
            "--cache/--no-cache",
            help="Keep uncompressed copies of compressed inputs for later runs.",
            show_default=False,
        ),
    ] = None,
    days: Annotated[
        str | None,
        typer.Option(
            "--days",
            help="together (default), or apart: each by itself, begins anew, and ends with "
            "nothing open or held.",
            show_default=False,
        ),
    ] = None,
    day_end: Annotated[
        str | None,
        typer.Option(
            "--day-end",
            help="With --days apart, what is held at a day's end: flatten (default) or refuse.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        Any,
        typer.Option(
            "--workers",
            parser=whole_number,
            metavar="INTEGER",
            help="With --days apart: play so many days at a time, each in a process.",
        ),
    ] = None,
    checkpoint: Annotated[
        bool,
        typer.Option(
            "--checkpoint",
            help="With --days apart: keep each day as it is done, so that --resume can go on.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the run in the run folder that was stopped, and keep days, too.",
        ),
    ] = False,
    connect: Annotated[
        str | None,
        typer.Option("--connect", help="Take the events from `tapewire replay … --bind` there."),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option("--from", metavar="STUDY", help="Run one trial of this study: its number."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier run in the run folder.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option("--live", help="Show accounts, orders and warnings while it goes."),
    ] = False,
    metrics_port: Annotated[
        Any,
        typer.Option(
            "--metrics-port",
            parser=whole_number,
            metavar="PORT",
            help="Serve figures for Prometheus at http://127.0.0.1:PORT/metrics while it goes.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: the run, and its manifest.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Run strategies over market data and write a run folder with a report.

    Without arguments: both example strategies on a synthetic session.
    """
    if live and quiet:
        raise ConfigError("--live: expected without --quiet, found with it")
    if study is not None:
        refuse_idle("without --from: a trial has its study's", {
            "--strategy": strategy, "--catalogue": catalogue, "--symbols": symbols,
            "--start": start, "--end": end, "--warmup": warmup, "--duplicates": duplicates,
            "--allow-truncated": allow_truncated, "--flags": flags, "--speed": speed,
            "--seed": seed, "--transport": transport, "--payload": payload,
            "--batch-records": batch_records, "--cache/--no-cache": _told(cache), "--days": days,
            "--day-end": day_end, "--workers": workers, "--checkpoint": checkpoint,
            "--resume": resume, "--connect": connect, "--live": live,
            "--metrics-port": metrics_port,
        })  # fmt: skip
        _run_trial(study, inputs or [], output, force=force, as_json=as_json, quiet=quiet)
        return
    config_path, files = split_inputs(inputs or [])
    if catalogue is not None and (files or connect is not None):
        raise ConfigError("--catalogue: expected without FILES and --connect, found with them")
    request = Request(
        config=config_path,
        files=[str(path) for path in files],
        strategies=strategy or (),
        options={
            "symbols": names_in(symbols) or None,
            "start": time_in(start),
            "end": time_in(end),
            "warmup": warmup,
            "duplicates": duplicates,
            "allow_truncated": allow_truncated or None,
            "flags": flags_value(flags),
            "speed": speed_value(speed),
            "transport": transport,
            "payload": payload,
            "batch_records": batch_records,
            "cache": cache,
            "days": days,
            "day_end": day_end,
            "workers": workers,
            "seed": seed,
            "metrics_port": metrics_port,
        },
        connect=connect,
        catalogue=None if catalogue is None else str(catalogue),
    )
    config = request.checked(_as_option)
    if live and config.backtest.replay.days == "apart":
        raise ConfigError("--live: expected days together, found days apart (replay.days)")
    from tapewire.cli.display import Display, json_summary, summary
    from tapewire.runs.assembly import run_checked
    from tapewire.runs.hooks import Hooks

    with _live_display() if live else Display(quiet=quiet) as display:
        result = run_checked(
            config,
            name=request.name,
            output=output,
            force=force,
            connect=connect,
            checkpoint=checkpoint,
            resume=resume,
            hooks=Hooks(display.announce, display.progress, display.working),
        )
    text = json_summary(result) if as_json else summary(result)
    say(text, done=f"the run in {result.path} is complete")


def _run_trial(
    folder: Path,
    inputs: list[Path],
    output: Path | None,
    *,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run one trial of a study by itself; it has to come to what it came to there."""
    from tapewire.cli.display import Display, json_summary, summary
    from tapewire.runs.assembly import run_checked
    from tapewire.runs.hooks import Hooks
    from tapewire.studies.study import Study

    if len(inputs) != 1 or not str(inputs[0]).isdecimal():
        found = " ".join(map(str, inputs)) or "nothing"
        raise ConfigError(f"--from: expected the number of a trial and no more, found {found}")
    number, trials = int(str(inputs[0])), Study(folder)
    config = trials.config(number)
    with Display(quiet=quiet) as display:
        result = run_checked(
            config, name=f"{folder.name}-{number}", output=output, force=force,
            hooks=Hooks(display.announce, display.progress, display.working),
        )  # fmt: skip
    text = json_summary(result) if as_json else summary(result)
    say(text, done=f"the run in {result.path} is complete")
    trials.require_same(number, result.manifest["digests"])


def _told(value: bool | None) -> str | None:
    """Return whether a choice between two was made at all."""
    return None if value is None else str(value)


def _live_display() -> "LiveDisplay":
    from tapewire.cli.live import LiveDisplay

    return LiveDisplay()


def _as_option(name: str) -> str:
    """Write what a run is asked for as it is typed here."""
    typed = {"files": "FILES", "strategies": "--strategy"}
    return typed.get(name, f"--{name.replace('_', '-')}")
