"""The bench: what Tapewire does per second, beside what the machine and its rivals do."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.errors import ConfigError, InterruptedRunError

if TYPE_CHECKING:
    from tapewire.bench.baseline import Slip
    from tapewire.bench.measure import Row, Scale
    from tapewire.bench.report import DocumentPart
    from tapewire.bench.sections import Section
    from tapewire.bench.targets import Found

__all__ = ["BenchResult", "run_bench"]

EVENTS: Final = 5_000_000
EVENTS_QUICK: Final = 1_000_000
#: Below this a run is over before it can be timed.
EVENTS_MIN: Final = 100_000
RUNS: Final = 5
RUNS_QUICK: Final = 2
#: Sections that are measured where they are asked for: what they compare with is installed first.
RIVALS: Final = ("rivals", "candle-rivals")
#: Takes a server and many gigabytes of disk: measured where it is asked for by name.
APART: Final = ("store", "services", "studio")
#: What seems to have slipped is measured so often again: a machine wanders even within one bench.
AGAIN_MAX: Final = 2


@dataclass
class BenchResult:
    """What one bench measured.

    Attributes
    ----------
    host : dict
        Date, machine, versions.
    workload : str
        What all rows share, in a sentence.
    rows : dict of str to list of Row
        By section, in the order of measuring.
    missing : list of str
        Why rows are missing.
    targets : list of Found
    slips : list of Slip
        Stages that slipped against the baseline, where that was asked for.
    unchecked : list of str
        Rows of the baseline that this bench did not measure.
    elapsed_s : float
    """

    host: dict[str, Any]
    workload: str
    rows: dict[str, list["Row"]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    targets: list["Found"] = field(default_factory=list)
    slips: list["Slip"] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def all_rows(self) -> list["Row"]:
        """The rows of all sections."""
        return [row for rows in self.rows.values() for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "host": self.host,
            "workload": self.workload,
            "elapsed_s": round(self.elapsed_s, 1),
            "rows": [
                {"section": name, **row.to_dict()} for name, rows in self.rows.items()
                for row in rows
            ],
            "missing": self.missing,
            "targets": [found.to_dict() for found in self.targets],
            "slips": [slip.to_dict() for slip in self.slips],
        }  # fmt: skip


def run_bench(
    *,
    events: int | None = None,
    runs: int | None = None,
    seed: int = 1,
    quick: bool = False,
    only: Sequence[str] = (),
    with_rivals: bool = False,
    show: Callable[[str], None] = print,
    tell: Callable[[str], None] = print,
    as_json: bool = False,
    write: Path | None = None,
    save_baseline: bool = False,
    check: bool = False,
    baseline: Path | None = None,
) -> BenchResult:
    """Measure limits, stages, whole runs, growth, latency and starts, all in one go.

    Parameters
    ----------
    events : int, optional
        Records of the session, at least 100,000; by default 5 million, quick 1 million.
    runs : int, optional
        Counted runs per row, by default 5, quick 2; one more, first, is not counted.
    seed : int
    quick : bool
        The short bench: fewer sizes, no cold start.
    only : sequence of str
        Names of sections; by default all but those of `APART`, rivals if asked for. A
        baseline needs stages as well.
    with_rivals : bool
        Measure hftbacktest, NautilusTrader and Databento's client on the same session as well,
        vectorbt and backtesting.py on candles; the first time installs them into environments of
        their own (see ``bench/rivals``).
    show : callable
        Gets the result: JSON, or lines.
    tell : callable
        Gets what goes on meanwhile, line by line.
    as_json : bool
        Show JSON instead of lines.
    write : path, optional
        Write the measured sections into that Markdown file, between their markers.
    save_baseline : bool
        Store the ratios of this bench for its machine class.
    check : bool
        Compare the ratios to the stored ones.
    baseline : path, optional
        The baseline's file, where it is not the packaged one.

    Raises
    ------
    ConfigError
        If an argument is out of its range, or there is no baseline to check against.
    InterruptedRunError
        On Ctrl-C or SIGTERM; nothing is written then.
    TapewireError
        If a measured run fails.
    """
    from tapewire.bench.host import describe_host
    from tapewire.bench.measure import Scale
    from tapewire.bench.targets import judge
    from tapewire.processes.signals import Signals

    scale = Scale(
        events=events if events is not None else EVENTS_QUICK if quick else EVENTS,
        runs=runs if runs is not None else RUNS_QUICK if quick else RUNS,
        seed=seed,
        quick=quick,
    )
    _require_sane(scale, save_baseline=save_baseline, check=check, baseline=baseline)
    # Ratios are over limits and stages of the same run.
    always = {"stages"} if check or save_baseline else set()
    chosen = _choose(only, always | (set(RIVALS) if with_rivals else set()))
    ratios = _Ratios(scale, baseline, save=save_baseline, check=check)
    if write is not None:
        from tapewire.bench.report import require_markers

        require_markers(write, [*(section.name for section in chosen), "targets"])
    result = BenchResult(describe_host(), _workload(scale))

    def measure_again(names: set[str]) -> "list[Row]":
        again = [section for section in chosen if section.name in names | always]
        tell(f"slower than the baseline, so again: {', '.join(section.name for section in again)}")
        more = BenchResult(result.host, result.workload)
        _measure(more, again, scale, tell, signals.check)
        return more.all_rows

    with Signals() as signals:
        try:
            with signals.immediate():
                _announce(result, chosen, scale, tell)
                _measure(result, chosen, scale, tell, signals.check)
                ratios.compare(result, measure_again)
        except (KeyboardInterrupt, InterruptedRunError):
            stopped = InterruptedRunError("the bench was stopped; nothing was written")
            stopped.exit_code = signals.error().exit_code
            raise stopped from None
    result.targets = judge(result.all_rows)
    ratios.save(result)
    if write is not None:
        from tapewire.bench.report import write_parts

        write_parts(write, _parts(result, chosen, scale, whole=not only))
    if as_json:
        show(json.dumps(result.to_dict(), indent=2))
    else:
        for line in _closing_lines(result, ratios):
            show(line)
    return result


def _require_sane(
    scale: "Scale", *, save_baseline: bool, check: bool, baseline: Path | None
) -> None:
    if scale.events < EVENTS_MIN:
        raise ConfigError(f"--events: expected at least {EVENTS_MIN:,}, found {scale.events:,}")
    if scale.runs < 1:
        raise ConfigError(f"--runs: expected at least 1, found {scale.runs}")
    if save_baseline and check:
        raise ConfigError("expected --save-baseline or --check, found both: check first, then save")
    if baseline is not None and not (save_baseline or check):
        raise ConfigError("--baseline: expected --check or --save-baseline with it")


def _choose(only: Sequence[str], more: set[str]) -> list["Section"]:
    from tapewire.bench.sections import SECTIONS

    names = [section.name for section in SECTIONS]
    for name in only:
        if name not in names:
            raise ConfigError(f"--only: expected one of {', '.join(names)}, found {name!r}")
    wanted = set(only) or set(names) - {*RIVALS, *APART}
    return [section for section in SECTIONS if section.name in wanted | more]


def _workload(scale: "Scale") -> str:
    runs = f"{scale.runs} run{'s' if scale.runs != 1 else ''}"
    return (
        f"One synthetic future, {scale.events:,} records, seed {scale.seed}, unless a row says "
        f"otherwise; best and median of {runs} where a row has no other number, after one that is "
        "not counted: compiling is left out of every time but a cold start's."
    )


def _announce(
    result: BenchResult, chosen: Sequence["Section"], scale: "Scale", tell: Callable[[str], None]
) -> None:
    from tapewire.bench.report import where_line

    work = scale.events * (scale.runs + 1)
    usual = EVENTS_QUICK * (RUNS_QUICK + 1) if scale.quick else EVENTS * (RUNS + 1)
    expected_s = sum(s.quick_s if scale.quick else s.full_s for s in chosen) * work / usual
    tell(where_line(result.host))
    tell(f"{result.workload} Sections: {', '.join(section.name for section in chosen)}.")
    tell(f"about {max(1, round(expected_s / 60))} min on two cores; the first time, compiling too")


def _measure(
    result: BenchResult,
    chosen: Sequence["Section"],
    scale: "Scale",
    tell: Callable[[str], None],
    check_stop: Callable[[], None],
) -> None:
    from tapewire.bench.report import duration, row_line
    from tapewire.bench.sections import Bench

    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder:
        bench = Bench(Path(folder), scale, tell, result.missing)
        for section in chosen:
            rows = result.rows.setdefault(section.name, [])
            for row in section.measure(bench):
                rows.append(row)
                tell(row_line(row, time.monotonic() - began_s, rated=section.rated))
                check_stop()  # a signal that arrived where nothing can be raised, in a destructor
    result.elapsed_s = time.monotonic() - began_s
    tell(f"{duration(result.elapsed_s):>6}  done")


class _Ratios:
    """The baseline's part in a bench: read before it, compared or stored after it."""

    def __init__(self, scale: "Scale", path: Path | None, *, save: bool, check: bool) -> None:
        from tapewire.bench import baseline

        self._scale = scale
        self.path = path or baseline.default_path(scale)
        self.saved = save
        self.stored = baseline.load(self.path, scale) if check else None

    def save(self, result: BenchResult) -> None:
        """Store the ratios, if that was asked for."""
        from tapewire.bench import baseline

        if self.saved:
            baseline.save(self.path, self._scale, result.host, result.all_rows)

    def compare(
        self, result: BenchResult, measure_again: Callable[[set[str]], Sequence["Row"]]
    ) -> None:
        """Compare, if that was asked for; slipped has what is slower in every measurement.

        ``measure_again`` gets the names of sections and returns their rows.
        """
        from tapewire.bench import baseline

        if self.stored is None:
            return
        slips, result.unchecked = baseline.compare(self.stored, result.all_rows)
        for _ in range(AGAIN_MAX):
            slower = {slip.row for slip in slips}
            sections = {
                name
                for name, rows in result.rows.items()
                if any(baseline.key_of(row) in slower for row in rows)
            }
            if not sections:
                break
            found, _ = baseline.compare(self.stored, measure_again(sections))
            slips = [slip for slip in found if slip.row in slower]
        result.slips = slips


