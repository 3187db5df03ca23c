"""``tapewire data download``: data from Databento, the price first, and whole or not there."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from tapewire.atomic import atomic_file, atomic_write, output_errors, require_replaceable
from tapewire.errors import ConfigError, DownloadError, OutputError
from tapewire.inputs.databento_http import (
    GATEWAY,
    CutError,
    HistoricalGateway,
    key_from_environment,
)
from tapewire.inputs.resuming import CHUNK_BYTES, BatchFile, fetch
from tapewire.inputs.telling import Steps, tell
from tapewire.processes.signals import interruptible
from tapewire.replay.zstd_frames import walk_file

#: Beside the files of a batch job: what was asked for, and the job that it became.
JOB_FILE: Final = "tapewire-download.json"
#: Longest a job may take to be made, and how often it is asked for.
_JOB_S_MAX: Final = 6 * 3600
_POLL_S: Final = 5.0
_BYTES_PER_MB: Final = 10**6


@dataclass(frozen=True)
class DownloadRequest:
    """What is wanted, in the API's words.

    Attributes
    ----------
    start, end
        ISO 8601 (UTC) or ns since the epoch; the end is not part of it.
    stype_in
        What the symbols are: ``raw_symbol``, ``parent``, ``continuous``, ``instrument_id``.
    """

    dataset: str
    symbols: tuple[str, ...]
    schema: str
    start: str
    end: str
    stype_in: str = "raw_symbol"

    def form(self) -> dict[str, str]:
        """Return the form's fields."""
        return {
            "dataset": self.dataset,
            "symbols": ",".join(self.symbols),
            "schema": self.schema,
            "start": self.start,
            "end": self.end,
            "stype_in": self.stype_in,
            "stype_out": "instrument_id",
        }


@dataclass(frozen=True)
class Quote:
    """What a request costs, by Databento: US dollars, uncompressed bytes, records."""

    cost_usd: float
    billable_bytes: int
    records: int


@dataclass(frozen=True)
class DownloadReport:
    """What was fetched.

    Attributes
    ----------
    quote
        None where a job had been asked for before.
    job_id
        Of a batch; None for a stream.
    files
        Those that are there now, by path.
    fetched_bytes
        Of them, what came over the line this time.
    """

    quote: Quote | None
    job_id: str | None
    files: tuple[str, ...]
    fetched_bytes: int


def quote(gateway: HistoricalGateway, request: DownloadRequest) -> Quote:
    """Ask what a request costs.

    Raises
    ------
    DownloadError
        If the server refuses, or does not answer.
    """
    form = request.form()
    answers = [
        gateway.post(f"metadata.{name}", form)
        for name in ("get_cost", "get_billable_size", "get_record_count")
    ]
    try:
        return Quote(float(answers[0]), int(answers[1]), int(answers[2]))
    except (TypeError, ValueError):
        raise DownloadError(f"metadata: expected three numbers, found {answers}") from None


