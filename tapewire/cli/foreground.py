"""``tapewire replay``: the publishing process, started by hand, in the foreground."""

import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from tapewire.config.data_files import expand_source
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import DATA_SOURCES, Backtest, DatabentoSource
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError, InterruptedRunError
from tapewire.inputs.batch_folder import check_downloads
from tapewire.inputs.rolls import with_rolls
from tapewire.inputs.same_data import require_different
from tapewire.inputs.telling import Steps
from tapewire.processes.signals import interruptible
from tapewire.processes.transports import replay_plan

RECEIVERS_MAX: Final = 64
_REPLAY_KEYS: Final = ("speed", "payload", "batch_records")


#: What the command line calls them.
OPTIONS: Final[dict[KeyPath, str]] = {
    **{
        ("data_source", key): f"--{key.replace('_', '-')}"
        for key in (
            "symbols",
            "start",
            "end",
            "warmup",
            "duplicates",
            "allow_truncated",
        )
    },
    **{("replay", key): f"--{key.replace('_', '-')}" for key in _REPLAY_KEYS},
}


def replay_files(
    files: Sequence[str], bind: str, options: Mapping[str, Any], receivers: int = 1
) -> None:
    """Publish files at an address until every receiver has everything.

    Parameters
    ----------
    files, bind
        What to replay, and where to listen.
    options
        Keys of ``backtest.data_source`` and ``backtest.replay`` that are not None.
    receivers
        How many to wait for.

    Raises
    ------
    TapewireError
        A file, option or address can't be used, a receiver is lost, or the user stopped it.
    """
    if not 1 <= receivers <= RECEIVERS_MAX:
        raise ConfigError(f"--receivers: expected 1 to {RECEIVERS_MAX}, found {receivers}")
    given = {key: value for key, value in options.items() if value is not None}
    replay = {key: given.pop(key) for key in _REPLAY_KEYS if key in given}
    named, notes = expand_source({"files": files})
    content = {"data_source": {"type": "databento", **named, **given}}
    try:
        backtest = Backtest.model_validate({**content, "replay": replay})
    except ValidationError as error:
        problems = Problems(Places("command line", typed=OPTIONS))
        problems.add_validation(error, Backtest, DATA_SOURCES)
        problems.raise_if_any()
    assert isinstance(backtest.data_source, DatabentoSource)
    plan = replay_plan(backtest.data_source, backtest.replay)
    with interruptible() as signals:
        try:
            plan, rolls = with_rolls(plan, backtest.data_source, Steps)
        except InterruptedRunError:
            raise signals.error() from None
    for note in [*notes, *(rolls.warnings() if rolls is not None else ())]:
        print(f"note: {note}", file=sys.stderr, flush=True)
    _serve(plan, bind, receivers)


def _serve(plan: Any, bind: str, receivers: int) -> None:
    from tapewire.replay import serve

    stop = threading.Event()

    def ready(endpoint: str) -> None:
        print(
            f"listening at {endpoint} for {receivers} "
            f"{'run' if receivers == 1 else 'runs'}: tapewire run CONFIG --connect {endpoint}",
            file=sys.stderr,
            flush=True,
        )

    with interruptible() as signals:
        try:
            require_different(
                plan.files,
                allow_copies=plan.duplicates == "drop",
                allow_truncated=plan.allow_truncated,
            )
            for note in check_downloads(plan.files, allow_truncated=plan.allow_truncated):
                print(f"note: {note}", file=sys.stderr, flush=True)
            totals = serve(plan, bind, receivers=receivers, stop=stop, ready=ready)
        except InterruptedRunError:
            raise signals.error() from None
    print(f"{totals.events:,} events in {totals.batches:,} batches, digest {totals.digest}")
