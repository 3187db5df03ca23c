"""What captures among a run's data have beside their MBO records."""

from pathlib import Path
from typing import TYPE_CHECKING

from tapewire.config.schema import DatabentoSource, RunConfig

if TYPE_CHECKING:
    from tapewire.replay.beside import Beside


def beside_of(config: RunConfig) -> "list[Beside]":
    """Read the data files of a configuration that have several schemas; other files by header.

    A file that is not here is the replay's to miss: with ``--connect`` it may be on another host.

    Raises
    ------
    FormatError
        If one of several schemas has a record that can be none.
    """
    source = config.backtest.data_source
    if not isinstance(source, DatabentoSource):
        return []
    from tapewire.replay.beside import read_beside

    return [read_beside(path) for path in source.files if Path(path).is_file()]
