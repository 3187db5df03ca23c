"""A data source as it is typed on a command line: names of files, and which records of them."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from tapewire.config.data_files import CONTRACT_OPTIONS, expand_source
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import DatabentoSource
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError
from tapewire.market.continuous import root_of

Names = Sequence[str | os.PathLike[str]]
_OPTIONS: Final[dict[KeyPath, str]] = {
    (key,): f"--{key}" for key in ("symbols", "start", "end", "warmup", "duplicates")
}


def contract_files(
    definitions: Names = (), statistics: Names = (), volumes: Names = ()
) -> dict[str, list[str]]:
    """Return names of files that say something about contracts, by their key of `data_source`."""
    named = zip(CONTRACT_OPTIONS, (definitions, statistics, volumes), strict=True)
    return {key: [os.fspath(name) for name in names] for key, names in named if names}


def typed_source(
    files: Names,
    options: Mapping[str, Any],
    contracts: Mapping[str, Sequence[str]] | None = None,
    always: Sequence[str] = (),
) -> tuple[DatabentoSource, list[str]]:
    """Return the data source that names and options stand for, and notes on what was left out.

    Parameters
    ----------
    files
        As `tapewire.config.data_files.expand_source` takes them.
    options
        Values of other keys of `data_source`; those that are None are left out.
    contracts
        Of `contract_files`.
    always
        Keys of it that are of use where no symbol goes by them, too.

    Raises
    ------
    ConfigError
        If a name fits no file, a value is not as it should be, or files about contracts are named
        where no symbol goes by them.
    """
    contracts = contracts or {}
    symbols = options.get("symbols") or ()
    idle = [key for key in contracts if key not in always]
    if idle and not any(isinstance(one, str) and root_of(one) for one in symbols):
        typed = ", ".join(CONTRACT_OPTIONS[key] for key in idle)
        raise ConfigError(
            f"{typed}: only for continuous symbols (ES.c.0, ES.v.0, ES.n.0) and parents (ES.FUT): "
            "name one with --symbols"
        )
    placed, notes = expand_source({"files": [os.fspath(file) for file in files], **contracts})
    given = {key: value for key, value in options.items() if value is not None}
    try:
        source = DatabentoSource.model_validate({"type": "databento", **placed, **given})
    except ValidationError as error:
        problems = Problems(Places("command line", typed=_OPTIONS))
        problems.add_validation(error, DatabentoSource, {})
        problems.raise_if_any()
        raise  # unreachable: there was an error
    return source, notes