def _parts(
    result: BenchResult, chosen: Sequence["Section"], scale: "Scale", *, whole: bool
) -> list["DocumentPart"]:
    """What goes into the Markdown file; targets only of a bench that could reach all of them."""
    from tapewire.bench.report import DocumentPart, row_table, target_table, where_line

    where = where_line(result.host)
    parts = []
    for section in chosen:
        about = [where, result.workload, section.about]
        if section.name in RIVALS and result.missing:
            about.append(f"Missing: {'; '.join(result.missing)}.")
        table = row_table(result.rows[section.name], rated=section.rated, events=scale.events)
        parts.append(DocumentPart(section.name, section.title, "\n\n".join([*about, table])))
    if whole:
        text = "\n\n".join([where, result.workload, target_table(result.targets)])
        parts.insert(0, DocumentPart("targets", "Targets", text))
    return parts


def _closing_lines(result: BenchResult, ratios: _Ratios) -> list[str]:
    """What there is to say when every row has been measured."""
    from tapewire.bench.report import target_lines

    lines = target_lines(found for found in result.targets if found.met is not None)
    lines += [f"missing: {reason}" for reason in result.missing]
    if ratios.saved:
        lines.append(f"baseline stored: {ratios.path}")
    if ratios.stored is not None:
        compared = len(ratios.stored) - len(result.unchecked)
        lines += [f"slipped  {slip}" for slip in result.slips]
        lines += [f"not compared, not in this bench  {row}" for row in result.unchecked]
        lines.append(
            f"{compared} of {len(ratios.stored)} ratios compared to {ratios.path}: "
            f"{len(result.slips)} slipped"
        )
    return lines
