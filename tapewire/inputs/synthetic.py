"""Synthetic files: one that a run needs, made once and kept in the cache, or one to keep."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tapewire.atomic import output_errors
from tapewire.config.schema import SyntheticSource
from tapewire.errors import OutputError
from tapewire.inputs.cache_folder import cache_dir

if TYPE_CHECKING:
    from rich.console import Console

    from tapewire.replay.synth import SynthSummary

EVENTS_DEFAULT: Final = 2_000_000
#: Synthetic files nobody has used for so long are removed when another one is made.
UNUSED_AFTER_S: Final = 30 * 86_400


def synthetic_file(
    source: SyntheticSource, announce: Callable[[str], None] = lambda text: None
) -> Path:
    """Return the ``.dbn.zst`` file of a synthetic source, making it where it is missing.

    The name holds a hash of the generator's source, so another version never reuses its files.

    Raises
    ------
    OutputError
        If the cache can't be written.
    """
    from tapewire import replay
    from tapewire.compiled.private_folders import NotPrivateError, private_folder

    folder = cache_dir() / "sessions"
    try:
        folder = private_folder(folder)
    except (NotPrivateError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise OutputError(
            f"{folder}: expected a folder to keep the synthetic session in, can't be used: {why}; "
            "set TAPEWIRE_CACHE_DIR to another one"
        ) from None
    generator = hashlib.sha256()
    for source_file in sorted(Path(replay.__file__).parent.glob("*synth*.py")):
        generator.update(source_file.read_bytes())
    path = folder / (
        f"synthetic-{generator.hexdigest()[:12]}-{source.events}x{source.instruments}"
        f"-seed{source.seed}.dbn.zst"
    )
    if path.is_file():
        with suppress(OSError):
            os.utime(path)  # in use: see _remove_unused
        return path
    _remove_unused(folder)
    announce(f"making a synthetic session of {source.events:,} events, first run only …")
    from tapewire.replay.synth import synthesize

    # Under a name of this process first: another run may be making the same file.
    own = path.with_name(path.name.replace(".dbn.zst", f".{os.getpid()}.dbn.zst"))
    synthesize(own, events=source.events, instruments=source.instruments, seed=source.seed)
    with output_errors(path, "keep"):
        own.replace(path)
    return path


def _remove_unused(folder: Path) -> None:
    for path in [*folder.glob("synthetic-*"), *folder.glob(".synthetic-*.tmp")]:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > UNUSED_AFTER_S:
                path.unlink()


def synth_file(
    output: str | os.PathLike[str],
    *,
    events: int,
    instruments: int = 1,
    seed: int = 0,
    as_json: bool = False,
    console: "Console | None" = None,
) -> "SynthSummary":
    """Write a synthetic file (`tapewire.replay.synth.synthesize`) and say what is in it.

    As JSON (`as_json`) it has the keys of `tapewire.inputs.markets.market_file`, as far as there
    is something to say, and the file's name in ``files``.

    Raises
    ------
    ConfigError
        If an argument is out of range or the name ends in neither ``.dbn`` nor ``.dbn.zst``.
    OutputError
        If the file can't be written.
    InterruptedRunError
        If the user stopped it; what was there before is untouched.
    """
    from tapewire.inputs.telling import Steps, iso, tell
    from tapewire.processes.signals import interruptible
    from tapewire.replay.synth import synthesize

    with interruptible(), Steps("making records", events) as steps:
        summary = synthesize(
            output, events=events, instruments=instruments, seed=seed, on_progress=steps
        )
    if as_json:
        facts = asdict(summary)
        facts["files"] = [str(facts.pop("path"))]
        if console is not None:
            console.out(json.dumps(facts, indent=2), highlight=False)
        return summary
    mix = "  ".join(f"{a} {n / events:.1%}" for a, n in summary.actions.items())
    first, last = summary.symbols[0], summary.symbols[-1]
    tell(
        console,
        f"{summary.path}: {events:,} records, {summary.file_bytes:,} bytes, "
        f"{first if first == last else f'{first} to {last}'}, seed {seed}, "
        f"{iso(summary.start_ns)} to {iso(summary.end_ns)}, {mix}",
    )
    return summary
