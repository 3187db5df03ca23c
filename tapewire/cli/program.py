"""The program: its verbs, and what its end says. Imports are lazy: ``--help`` loads no compiler."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final, NoReturn

import typer

from tapewire.cli import (
    bench,
    bridge,
    bundle,
    candles,
    compare,
    data,
    doctor,
    explain,
    factory,
    features,
    jobs,
    keys,
    live_run,
    montecarlo,
    new,
    optimize,
    rails,
    reconcile,
    replay,
    report,
    run,
    runs,
    serve,
    store,
    sweep,
    validate,
    walkforward,
)
from tapewire.cli.terminal import drop_output, prepare_streams
from tapewire.errors import ConfigError, InterruptedRunError, StrategyError, TapewireError

#: Exit code of what is a bug of ours.
EXIT_BUG: Final = 70

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
app.command(epilog=run.EXAMPLES)(run.run)
app.command(epilog=sweep.EXAMPLES)(sweep.sweep)
app.command(epilog=optimize.EXAMPLES)(optimize.optimize)
app.command(epilog=walkforward.EXAMPLES)(walkforward.walkforward)
app.command(epilog=montecarlo.EXAMPLES)(montecarlo.montecarlo)
app.command(epilog=runs.EXAMPLES)(runs.runs)
app.command(epilog=report.EXAMPLES)(report.report)
app.command(epilog=compare.EXAMPLES)(compare.compare)
app.command(epilog=reconcile.EXAMPLES)(reconcile.reconcile)
app.command(epilog=replay.EXAMPLES)(replay.replay)
app.command(epilog=live_run.EXAMPLES)(live_run.live)
app.command(epilog=explain.EXAMPLES)(explain.explain)
app.command(epilog=bundle.EXAMPLES)(bundle.bundle)
app.command(epilog=bundle.VERIFY_EXAMPLES)(bundle.verify)
app.command(epilog=features.EXAMPLES)(features.features)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.command(epilog=bench.EXAMPLES)(bench.bench)
app.command(epilog=serve.SERVE_EXAMPLES)(serve.serve)
app.command(epilog=serve.WORKER_EXAMPLES)(serve.worker)
app.command(epilog=serve.LOGIN_EXAMPLES)(serve.login)
app.command()(serve.logout)
app.add_typer(data.app)
app.add_typer(bridge.app)
app.add_typer(keys.app)
app.add_typer(rails.app)
app.add_typer(candles.app)
app.add_typer(factory.app)
app.add_typer(jobs.app)
app.add_typer(store.app)
app.add_typer(new.app)
app.add_typer(validate.app)


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
        if code == InterruptedRunError.exit_code:  # typer's answer to Ctrl-C, which says nothing
            raise KeyboardInterrupt
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
        if isinstance(error, StrategyError):
            return _say_whole(str(error), error.exit_code)
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


def _say_whole(message: str, code: int) -> int:
    """Print every line on standard error as it is: a strategy's traceback is its author's."""
    print("\n".join(f"error: {message}".splitlines()), file=sys.stderr, flush=True)
    return code
