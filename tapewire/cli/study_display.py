"""What a study looks like on the terminal: a progress bar, the best of its trials."""

import json
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

from tapewire.cli.display import rate_text
from tapewire.runs.result_display import aligned

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from tapewire.studies import Study, StudyProgress

_BAR_INTERVAL_S: Final = 0.2
_LINE_INTERVAL_S: Final = 10.0
#: Of a study, before anybody can say how long it takes.
_SHARE_TOLD: Final = 0.02
#: Trials with a line of their own; all are in ``trials.parquet`` and the report.
_SHOWN_MAX: Final = 10
#: Figures beside what varies and the objective.
_FIGURES: Final = ("net_pnl", "fills", "max_drawdown", "sharpe_annualised")


class StudyDisplay:
    """Shows a study on standard error: a bar on a terminal, few plain lines elsewhere."""

    def __init__(self, *, quiet: bool, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._terminal = self._stream.isatty()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._shown_s = time.monotonic()
        #: When the first events were done, and what share of the study they were.
        self._first: tuple[float, float] | None = None
        self.objective = "net_pnl"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def announce(self, text: str) -> None:
        """Say why nothing is to be seen for a moment."""
        if not self._quiet:
            print(text, file=self._stream, flush=True)

    def progress(self, progress: "StudyProgress") -> None:
        """Show how far the study is."""
        now_s = time.monotonic()
        interval_s = _BAR_INTERVAL_S if self._terminal else _LINE_INTERVAL_S
        left_s = self._left_s(progress)
        if self._quiet or now_s - self._shown_s < interval_s:
            return
        self._shown_s = now_s
        texts = self._texts(progress, left_s)
        if not self._terminal:
            print("  ".join(text for text in texts.values() if text), file=self._stream, flush=True)
            return
        if self._bar is None:
            self._bar = _make_bar(self._stream)
            self._task = self._bar.add_task("study", total=1.0, **_EMPTY)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=progress.share, total=1.0, **texts)

    def _texts(self, progress: "StudyProgress", left_s: float | None) -> dict[str, Any]:
        of = "" if progress.trials_total is None else f" of {progress.trials_total:,}"
        best = ""
        if progress.best is not None:
            best = f"best {self.objective} {_figure(progress.best.get(self.objective))}"
            best += f" (trial {progress.best['trial']})"
        return {
            "trials": f"{progress.trials:,}{of} trials",
            "failed": f"{progress.failed:,} failed" if progress.failed else "",
            "best": best,
            "left": f"{left_s:,.0f} s left" if left_s is not None else "",
        }

    def _left_s(self, progress: "StudyProgress") -> float | None:
        """Return how long the rest takes at the pace since the first events; None: who knows.

        What goes before them (workers that start, kernels that are compiled) comes once.
        """
        if progress.share <= 0:
            return None
        if self._first is None or progress.share < self._first[1]:  # trials that came later
            self._first = progress.elapsed_s, progress.share
        began_s, began = self._first
        if progress.share - began < _SHARE_TOLD:
            return None
        return (progress.elapsed_s - began_s) * (1 - progress.share) / (progress.share - began)


_EMPTY: Final[dict[str, Any]] = {"trials": "", "failed": "", "best": "", "left": ""}


def _make_bar(stream: TextIO) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.fields[trials]}"),
        TextColumn("[red]{task.fields[failed]}"),
        TextColumn("[bold]{task.fields[best]}"),
        TextColumn("{task.fields[left]}"),
        console=Console(file=stream),
    )


def summary(study: "Study") -> str:
    """Return what a finished study came to, as aligned text."""
    from tapewire.studies.luck import words
    from tapewire.studies.report import told_once

    manifest = study.manifest
    rows = _best_rows(study)
    lines = aligned(rows) if len(rows) > 1 else ["no trial has its objective and keeps all"]
    if len(rows) - 1 == _SHOWN_MAX < manifest["trials"]:
        lines.append(f"… {manifest['trials']:,} trials in all, in {study.path / 'trials.parquet'}")
    elapsed_s = manifest["elapsed_s"]
    rate = rate_text(manifest["events"] / elapsed_s) if elapsed_s else ""
    facts = {
        "trials": f"{manifest['trials']:,} in {elapsed_s:.1f} s on {manifest['workers']} "
        f"worker{'s' if manifest['workers'] != 1 else ''}, {rate} over all trials",
        "digest": manifest["digest"],
        "study": str(study.path),
        "report": str(study.path / "report.html"),
    }
    lines += ["", *(f"{key:<8}{text}" for key, text in facts.items())]
    lines += [f"{name.lower():<16}{value}: {meaning}" for name, value, meaning in words(study.luck)]
    if manifest.get("nodes"):
        done = (f"{name} {count:,}" for name, count in manifest["nodes"].items())
        lines.append(f"nodes   passes of each: {', '.join(done)}")
    if manifest.get("pruned"):
        lines.append(f"pruned  {manifest['pruned']:,} trials were not played to the end")
    lines += [f"warning {text}" for text in told_once(manifest["warnings"])]
    if manifest["failed"]:
        many = "trial" if manifest["failed"] == 1 else "trials"
        lines.append(f"failed  {manifest['failed']:,} {many}: {_first_error(study)}")
    return "\n".join(lines)


def json_summary(study: "Study") -> str:
    """Return what a finished study came to, as one JSON object: its manifest and best rows."""
    return json.dumps(
        {**study.manifest, "path": str(study.path), "best_rows": study.best(_SHOWN_MAX)},
        indent=1, default=str,
    )  # fmt: skip


def _best_rows(study: "Study") -> list[tuple[str, ...]]:
    objective = study.settings.objectives[0].metric
    best = study.best(_SHOWN_MAX)
    if not best:
        return []
    varied = varied_columns(study)
    figures = list(dict.fromkeys([objective, *_FIGURES]))
    rows = [("trial", *varied, *figures)]
    rows += [
        (str(row["trial"]), *(_figure(row[name]) for name in (*varied, *figures))) for row in best
    ]
    return rows


def varied_columns(study: "Study") -> list[str]:
    """Return the columns of what varies."""
    from tapewire.studies.parts import FIGURES, KEYS

    names: list[str] = study.trials.column_names
    return names[len(KEYS) : names.index(FIGURES[0].name)]


def _first_error(study: "Study") -> str:
    from tapewire.studies.report import headline

    table = study.trials
    for number, error in zip(table["trial"].to_pylist(), table["error"].to_pylist(), strict=True):
        if error is not None:
            return f"{number}: {headline(error)}"
    return ""


def _figure(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
