"""Runs of a server, as Python: asked for, and read as the studio reads them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tapewire.atomic import atomic_file, output_errors
from tapewire.errors import MissingFileError, OutputError, ProtocolError
from tapewire.services.client.jobs import JobCalls, ServerJob, job_of, new_key
from tapewire.services.client.plain import given, plain
from tapewire.services.proto import runs_pb2, runs_pb2_grpc

#: How long an answer may take that is read from a run, s: a little more than a server lets it.
ANSWER_S: Final = 660.0
#: What a run's folder has when it is complete.
_MANIFEST: Final = "manifest.json"


class RunCalls(JobCalls):
    """The calls of a client that are about backtests on records of orders."""

    # --- asked for --------------------------------------------------------------------------------

    def describe_runs(self) -> dict[str, Any]:
        """Return what may be asked for: ``schema`` of a configuration, ``example`` in YAML."""
        found = self._ask_run("Describe", runs_pb2.DescribeRunsRequest())
        return plain(found, parsed=("schema",))

    def check_run(self, config: str | Mapping[str, Any]) -> dict[str, Any]:
        """Say what is wrong with a configuration.

        Parameters
        ----------
        config
            YAML, or its values.

        Returns
        -------
        dict
            ``problems``, sentences with keys, none if it can be run; and the configuration both
            ways: ``yaml`` as text, ``json`` as values (None: it is none at all; whole numbers from
            2⁵³ on are text behind ``#``, and are taken so, too).
        """
        request = runs_pb2.CheckRunConfigRequest(**either(config))
        return plain(self._ask_run("CheckConfig", request), parsed=("json",))

    def start_run(self, config: str, *, key: str = "") -> ServerJob:
        """Ask for a configuration to be run; `follow_job` waits for it.

        Parameters
        ----------
        config
            YAML as of ``tapewire run``: files by their names in the server's folder of data,
            strategies by a name, as a file of its folder of strategies, or as ``store:ID``.
        key
            The same key again is the same run; empty: one of its own.

        Raises
        ------
        ServerRefusal
            If it can't be run, with the keys that are wrong.
        """
        request = runs_pb2.StartRunRequest(config=config, idempotency_key=key or new_key())
        return job_of(self._again(lambda: self._ask_run("Start", request)).job)

    def runs(self, *, state: str = "") -> Iterator[ServerJob]:
        """Give all runs, the newest first, page after page; see `jobs`."""
        token = ""
        while True:
            found, token = self.jobs(kind="run", state=state, page_token=token)
            yield from found
            if not token:
                return

    # --- what came of it --------------------------------------------------------------------------

    def run_result(self, job_id: int) -> dict[str, Any]:
        """Return a run's figures, tables and bars as its report has them.

        Returns
        -------
        dict
            ``config``, what was asked for (YAML), and ``result``: ``digest``, ``events``,
            ``tiles``, ``metrics``, ``bars``, ``assumptions``, ``warnings``, ``legs``.

        Raises
        ------
        ServerRefusal
            If it failed, has not ended, or its folder is gone.
        """
        found = self._ask_run("GetResult", runs_pb2.GetRunResultRequest(job_id=job_id))
        return {"config": found.config, "result": json.loads(found.result)}

    def run_chart(
        self, job_id: int, chart: str, *, first_ns: int | None = None,
        last_ns: int | None = None, points_max: int | None = None, strategy: str = "",
        symbol: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Return a stretch of a chart, with few points, extremes among them.

        Parameters
        ----------
        job_id
        chart
            ``equity``, ``drawdown``, ``position`` or ``price``.
        first_ns, last_ns
            The stretch, ns since the epoch; None: all of it.
        points_max
            Of all lines together; None: 10,000.
        strategy, symbol
            Whose price or position; empty: the price of the first there is, all positions.

        Returns
        -------
        dict
            ``lines``, each with ``name``, ``ts_ns`` and ``values`` (currency, lots or price
            points; a value holds until the next one), ``fills`` of a price, ``legs``,
            ``first_ns``, ``last_ns``, ``whole_first_ns``, ``whole_last_ns``, ``rows``,
            ``fills_total``.
        """
        more = given({"first_ns": first_ns, "last_ns": last_ns, "points_max": points_max})
        request = runs_pb2.GetRunChartRequest(
            job_id=job_id, chart=chart, strategy=strategy, symbol=symbol, **more
        )
        return plain(self._ask_run("GetChart", request))

    def run_fills(self, job_id: int, *, page_size: int = 500) -> Iterator[dict[str, Any]]:
        """Give a run's fills in their order: ``ts_ns``, ``price``, ``lots`` (sold: below 0), …"""
        token = ""
        while True:
            request = runs_pb2.ListRunFillsRequest(
                job_id=job_id, page_size=page_size, page_token=token
            )
            page = self._ask_run("ListFills", request)
            yield from map(plain, page.fills)
            token = page.next_page_token
            if not token:
                return

    def run_files(self, job_id: int) -> list[dict[str, Any]]:
        """Return ``name`` and ``size_bytes`` of a run's files: its report, its tables."""
        found = self._ask_run("ListFiles", runs_pb2.ListRunFilesRequest(job_id=job_id))
        return [plain(one) for one in found.files]

    def save_run_file(self, job_id: int, name: str, path: Path, *, force: bool = False) -> Path:
        """Write one of a run's files to a path here; return that.

        Parameters
        ----------
        job_id
        name
            As `run_files` has it: ``report.html``.
        path
            It appears whole, or not at all.
        force
            Replace what is there.

        Raises
        ------
        OutputError
            If there is something, or it can't be written.
        """
        if path.exists() and not force:
            raise OutputError(f"{path}: expected no file there, found one; force=True replaces it")
        get = runs_pb2_grpc.RunServiceStub(self._channel).GetFile

        def saved(request: Any, *, metadata: Any, timeout: float) -> Path:
            with atomic_file(path) as file:
                for part in get(request, metadata=metadata, timeout=max(timeout, ANSWER_S)):
                    file.write(part.data)
            return path

        request = runs_pb2.GetRunFileRequest(job_id=job_id, name=name)
        found: Path = self._call(saved, request)
        return found

    def save_run(self, job_id: int, folder: Path, *, force: bool = False) -> list[Path]:
        """Write a run's files to a folder here, which is a run's folder then; return them.

        The manifest is the last one: a folder without is none of a complete run.

        Raises
        ------
        OutputError
            If one is there already and is not to be replaced (`force`), or can't be written.
        ProtocolError
            If the server names a file that would not lie in the folder: nothing is written.
        """
        names = [one["name"] for one in self.run_files(job_id)]
        for name in names:
            if not name or name in (".", "..") or "/" in name or "\0" in name:
                raise ProtocolError(
                    f"{self.server}: expected names of a run's files, found {name[:200]!r}"
                )
        if not force and (found := [one for one in names if (folder / one).exists()]):
            raise OutputError(
                f"{folder}: expected none of the run's files there, found {found[0]}; "
                "force=True replaces them"
            )
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        names.sort(key=lambda name: name == _MANIFEST)
        return [self.save_run_file(job_id, one, folder / one, force=force) for one in names]

    def explain_order(
        self, job_id: int, order: str, *, strategy: str = "", symbol: str = ""
    ) -> str:
        """Return an order's story; `order` is its ``client_order_id``."""
        request = runs_pb2.ExplainOrderRequest(
            job_id=job_id, order=order, strategy=strategy, symbol=symbol
        )
        return str(self._ask_run("Explain", request).story)

    def compare_runs(self, job_ids: Sequence[int]) -> dict[str, Any]:
        """Return runs side by side: their ``metrics``, and the ``differences`` of how they ran."""
        found = self._ask_run("Compare", runs_pb2.CompareRunsRequest(job_ids=job_ids))
        return _json(found.comparison)

    def reconcile_run(self, job_id: int, path: Path, *, within: str = "") -> dict[str, Any]:
        """Hold a run's fills against those of a file here, CSV or Parquet.

        Parameters
        ----------
        job_id
        path
        within
            How far apart one and the same fill may be; empty: ``1s``.

        Raises
        ------
        MissingFileError
            If the file can't be read.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise MissingFileError(f"{path}: expected a file of fills: {error.strerror}") from None
        request = runs_pb2.ReconcileRunRequest(
            job_id=job_id, file_name=path.name, data=data, within=within
        )
        return _json(self._ask_run("Reconcile", request).reconciliation)

    def run_spread(
        self, job_id: int, *, resamples: int | None = None, seed: int | None = None
    ) -> dict[str, Any]:
        """Say between what a run's figures lie when its trades are drawn again."""
        more = given({"resamples": resamples, "seed": seed})
        request = runs_pb2.SpreadRunRequest(job_id=job_id, **more)
        return _json(self._ask_run("Spread", request).spread)

    def _ask_run(self, name: str, request: Any) -> Any:
        stub = runs_pb2_grpc.RunServiceStub(self._channel)
        return self._call(patient(getattr(stub, name)), request)


def patient(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a call that may take as long as an answer from a run's folder does."""

    def asked(request: Any, *, metadata: Any, timeout: float) -> Any:
        return call(request, metadata=metadata, timeout=max(timeout, ANSWER_S))

    return asked


def either(config: str | Mapping[str, Any]) -> dict[str, str]:
    """Return a configuration as a request has it: as YAML, or as JSON of its values."""
    return {"yaml": config} if isinstance(config, str) else {"json": json.dumps(config)}


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
