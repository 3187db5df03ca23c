"""Which schema a DBN file has, told from its header alone."""

from pathlib import Path
from typing import Final

from tapewire.replay.dbn import DbnFile

#: What `schema_of` says of a file with records of several schemas (a live capture).
MIXED: Final = "mixed"


def schema_of(path: str) -> str:
    """Return the schema that a file's header states, as ``mbo``; `MIXED` where it has several.

    Raises
    ------
    MissingFileError, FormatError
        As `tapewire.replay.dbn.DbnFile`.
    """
    with DbnFile(path, schema=None) as file:
        schema = file.metadata.schema
        return MIXED if schema is None else str(schema)


def beside(path: Path, schema: str) -> Path:
    """Return the name of a file of another schema beside one of records."""
    packed = path.name.endswith(".zst")
    stem = path.name.removesuffix(".zst").removesuffix(".dbn").removesuffix(".mbo")
    return path.with_name(f"{stem}.{schema}.dbn{'.zst' if packed else ''}")