def stream_file(
    gateway: HistoricalGateway,
    request: DownloadRequest,
    output: Path,
    on_progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Fetch a request as one file; return its bytes. It is there when all of it has come.

    Raises
    ------
    DownloadError
        If the line is cut: a stream can't be resumed.
    OutputError
        If the file can't be written.
    """
    form = {**request.form(), "encoding": "dbn", "compression": "zstd"}
    done = 0
    url = gateway.endpoint("timeseries.get_range")
    try:
        with atomic_file(output) as file, gateway.opened("POST", url, data=form) as response:
            for chunk in response.iter_content(CHUNK_BYTES):
                done += file.write(chunk)
                on_progress(done)
            file.flush()
            if not walk_file(file.fileno(), done).whole:
                raise CutError("what came ends inside a zstd frame")
    except CutError as error:
        raise DownloadError(
            f"timeseries.get_range: {error}, after {done:,} bytes, which are not kept: a stream "
            "can't be resumed; fetch a batch into a folder (-o FOLDER), which can"
        ) from None
    return done


def fetch_batch(
    gateway: HistoricalGateway,
    job_id: str,
    folder: Path,
    *,
    poll_s: float = _POLL_S,
    on_progress: Callable[[int], None] = lambda done: None,
) -> DownloadReport:
    """Wait until a batch job is made, and fetch what is missing of its files.

    Raises
    ------
    DownloadError
        If the job is unknown, expired or takes too long, or a file can't be had as it should be.
    OutputError
        If a file can't be written, or is there with another content.
    """
    _wait_for(gateway, job_id, poll_s)
    files = BatchFile.listed(gateway.ask("batch.list_files", job_id=job_id), job_id)
    fetched = 0
    for file in files:
        gateway.require_ours(file.url)
    for file in files:
        told = partial(_shifted, on_progress, fetched)
        fetched += fetch(gateway, file, folder / file.name, told)
    return DownloadReport(None, job_id, tuple(str(folder / f.name) for f in files), fetched)


def _shifted(on_progress: Callable[[int], None], before: int, count: int) -> None:
    on_progress(before + count)


def _wait_for(gateway: HistoricalGateway, job_id: str, poll_s: float) -> None:
    until_s = time.monotonic() + _JOB_S_MAX
    while True:
        jobs = gateway.ask("batch.list_jobs", states="queued,processing,done,expired")
        if not (isinstance(jobs, list) and all(isinstance(job, dict) for job in jobs)):
            raise DownloadError("batch.list_jobs: expected a list of jobs, found something else")
        states = [job.get("state") for job in jobs if job.get("id") == job_id]
        if states == ["done"]:
            return
        if states not in (["queued"], ["processing"]):
            found = f"it is {states[0]}" if states else "it is not among this account's jobs"
            raise DownloadError(f"job {job_id}: expected it to be done or under way, {found}")
        if time.monotonic() + poll_s > until_s:
            raise DownloadError(
                f"job {job_id}: is {states[0]} after {_JOB_S_MAX // 3600} hours: run again later"
            )
        time.sleep(poll_s)


def _job_of(folder: Path, request: DownloadRequest) -> str | None:
    """Return the job that a folder's request became, or None: it has none.

    Raises
    ------
    OutputError
        If the folder belongs to another request.
    """
    note = folder / JOB_FILE
    try:
        kept = msgspec.json.decode(note.read_bytes(), type=dict[str, Any])
        wanted = msgspec.json.decode(msgspec.json.encode(request.form()))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        raise OutputError(f"{note}: can't be read: choose another folder with -o") from None
    job_id = kept.get("job_id")
    if kept.get("request") != wanted or not isinstance(job_id, str | None):
        raise OutputError(
            f"{folder}: holds the download of another request (see {JOB_FILE}): choose another "
            "folder with -o"
        )
    return job_id


def submit(gateway: HistoricalGateway, request: DownloadRequest, folder: Path) -> str:
    """Have a batch job made, by day; its id is kept in the folder before anything else."""
    form = {
        **request.form(), "encoding": "dbn", "compression": "zstd", "split_duration": "day",
        "delivery": "download",
    }  # fmt: skip
    # Where the id can't be kept nothing is paid for.
    note: dict[str, Any] = {"request": request.form(), "job_id": None}
    atomic_write(folder / JOB_FILE, json.dumps(note, indent=2) + "\n")
    answer = gateway.post("batch.submit_job", form, once=True)
    job_id = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(job_id, str):
        raise DownloadError("batch.submit_job: expected a job with an id, found none")
    atomic_write(folder / JOB_FILE, json.dumps({**note, "job_id": job_id}, indent=2) + "\n")
    return job_id


def download(
    request: DownloadRequest | None,
    output: str | os.PathLike[str],
    *,
    job_id: str | None = None,
    confirm: Callable[[str], bool],
    gateway_url: str = GATEWAY,
    patience_s: float = 300.0,
    pause_s: float = 1.0,
    poll_s: float = _POLL_S,
    force: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> DownloadReport:
    """Fetch what is asked for: as a stream into a file, as a batch of files into a folder.

    Parameters
    ----------
    request
        What is wanted; None with ``job_id``.
    output
        ``….dbn.zst``: a stream; else a folder. A folder that holds the same request is resumed.
    job_id
        A batch job that there is already.
    confirm
        Asked with the price in words before anything that costs; False ends it.
    patience_s, pause_s, poll_s
        As `HistoricalGateway` and `fetch_batch`.
    force
        Replace a file that is there; a folder's files are never replaced.

    Raises
    ------
    ConfigError
        If there is no key, the gateway is not safe, or the price was not agreed to.
    DownloadError, OutputError
        As `stream_file` and `fetch_batch`.
    InterruptedRunError
        If the user stopped it; parts of a batch's files are kept for the next time.
    """
    output = Path(output)
    streamed = output.name.endswith(".dbn.zst")
    if (request is None) == (job_id is None) or (job_id is not None and streamed):
        raise ConfigError("expected what to fetch, or --job and a folder for it")
    if streamed:
        require_replaceable(output)
        if output.exists() and not force:
            raise OutputError(
                f"{output}: is there already; choose another name with -o, or replace it with "
                "--force"
            )
    gateway = HistoricalGateway(
        key_from_environment(), gateway_url, patience_s=patience_s, pause_s=pause_s
    )
    price: Quote | None = None
    try:
        with interruptible(), Steps("downloading, MB", None) as steps:
            if not streamed:
                with output_errors(output, "make"):
                    output.mkdir(parents=True, exist_ok=True)
            if request is not None and not streamed:
                job_id = _job_of(output, request)
            if request is not None and job_id is None:
                price = quote(gateway, request)
                if not confirm(_price_words(price)):
                    raise ConfigError("nothing was fetched: say --yes to agree to the price")

            def told(done: int) -> None:
                steps(done // _BYTES_PER_MB)

            if request is not None and streamed:
                done = stream_file(gateway, request, output, told)
                report = DownloadReport(price, None, (str(output),), done)
            else:
                job = job_id or submit(gateway, _required(request), output)
                got = fetch_batch(gateway, job, output, poll_s=poll_s, on_progress=told)
                report = DownloadReport(price, job, got.files, got.fetched_bytes)
    finally:
        gateway.close()
    if console is not None and as_json:
        console.out(json.dumps(asdict(report), indent=2), highlight=False)
    elif console is not None:
        job = f" of job {report.job_id}" if report.job_id else ""
        tell(
            console,
            f"{output}: {len(report.files)} files{job}, {report.fetched_bytes:,} bytes fetched",
        )
    return report


def _required(request: DownloadRequest | None) -> DownloadRequest:
    if request is None:
        raise ConfigError("expected what to fetch")
    return request


def _price_words(price: Quote) -> str:
    return (
        f"Databento asks {price.cost_usd:.2f} US dollars for {price.records:,} records, "
        f"{price.billable_bytes / _BYTES_PER_MB:,.1f} MB before compression"
    )


def symbols_of(values: Sequence[str]) -> tuple[str, ...]:
    """Return the symbols; none: all of the dataset."""
    return tuple(values) or ("ALL_SYMBOLS",)
