"""What a finished run hands back."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tapewire.analytics import Run, load_run
from tapewire.atomic import atomic_file, require_replaceable
from tapewire.config import Output
from tapewire.errors import OutputError


@dataclass(frozen=True)
class RunResult(Run):
    """A finished run: its folder, its manifest, and its tables, read when asked for.

    ``fills``, ``orders``, ``equity`` and ``metrics`` are Arrow tables (``.to_pandas()`` makes
    frames of them).
    """

    @classmethod
    def load(cls, path: Path) -> "RunResult":
        """Read a run folder back."""
        run = load_run(path)
        return cls(run.path, run.manifest)

    @property
    def digest(self) -> str:
        """Hash over all orders, fills and positions: equal for equal runs."""
        return str(self.manifest["digest"])

    @property
    def report(self) -> Path:
        """The HTML report, one file."""
        return self.path / "report.html"


def _copies(output: Output) -> list[tuple[str, Path]]:
    """Which tables go where besides the run folder: the specification's own output keys."""
    wanted = (("metrics.parquet", output.metrics_file), ("fills.parquet", output.trades_file))
    return [(name, Path(path)) for name, path in wanted if path is not None]


def make_room(output: Output) -> None:
    """Make the folders of extra copies, so that a run does not fail for them at its end.

    Raises
    ------
    OutputError
        If one can't be made or written to, or a copy's name is no file's.
    """
    for _, path in _copies(output):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"can't make the folder of {path}: {error.strerror}") from None
        require_replaceable(path)
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{path}: expected a file that can be written, it can't be")


def copy_results(output: Output, folder: Path) -> None:
    """Copy tables of a finished run to where the configuration wants them, too.

    Raises
    ------
    OutputError
        If one can't be written; the run folder itself is complete.
    """
    for name, path in _copies(output):
        with (folder / name).open("rb") as source, atomic_file(path) as target:
            shutil.copyfileobj(source, target)
