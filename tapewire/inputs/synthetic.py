"""The made-up session behind ``data_source: {type: synthetic}``: made once, kept in the cache."""

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tapewire.atomic import output_errors
from tapewire.config.schema import SyntheticSource
from tapewire.errors import OutputError

#: Sessions nobody has used for so long are removed when another one is made.
UNUSED_AFTER_S: Final = 30 * 86_400


def cache_dir() -> Path:
    """Return the folder for files that can be made again: ``TAPEWIRE_CACHE_DIR`` or XDG's."""
    base = os.environ.get("TAPEWIRE_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tapewire"


def synthetic_file(
    source: SyntheticSource, announce: Callable[[str], None] = lambda text: None
) -> Path:
    """Return the session's ``.dbn.zst`` file, making it where it is missing.

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

    # Under a name of this process first: another run may be making the same session.
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
