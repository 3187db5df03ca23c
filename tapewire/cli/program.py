"""The command line. Imports are lazy: ``tapewire --help`` must not load a compiler."""

import os
import re
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from tapewire.cli.terminal import drop_output, prepare_streams, say
from tapewire.errors import ConfigError, InterruptedRunError, TapewireError
from tapewire.runs.requests import Request, speed_value, split_inputs, split_names

#: Exit code of what is a bug of ours.
EXIT_BUG: Final = 70


class BookRows(StrEnum):
    """After what ``data book`` writes a row."""

    RECORD = "record"
    EVENT = "event"


class BenchSection(StrEnum):
    """Sections of ``bench``."""

    STAGES = "stages"
    RUNS = "runs"
    VARIANTS = "variants"
    TRANSPORT = "transport"
    GROWTH = "growth"
    LATENCY = "latency"
    START = "start"
    RIVALS = "rivals"


app = typer.Typer(
    name="tapewire",
    help="Replay Databento market-by-order files through trading strategies.\n\n"
    "Start with [bold]tapewire run[/bold]: it needs nothing and shows everything.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(
    name="data",
    help="Look into market data files, make synthetic ones, prepare some, write out books.",
    no_args_is_help=True,
)
app.add_typer(data_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tapewire {version('tapewire')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks (also TAPEWIRE_DEBUG=1).")
    ] = False,
) -> None:
    if debug:
        os.environ["TAPEWIRE_DEBUG"] = "1"


def _split_names(values: list[str] | None) -> list[str]:
    """``--symbols ESH4,ESM4 --symbols NQH4`` → three names."""
    return [name for value in values or () for name in split_names(value)]


def _as_option(name: str) -> str:
    """Write what a run is asked for as it is typed here."""
    typed = {"files": "FILES", "strategies": "--strategy"}
    return typed.get(name, f"--{name.replace('_', '-')}")


def _whole_number(text: str) -> int | str:
    """Return the number; other text as it is, for the configuration to refuse with all else."""
    return int(text) if re.fullmatch(r"[-+]?\d{1,40}", text) else text


Symbols = Annotated[
    list[str] | None, typer.Option("--symbols", help="Only these, comma-separated.")
]
Start = Annotated[
    str | None, typer.Option("--start", help="Begin at this ts_recv: ISO 8601 (UTC) or ns.")
]
Warmup = Annotated[
    str | None,
    typer.Option(
        "--warmup",
        help="What builds the books before --start: full (default), snapshot (from each book's "
        "last one on) or none.",
        show_default=False,
    ),
]
End = Annotated[str | None, typer.Option("--end", help="Before this ts_recv.")]
Speed = Annotated[
    str | None, typer.Option("--speed", help="max, realtime, or a multiple of real time like 10.")
]
Payload = Annotated[str | None, typer.Option("--payload", help="auto, shared (memory) or inline.")]
BatchRecords = Annotated[
    Any,
    typer.Option(
        "--batch-records",
        parser=_whole_number,
        metavar="INTEGER",
        help="Records per batch, 1 to 65536.",
    ),
]


