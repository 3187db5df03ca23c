"""Data of a server, as Python: what there is, and jobs that look into files."""

import json
from collections.abc import Sequence
from typing import Any

from tapewire.services.client.jobs import JobCalls, ServerJob
from tapewire.services.client.plain import plain
from tapewire.services.proto import data_pb2, data_pb2_grpc


class DataCalls(JobCalls):
    """The calls of a client that are about datasets and files."""

    def datasets(self) -> tuple[list[dict[str, Any]], list[tuple[str, int]]]:
        """Return datasets that the store knows, and files that jobs may read with their sizes."""
        found = self._call(self._data.ListDatasets, data_pb2.ListDatasetsRequest())
        return (
            [plain(one) for one in found.datasets],
            [(one.name, one.size_bytes) for one in found.files],
        )

    def dataset(self, which: str) -> dict[str, Any]:
        """Return a dataset by id or name, with its description."""
        found = self._call(self._data.GetDataset, data_pb2.GetDatasetRequest(which=which))
        return {**plain(found.dataset), "description": json.loads(found.description)}

    def inspect_file(self, data: str, *, key: str = "") -> ServerJob:
        """Ask what is in a file; `follow_job` has the answer."""
        return self._asked(self._data.InspectFile, data_pb2.InspectFileRequest(data=data), key)

    def check_file(self, data: str, *, key: str = "") -> ServerJob:
        """Ask whether a file of MBO records is sound."""
        return self._asked(self._data.CheckFile, data_pb2.CheckFileRequest(data=data), key)

    def plot_file(
        self, data: str, *, symbol: str = "", start: str = "", end: str = "", key: str = ""
    ) -> ServerJob:
        """Ask for what a picture of a file is drawn from: a book and its trades, or bars.

        Parameters
        ----------
        data
            Its name in the server's folder of data.
        symbol
            Whose, where there are several.
        start, end
            ISO 8601 (UTC) or ns since the epoch; empty: all.
        key
            Of your choice: a call that comes again with it is the same job; empty: a new one.
        """
        request = data_pb2.PlotFileRequest(data=data, symbol=symbol, start=start, end=end)
        return self._asked(self._data.PlotFile, request, key)

    def derive_file(
        self, data: str, schema: str, *, symbols: Sequence[str] = (), start: str = "",
        end: str = "", output: str = "", key: str = "",
    ) -> ServerJob:  # fmt: skip
        """Ask for records of another schema, in a new file of the server's folder.

        Parameters
        ----------
        data
            MBO records, or what has trades.
        schema
            As of ``tapewire data derive``.
        symbols
            Only these; none: all.
        start, end
            As of `plot_file`.
        output
            The new name; empty: the file's, with the schema in place of its own.
        key
            As of `plot_file`.
        """
        request = data_pb2.DeriveFileRequest(
            data=data, schema=schema, symbols=symbols, start=start, end=end, output=output
        )
        return self._asked(self._data.DeriveFile, request, key)

    @property
    def _data(self) -> Any:
        return data_pb2_grpc.DataServiceStub(self._channel)
