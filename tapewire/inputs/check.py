"""``tapewire data check``: whether a market data file is sound, and what that means for a run."""

import json
import os
from dataclasses import asdict, dataclass

from rich.console import Console

from tapewire.inputs.file_report import FileReport
from tapewire.inputs.findings import Finding, findings_of, start_meaning
from tapewire.inputs.inspection import inspect_file
from tapewire.inputs.telling import tell


@dataclass(frozen=True)
class CheckReport:
    """Whether a file is sound.

    Attributes
    ----------
    sound : bool
        There are no errors among the findings.
    start, start_meaning : str
        How the books begin: ``snapshot``, ``clear`` or ``mid-session``; and in words.
    fills : dict of str to int
        F records by what stood before their order; see `CaptureCounts`.
    findings : list of Finding
        Worst first.
    """

    path: str
    dataset: str
    sound: bool
    records: int
    events: int
    start: str
    start_meaning: str
    fills: dict[str, int]
    findings: list[Finding]


def check_file(
    path: str | os.PathLike[str], *, as_json: bool = False, console: Console | None = None
) -> CheckReport:
    """Read a whole DBN MBO file, build its books, and look at every record of it.

    Looked at are both clocks, sequence numbers by channel, order ids, sizes, the queues that fills
    hit, locked and crossed books, flags, and how the file begins and ends.

    Parameters
    ----------
    as_json
        Print one JSON object with `CheckReport`'s keys in place of sentences.

    Raises
    ------
    InputError, InterruptedRunError
        As `inspect_file`.
    """
    file = inspect_file(path)
    report = _report(file, findings_of(file))
    if console is not None:
        if as_json:
            console.out(json.dumps(asdict(report), indent=2), highlight=False)
        else:
            _print(report, console)
    return report


def _report(file: FileReport, findings: list[Finding]) -> CheckReport:
    return CheckReport(
        path=file.path,
        dataset=file.dataset,
        sound=all(finding.level != "error" for finding in findings),
        records=file.records,
        events=file.book.get("events", 0),
        start=file.start,
        start_meaning=start_meaning(file),
        fills={} if file.capture is None else file.capture.fills,
        findings=findings,
    )


def _print(report: CheckReport, console: Console) -> None:
    verdict = "sound" if report.sound else "not sound"
    tell(
        console,
        f"{report.path}: {verdict}: {report.records:,} records, {report.events:,} events, "
        f"{report.dataset}; begins with {report.start_meaning}",
    )
    judged = [report.fills.get(k, 0) for k in ("direct", "behind_cancelled", "behind_filled")]
    jumped = report.fills.get("jumped", 0)
    if sum(judged) + jumped:
        tell(
            console,
            f"queues: {sum(judged):,} of {sum(judged) + jumped:,} fills hit the front of theirs "
            f"({judged[0]:,} at once, {judged[1]:,} behind orders that left in the same event, "
            f"{judged[2]:,} behind others filled in it)",
        )
    for finding in report.findings:
        where = "" if finding.first_record is None else f" (first: record {finding.first_record:,})"
        tell(
            console,
            f"{finding.level}: {finding.count:,} {finding.text}{where}: {finding.meaning}",
        )