@app.command(
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire run                                     the embedded example\n\n"
    "tapewire run config.yaml -o results/a            a configuration\n\n"
    "tapewire run day.mbo.dbn.zst -s market_maker     a file, default settings\n\n"
    "tapewire run config.yaml monday.dbn tuesday.dbn  a configuration, other files\n\n"
    "tapewire run config.yaml --connect tcp://127.0.0.1:5555   events from another terminal"
)
def run(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="CONFIG|FILES",
            help="A YAML configuration, market data files (.dbn, .dbn.zst), or both: the files "
            "then replace those of the configuration.",
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
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    warmup: Warmup = None,
    speed: Speed = None,
    seed: Annotated[
        Any,
        typer.Option(
            "--seed", parser=_whole_number, metavar="INTEGER", help="Seed of random draws."
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
    connect: Annotated[
        str | None,
        typer.Option("--connect", help="Take the events from `tapewire replay … --bind` there."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier run in the run folder.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Run strategies over market data and write a run folder with a report.

    Without arguments: both example strategies on a synthetic session.
    """
    config_path, files = split_inputs(inputs or [])
    request = Request(
        config=config_path,
        files=[str(path) for path in files],
        strategies=strategy or (),
        options={
            "symbols": _split_names(symbols) or None,
            "start": _time(start),
            "end": _time(end),
            "warmup": warmup,
            "speed": speed_value(speed),
            "transport": transport,
            "payload": payload,
            "batch_records": batch_records,
            "cache": cache,
            "seed": seed,
        },
        connect=connect,
    )
    config = request.checked(_as_option)
    from tapewire.cli.display import Display, summary
    from tapewire.runs.assembly import Hooks, run_checked

    with Display(quiet=quiet) as display:
        result = run_checked(
            config,
            name=request.name,
            output=output,
            force=force,
            connect=connect,
            hooks=Hooks(display.announce, display.progress, display.working),
        )
    say(summary(result), done=f"the run in {result.path} is complete")


def _time(text: str | None) -> str | int | None:
    return int(text) if text is not None and re.fullmatch(r"\d{5,40}", text) else text


@app.command(
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire replay day.mbo.dbn.zst --bind tcp://127.0.0.1:5555\n\n"
    "tapewire run config.yaml --connect tcp://127.0.0.1:5555     (in another terminal)"
)
def replay(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Merged by ts_recv.", show_default=False),
    ],
    bind: Annotated[
        str,
        typer.Option(
            "--bind", help="Where to listen: tcp://127.0.0.1:PORT or ipc:///private/folder/name."
        ),
    ],
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    warmup: Warmup = None,
    speed: Speed = None,
    payload: Payload = None,
    batch_records: BatchRecords = None,
    receivers: Annotated[
        int, typer.Option("--receivers", help="Begin when so many runs have connected.")
    ] = 1,
) -> None:
    """Publish market data files for a run in another terminal.

    Ends when every receiver has everything.
    """
    from tapewire.cli.foreground import replay_files

    given = {
        "symbols": _split_names(symbols) or None,
        "start": _time(start),
        "end": _time(end),
        "warmup": warmup,
        "speed": speed_value(speed),
        "payload": payload,
        "batch_records": batch_records,
    }
    replay_files([str(f) for f in files], bind, given, receivers)


DataFile = Annotated[Path, typer.Argument(metavar="FILE", help="A .dbn or .dbn.zst of schema mbo.")]


@data_app.command("inspect", epilog="[bold]Example[/bold]\n\ntapewire data inspect day.mbo.dbn.zst")
def data_inspect(
    file: DataFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read a whole market data file and say what is in it."""
    from rich.console import Console

    from tapewire.inputs.commands import inspect_file

    inspect_file(file, as_json=as_json, console=Console())


@data_app.command(
    "synth",
    epilog="[bold]Example[/bold]\n\n"
    "tapewire data synth -o day.mbo.dbn.zst --events 1000000 --instruments 2 --seed 7",
)
def data_synth(
    output: Annotated[Path, typer.Option("-o", "--output", help="A .dbn or .dbn.zst file.")],
    events: Annotated[int, typer.Option("--events", help="Records to make.")] = 2_000_000,
    instruments: Annotated[
        int, typer.Option("--instruments", help="Books to spread them over.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same file.")] = 0,
) -> None:
    """Make a synthetic session as a real DBN file."""
    from rich.console import Console

    from tapewire.inputs.commands import synth_file

    synth_file(output, events=events, instruments=instruments, seed=seed, console=Console())


@data_app.command(
    "convert",
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire data convert day.mbo.dbn.zst -o day.mbo.dbn\n\n"
    "tapewire data convert monday.dbn.zst tuesday.dbn.zst --symbols ESH4 -o esh4.mbo.dbn",
)
def data_convert(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Merged by ts_recv.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .dbn file (.dbn.zst compresses again).")
    ],
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    warmup: Warmup = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prepare market data files for replay: one plain DBN file, which needs no decompression.

    It replays to the same digest. Databento's client reads it. With --start it begins with a
    snapshot of the books as they stood then.
    """
    from rich.console import Console

    from tapewire.inputs.commands import convert_files

    convert_files(
        files,
        output,
        symbols=_split_names(symbols),
        start=_time(start),
        end=_time(end),
        warmup=warmup,
        force=force,
        as_json=as_json,
        console=Console(),
    )


@data_app.command(
    "book",
    epilog="[bold]Example[/bold]\n\n"
    "tapewire data book day.mbo.dbn.zst --symbol ESH4 --depth 10 -o book.parquet",
)
def data_book(
    file: DataFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="The Parquet file.")],
    symbol: Annotated[str | None, typer.Option("--symbol", help="Only this one.")] = None,
    depth: Annotated[int, typer.Option("--depth", help="Levels per side.")] = 10,
    every: Annotated[
        BookRows, typer.Option("--every", help="After every record, or every whole event (F_LAST).")
    ] = BookRows.RECORD,
) -> None:
    """Write the book after every record, in Databento's mbp-10 column names."""
    from rich.console import Console

    from tapewire.inputs.commands import write_book

    write_book(
        file,
        output,
        symbol=symbol,
        depth=depth,
        every="event" if every is BookRows.EVENT else "record",
        console=Console(),
    )


@app.command(
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire bench                                  everything but rivals, about ten minutes\n\n"
    "tapewire bench --quick                          under two minutes\n\n"
    "tapewire bench --only stages --only transport   some of it\n\n"
    "tapewire bench --rivals --write BENCHMARKS.md   everything, into the document"
)
def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="A shorter session, fewer sizes, no cold start.")
    ] = False,
    only: Annotated[
        list[BenchSection] | None,
        typer.Option("--only", help="Only this section (repeat for more)."),
    ] = None,
    with_rivals: Annotated[
        bool,
        typer.Option(
            "--rivals",
            help="Measure hftbacktest, NautilusTrader and Databento's client as well; "
            "the first time installs them, apart, about 2 GB.",
        ),
    ] = False,
    events: Annotated[
        int | None,
        typer.Option("--events", help="Records of the session; default 5 million, quick 1."),
    ] = None,
    runs: Annotated[
        int | None, typer.Option("--runs", help="Counted runs per row; default 5, quick 2.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the session.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; what goes on, to standard error.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option("--write", help="Put the tables into this Markdown file, between its marks."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Compare stage ratios to the stored ones; exit code 1 if one slipped."
        ),
    ] = False,
    save_baseline: Annotated[
        bool, typer.Option("--save-baseline", help="Store the stage ratios of this machine class.")
    ] = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Another file of stage ratios.")
    ] = None,
) -> None:
    """Measure the machine's limits, each stage, whole runs, growth, latency and starts."""
    from tapewire.bench import run_bench

    def tell(line: str) -> None:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    result = run_bench(
        events=events,
        runs=runs,
        seed=seed,
        quick=quick,
        only=[section.value for section in only or ()],
        with_rivals=with_rivals,
        tell=tell,
        as_json=as_json,
        write=write,
        save_baseline=save_baseline,
        check=check,
        baseline=baseline,
    )
    if result.slips:
        raise typer.Exit(1)


def main() -> NoReturn:
    """Run the command line; every way out is an exit code and a line, or one per problem."""
    sys.exit(_exit_code())


def _exit_code() -> int:
    prepare_streams()
    # The base of typer's own errors (usage, bad parameters), whichever click it brings along.
    usage_error: Any = typer.BadParameter.__mro__[2]
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except usage_error as error:
        return _say(error.format_message(), error.exit_code)
    except typer.Abort:
        return _say("stopped", InterruptedRunError.exit_code)
    except KeyboardInterrupt:
        return _say("stopped by Ctrl-C", InterruptedRunError.exit_code)
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        drop_output()
        return 1
    except TapewireError as error:
        if _debug():
            raise
        problems = error.problems if isinstance(error, ConfigError) else ()
        message = str(error).split("\n", 1)[0] if problems else str(error)
        return _say(message, error.exit_code, problems)
    except Exception as error:
        if _debug():
            raise
        what = f"{type(error).__name__}: {error}"
        return _say(
            f"this is a bug in Tapewire: {what}; please report it with the output of the same "
            "command under TAPEWIRE_DEBUG=1",
            EXIT_BUG,
        )


def _debug() -> bool:
    return os.environ.get("TAPEWIRE_DEBUG", "") not in ("", "0")


def _say(message: str, code: int, problems: Sequence[str] = ()) -> int:
    """Print a line on standard error, whatever the message holds, and one per problem."""
    lines = [" ".join(text.split()) for text in (message, *problems)]
    print("\n  ".join([f"error: {lines[0]}", *lines[1:]]), file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    main()
