"""`data download` against a server that speaks Databento's API, and breaks off now and then."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streams
import vendor as vendor_module
from naive.dbn import read_mbo
from tapewire.errors import ConfigError, DownloadError, OutputError
from tapewire.inputs import downloading
from tapewire.inputs.databento_http import HistoricalGateway
from tapewire.inputs.downloading import JOB_FILE, DownloadReport, DownloadRequest, download
from tapewire.inputs.resuming import CHUNK_BYTES
from vendor import JOB, KEY, Vendor

REQUEST = DownloadRequest("GLBX.MDP3", ("ESH4", "NQH4"), "mbo", "2023-12-25", "2023-12-27")
RECORDS = streams.make_records(4_000)
#: More than comes from the line at once, and nothing that packs.
LARGE = np.random.default_rng(1).bytes(5 * CHUNK_BYTES + 77)
DAY = streams.zstd_bytes(streams.dbn_bytes(RECORDS))


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with vendor_module.serving() as server:
        server.files = {"glbx-mdp3-20231225.mbo.dbn.zst": DAY, "manifest.json": b"{}"}
        server.stream = DAY
        yield server


def fetched(vendor: Vendor, output: Path, **more: Any) -> DownloadReport:
    """Fetch with little patience, the price agreed to; ``more`` as `download` takes it."""
    given: dict[str, Any] = {
        "request": REQUEST, "confirm": lambda price: True, "gateway_url": vendor.url,
        "patience_s": 0.4, "pause_s": 0.01, "poll_s": 0.0, **more,
    }  # fmt: skip
    return download(given.pop("request"), output, **given)


def test_a_batch_is_priced_made_fetched_and_checked(vendor: Vendor, tmp_path: Path) -> None:
    prices = []
    folder = tmp_path / "es"
    report = fetched(vendor, folder, confirm=lambda price: prices.append(price) or True)
    assert prices == [
        "Databento asks 1.25 US dollars for 62,500 records, 3.5 MB before compression"
    ]
    assert vendor.names() == [
        "metadata.get_cost", "metadata.get_billable_size", "metadata.get_record_count",
        "batch.submit_job", *["batch.list_jobs"] * 3, "batch.list_files",
        *(f"batch/download/{JOB}/{name}" for name in vendor.files),
    ]  # fmt: skip
    form = {
        "dataset": "GLBX.MDP3",
        "symbols": "ESH4,NQH4",
        "schema": "mbo",
        "stype_in": "raw_symbol",
    }
    for _, given in vendor.asked[:4]:
        assert form.items() <= given.items()
    assert vendor.asked[3][1]["split_duration"] == "day"
    assert {p.name for p in folder.iterdir()} == {*vendor.files, JOB_FILE}
    assert read_mbo(folder / "glbx-mdp3-20231225.mbo.dbn.zst").tobytes() == RECORDS.tobytes()
    assert (report.job_id, report.fetched_bytes) == (JOB, len(DAY) + 2)
    assert report.quote.cost_usd == 1.25
    # Again: no price, no job, not a byte; nor may the folder get another request's files.
    vendor.asked.clear()
    again = fetched(vendor, folder, confirm=lambda price: pytest.fail(price))
    assert (again.fetched_bytes, again.quote, again.files) == (0, None, report.files)
    assert vendor.names() == ["batch.list_jobs", "batch.list_files"]
    other = DownloadRequest("GLBX.MDP3", ("CLH4",), "mbo", "2023-12-25", "2023-12-27")
    with pytest.raises(OutputError, match="holds the download of another request"):
        fetched(vendor, folder, request=other)
    for path in folder.iterdir():
        assert KEY.encode() not in path.read_bytes()


def test_a_file_that_is_cut_goes_on_where_it_ended(vendor: Vendor, tmp_path: Path) -> None:
    third = 2 * CHUNK_BYTES
    vendor.files = {"glbx-mdp3-20231225.mbo.dbn.zst": LARGE}
    vendor.cuts = [third, third]
    report = fetched(vendor, tmp_path, request=None, job_id=JOB)
    begins = [given["range"] for _, given in vendor.asked if given["range"]]
    assert begins[:3] == [f"bytes={k * third}-{len(LARGE) - 1}" for k in range(3)]
    assert vendor.sent == report.fetched_bytes == len(LARGE)  # no byte twice
    assert (tmp_path / "glbx-mdp3-20231225.mbo.dbn.zst").read_bytes() == LARGE


def test_what_one_process_left_the_next_goes_on_with(vendor: Vendor, tmp_path: Path) -> None:
    vendor.cuts = [CHUNK_BYTES + 9, *[0] * 500]
    vendor.files = {"glbx-mdp3-20231225.mbo.dbn.zst": LARGE}
    name = "glbx-mdp3-20231225.mbo.dbn.zst"
    with pytest.raises(DownloadError, match="given up after 0 s without getting on: the line"):
        fetched(vendor, tmp_path, request=None, job_id=JOB)
    assert (tmp_path / f".{name}.part").read_bytes() == LARGE[:CHUNK_BYTES]
    assert not (tmp_path / name).exists()
    vendor.cuts, vendor.sent = [], 0
    fetched(vendor, tmp_path, request=None, job_id=JOB)
    assert vendor.sent == len(LARGE) - CHUNK_BYTES
    assert (tmp_path / name).read_bytes() == LARGE
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(vendor.files)


def test_who_is_stopped_keeps_what_came(vendor: Vendor, tmp_path: Path) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    vendor.files = {"a.dbn.zst": LARGE}
    gateway = HistoricalGateway(KEY, vendor.url)
    with pytest.raises(KeyboardInterrupt):
        downloading.fetch_batch(gateway, JOB, tmp_path, poll_s=0.0, on_progress=stop)
    gateway.close()
    assert [p.name for p in tmp_path.iterdir()] == [".a.dbn.zst.part"]
    assert (tmp_path / ".a.dbn.zst.part").read_bytes() == LARGE[:CHUNK_BYTES]
    fetched(vendor, tmp_path, request=None, job_id=JOB)
    assert (tmp_path / "a.dbn.zst").read_bytes() == LARGE


def test_a_server_without_ranges_begins_anew(vendor: Vendor, tmp_path: Path) -> None:
    vendor.ranges, vendor.cuts = False, [1_000]
    fetched(vendor, tmp_path, request=None, job_id=JOB)
    assert (tmp_path / "glbx-mdp3-20231225.mbo.dbn.zst").read_bytes() == DAY
    # One that never gets further is given up, however often it sends the beginning.
    vendor.cuts = [1_000] * 500
    with pytest.raises(DownloadError, match="without getting on"):
        fetched(vendor, tmp_path / "b", request=None, job_id=JOB)


def test_another_part_than_asked_for_is_not_taken(vendor: Vendor, tmp_path: Path) -> None:
    vendor.shift = 5
    with pytest.raises(DownloadError, match=r"expected the bytes from 0 on, found 'bytes 5-\d+/"):
        fetched(vendor, tmp_path, request=None, job_id=JOB)
    assert (tmp_path / ".glbx-mdp3-20231225.mbo.dbn.zst.part").stat().st_size == 0


def test_another_content_than_announced_is_not_kept(vendor: Vendor, tmp_path: Path) -> None:
    name = "glbx-mdp3-20231225.mbo.dbn.zst"
    vendor.hashes = {name: "0" * 64}
    with pytest.raises(
        DownloadError, match=f"expected sha256 {'0' * 64}, found [0-9a-f]*: nothing"
    ):
        fetched(vendor, tmp_path, request=None, job_id=JOB)
    assert not (tmp_path / name).exists()
    assert (tmp_path / f".{name}.part").stat().st_size == 0
    vendor.hashes = {}
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(OutputError, match="is there with another content than the job's"):
        fetched(vendor, tmp_path, request=None, job_id=JOB)
    assert (tmp_path / name).read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ({"filename": "../evil"}, "expected each file with a plain filename"),
        ({"filename": ".hidden"}, "expected each file with a plain filename"),
        ({"hash": "md5:00"}, "expected each file with a plain filename, size, sha256"),
        ({"urls": {"https": "https://example.com/x"}}, "expected files on 127.0.0.1 or databento"),
        ({"urls": {"https": "http://hist.databento.com/x"}}, "expected files on 127.0.0.1 or"),
    ],
)
def test_what_a_server_may_not_have_us_do(
    vendor: Vendor, tmp_path: Path, listed: dict[str, Any], words: str
) -> None:
    vendor.listed = listed
    with pytest.raises(DownloadError, match=words):
        fetched(vendor, tmp_path / "a", request=None, job_id=JOB)
    assert not list((tmp_path / "a").iterdir())
    assert not [name for name in vendor.names() if "download/" in name]


@pytest.mark.parametrize(
    ("status", "detail", "words"),
    [
        (401, f"no such key {KEY}", "refuses the key in DATABENTO_API_KEY (401): see "),
        (402, {"message": "A payment method is required."}, "(402): the account has no credit"),
        (422, {"message": "Unknown\nsymbol \x1b[31mESX"}, "(422): Unknown symbol [31mESX"),
        (500, "oops", "given up after 0 s without getting on: the server failed (500): oops"),
        (429, None, "given up after 0 s without getting on: Databento says that these are too"),
    ],
)
def test_refusals_are_one_sentence_without_the_key(
    vendor: Vendor, tmp_path: Path, status: int, detail: Any, words: str
) -> None:
    vendor.refusals = [(status, detail)] * 200
    with pytest.raises(DownloadError, match=re.escape(words)) as refused:
        fetched(vendor, tmp_path / "es")
    assert KEY not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.__cause__ is None
    if status < 429:
        assert vendor.names() == ["metadata.get_cost"]  # asked once
    else:
        assert 3 < len(vendor.asked) < 60


def test_what_fails_for_a_moment_is_tried_again_but_no_job_made_twice(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.refusals = [(429, None), (503, None)]
    fetched(vendor, tmp_path / "a")
    vendor.asked.clear()
    monkeypatch.setattr(downloading, "quote", lambda gateway, request: downloading.Quote(0, 0, 0))
    vendor.refusals = [(502, "gateway")]
    with pytest.raises(DownloadError, match="it may have been done all the same: look at"):
        fetched(vendor, tmp_path / "b")
    assert vendor.names() == ["batch.submit_job"]
    # What was not made may be asked for again; where its id can't be kept, nothing is asked for.
    vendor.asked.clear()
    assert fetched(vendor, tmp_path / "b").job_id == JOB
    (tmp_path / "c" / JOB_FILE).mkdir(parents=True)
    vendor.asked.clear()
    with pytest.raises(OutputError, match="can't be read"):
        fetched(vendor, tmp_path / "c")
    with pytest.raises(OutputError, match="is a folder; expected a plain file"):
        downloading.submit(HistoricalGateway(KEY, vendor.url), REQUEST, tmp_path / "c")
    assert vendor.names() == []


def test_jobs_that_never_come(vendor: Vendor, tmp_path: Path) -> None:
    vendor.states = ["expired"]
    with pytest.raises(DownloadError, match="to be done or under way, it is expired"):
        fetched(vendor, tmp_path, request=None, job_id=JOB)
    with pytest.raises(DownloadError, match=r"job NONE: .* it is not among this account's jobs"):
        fetched(vendor, tmp_path, request=None, job_id="NONE")


def test_a_stream_is_whole_or_not_there(vendor: Vendor, tmp_path: Path) -> None:
    output = tmp_path / "es.mbo.dbn.zst"
    vendor.cuts = [len(DAY) // 2]
    with pytest.raises(DownloadError, match=r"after [\d,]+ bytes, which are not kept: a stream"):
        fetched(vendor, output)
    assert not list(tmp_path.iterdir())
    vendor.stream = DAY[:-9]  # the length is right, the data are not
    with pytest.raises(DownloadError, match="what came ends inside a zstd frame"):
        fetched(vendor, output)
    vendor.stream = DAY
    report = fetched(vendor, output)
    assert read_mbo(output).tobytes() == RECORDS.tobytes()
    assert (report.job_id, report.fetched_bytes, report.quote.records) == (None, len(DAY), 62_500)
    assert vendor.asked[-1][1]["compression"] == "zstd"
    with pytest.raises(OutputError, match="is there already"):
        fetched(vendor, output)
    assert fetched(vendor, output, force=True).fetched_bytes == len(DAY)


def test_the_key_goes_to_nobody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for url in ("http://hist.databento.com", "ftp://127.0.0.1", "127.0.0.1:80"):
        with pytest.raises(ConfigError, match="which keeps the key secret, found"):
            HistoricalGateway(KEY, url)
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="DATABENTO_API_KEY: expected your Databento key"):
        download(REQUEST, tmp_path / "es", confirm=lambda price: True)
    assert not list(tmp_path.iterdir())


def test_the_command(vendor: Vendor, tmp_path: Path, tapewire_here: Any) -> None:
    vendor.states = ["done"]
    asked = ["data", "download", "--gateway", vendor.url, "--dataset", "GLBX.MDP3", "--start",
             "2023-12-25", "--end", "2023-12-26", "-o"]  # fmt: skip
    said = tapewire_here(*asked, "es", "--symbols", "ESH4,NQH4")
    assert said.returncode == 2
    assert "Databento asks 1.25 US dollars for 62,500 records" in said.stderr
    assert "nothing was fetched: say --yes to agree to the price" in said.stderr
    assert "batch.submit_job" not in vendor.names()
    said = tapewire_here(*asked, "es", "--symbols", "ESH4,NQH4", "--yes", "--json")
    report = json.loads(said.stdout)
    assert (report["job_id"], len(report["files"])) == (JOB, 2)
    assert dict(vendor.asked)["batch.submit_job"]["symbols"] == "ESH4,NQH4"
    said = tapewire_here(*asked, "all.dbn.zst", "--yes")
    assert (said.returncode, said.stdout) == (
        0,
        f"all.dbn.zst: 1 files, {len(DAY):,} bytes fetched\n",
    )
    assert vendor.asked[-1][1]["symbols"] == "ALL_SYMBOLS"
    said = tapewire_here("data", "download", "-o", "b", "--job", JOB, "--gateway", vendor.url)
    assert f"b: 2 files of job {JOB}" in said.stdout
    for arguments, words in (
        (["-o", "c"], "expected --dataset, --start, --end, or --job for one there is already"),
        (["-o", "c", "--job", JOB, "--start", "2023"], "--job: names what is fetched"),
        (["-o", "c.dbn.zst", "--job", JOB], "expected what to fetch, or --job and a folder for it"),
    ):
        said = tapewire_here("data", "download", *arguments)
        assert (said.returncode, words in said.stderr) == (2, True), said.stderr
    assert KEY not in said.stdout + said.stderr
    assert os.environ["DATABENTO_API_KEY"] == KEY
