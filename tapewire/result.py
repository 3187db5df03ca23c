"""What a finished run hands back."""

from dataclasses import dataclass
from pathlib import Path

from tapewire.analytics import Run, load_run


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
