"""A pass on another host: data are there by path and hash, rows come back as bytes."""

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tapewire.atomic import atomic_write, output_errors
from tapewire.config.schema import RunConfig
from tapewire.executors.tasks import Tell
from tapewire.studies.contents import (
    content_of,
    placed_files,
    require_contents,
    require_software,
    software,
)
from tapewire.studies.parts import blocks_of
from tapewire.studies.passes import run_pass

TASK: Final = "tapewire.studies.apart:run_pass_apart"
_PART: Final = "part.parquet"


def argument_of(
    config: RunConfig,
    trials: Mapping[str, int],
    block_ns: int,
    announce: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Return what `run_pass_apart` is given for a pass.

    Parameters
    ----------
    config
        Of the pass.
    trials
        Number by name of strategy.
    block_ns
        Length of a block.
    announce
        Told which file is read for its hash, which takes a while where it is large.

    Raises
    ------
    ConfigError
        If a file that it names can't be read.
    """
    document, files = placed_files(config.to_dict())
    contents = []
    for path in files:
        announce(str(path))
        contents.append(content_of(path))
    return {
        "config": document,
        "trials": dict(trials),
        "block_ns": block_ns,
        "files": contents,
        "software": software(),
    }


def run_pass_apart(argument: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Run the trials of a pass in a folder of this host; return their rows.

    Parameters
    ----------
    argument
        ``config``: the pass's configuration; ``trials`` and ``block_ns`` as `run_pass` has them;
        ``files`` and ``software``: what this host has to have.
    tell
        Gets events done and in all.

    Returns
    -------
    dict
        ``part`` and ``blocks``: the files that `write_part` writes, in base 64.

    Raises
    ------
    ConfigError
        If a file or the software of this host is another than where the study was begun.
    """
    require_software(argument["software"])
    require_contents(argument["files"])
    root = _root()
    with (
        output_errors(root),
        tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=root) as folder,
    ):
        config, part = Path(folder, "config.json"), Path(folder, _PART)
        atomic_write(config, json.dumps(argument["config"]))
        run_pass(
            {
                "config": str(config),
                "trials": argument["trials"],
                "part": str(part),
                "folder": str(Path(folder, "run")),
                "block_ns": argument["block_ns"],
                "keep": False,
                "alone": True,
            },
            tell,
        )
        return {
            "part": base64.b64encode(part.read_bytes()).decode(),
            "blocks": base64.b64encode(blocks_of(part).read_bytes()).decode(),
        }


def store(returned: Mapping[str, str], part: Path) -> None:
    """Write what `run_pass_apart` returned where `write_part` would have written it."""
    atomic_write(blocks_of(part), base64.b64decode(returned["blocks"]))
    atomic_write(part, base64.b64decode(returned["part"]))


def _root() -> Path:
    """Return the folder of this user's passes, without what processes left that were killed."""
    root = Path(tempfile.gettempdir(), f"tapewire-passes-{os.getuid()}")
    with output_errors(root, "make"):
        root.mkdir(mode=0o700, exist_ok=True)
        if root.is_symlink() or root.stat().st_uid != os.getuid():
            raise PermissionError(f"{root} is somebody else's")
    for one in root.iterdir():
        pid = one.name.partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(one, ignore_errors=True)
    return root
