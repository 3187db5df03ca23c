"""What a run looks like on the terminal: notices, a progress bar, a summary."""

import datetime
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

from tapewire.compiled.units import NS_PER_S
from tapewire.runs.result_display import aligned, headline_rows
from tapewire.runs.variants_display import variant_rows, without_variants

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from tapewire.runs.hooks import RunProgress
    from tapewire.runs.result import RunResult

_BAR_INTERVAL_S: Final = 0.1
#: Where there is no terminal: one plain line so often, for those who read logs.
_LINE_INTERVAL_S: Final = 10.0


def rate_text(per_s: float) -> str:
    """``2.67 M msg/s``, or thousands where a strategy takes its time."""
    return f"{per_s / 1e6:.2f} M msg/s" if per_s >= 1e5 else f"{per_s / 1e3:.3g} k msg/s"


def figures(progress: "RunProgress") -> dict[str, Any]:
    """Return the figures of a run in progress, as text."""
    rate = progress.events / progress.elapsed_s if progress.elapsed_s > 0 else 0.0
    moment = datetime.datetime.fromtimestamp(progress.now_ns // NS_PER_S, datetime.UTC)
    return {
        "events": f"{progress.events:,}",
        "rate": rate_text(rate),
        "now": f"{moment:%Y-%m-%d %H:%M:%S}",
        "pnl": f"P&L {progress.pnl():,.2f}",
    }


class Display:
    """Shows a run on standard error: a bar on a terminal, few plain lines elsewhere."""

    def __init__(self, *, quiet: bool, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._terminal = self._stream.isatty()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._shown_s: float | None = None
        self._last: RunProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None and self._last is not None:
            if kind is None:
                self._bar.update(self._task, total=self._last.events)  # type: ignore[arg-type]
                self._show_bar(self._last)
            self._bar.stop()

    def announce(self, text: str) -> None:
        """Say why nothing is to be seen for a moment."""
        if not self._quiet:
            print(text, file=self._stream, flush=True)

    def working(self, what: str, total_mb: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show how far something before the run is, if it takes more than a moment."""
        if self._quiet:
            return nullcontext(lambda done_mb: None)
        from tapewire.inputs.telling import Steps

        return Steps(what, total_mb)

    def progress(self, progress: "RunProgress") -> None:
        """Show how far the run is; called per batch, shows a few times a second."""
        self._last = progress
        now_s = time.monotonic()
        interval_s = _BAR_INTERVAL_S if self._terminal else _LINE_INTERVAL_S
        if self._shown_s is None:
            self._shown_s = now_s
        if self._quiet or now_s - self._shown_s < interval_s:
            return
        self._shown_s = now_s
        if self._terminal:
            self._show_bar(progress)
        else:
            print("  ".join(figures(progress).values()), file=self._stream, flush=True)

    def _show_bar(self, progress: "RunProgress") -> None:
        if self._bar is None:
            self._bar = _make_bar(self._stream)
            self._task = self._bar.add_task("run", total=None, **_EMPTY)
            self._bar.start()
        assert self._task is not None
        # Where the estimate was too low, no bar is better than a wrong one.
        total = progress.events_total if progress.events <= progress.events_total else None
        self._bar.update(self._task, completed=progress.events, total=total, **figures(progress))


_EMPTY: Final[dict[str, Any]] = {"events": "", "rate": "", "now": "", "pnl": ""}


def _make_bar(stream: TextIO) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.fields[events]} events"),
        TextColumn("[cyan]{task.fields[rate]}"),
        TextColumn("{task.fields[now]}"),
        TextColumn("[bold]{task.fields[pnl]}"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=Console(file=stream),
    )


def json_summary(result: "RunResult") -> str:
    """Return a finished run as a JSON object: where it and its report are, and its manifest."""
    places = {"run": str(result.path), "report": str(result.report)}
    return json.dumps({**places, **result.manifest}, indent=1)


def summary(result: "RunResult") -> str:
    """Return what a finished run came to, as aligned text."""
    manifest = result.manifest
    lines = aligned(headline_rows(without_variants(manifest)))
    if variants := variant_rows(manifest):
        lines += ["", *aligned(variants)]
    facts = {
        "events": f"{manifest['events']:,} in {manifest['elapsed_s']:.2f} s, "
        f"{rate_text(manifest['events_per_s'])}",
        "digest": manifest["digest"],
        "run": str(result.path),
        "report": str(result.report),
    }
    lines += ["", *(f"{key:<8}{text}" for key, text in facts.items())]
    lines += [f"warning {text}" for text in manifest["warnings"]]
    return "\n".join(lines)
