"""What is no DBN file, or none of the schema that is asked for, in words."""

from typing import Final

from databento_dbn import Metadata

from tapewire.errors import FormatError
from tapewire.replay.levels import SCHEMAS as LEVEL_SCHEMAS
from tapewire.replay.levels import WITHOUT_LEVELS


def require_plausible(path: str, head: bytes) -> None:
    """Refuse a file that has nothing in it, by its first bytes."""
    if not head:
        raise FormatError(f"{path}: is empty; expected a DBN file")


def no_dbn(path: str, found: bytes) -> str:
    """Say what a file is that does not begin as DBN does."""
    if found[0] in range(4, 256) and found[1] in _RTYPES and found[0] * 4 >= 16:
        return (
            f"{path}: has records but no DBN header (a fragment); expected a whole DBN file: "
            "join it to its header, or download it again"
        )
    if found[:4] == b"PAR1" or found[:3] == b"ts_":
        kind = "Parquet" if found[:4] == b"PAR1" else "CSV"
        return (
            f"{path}: is a {kind} file, as exports are; expected DBN: make it one with "
            f"`tapewire data convert {path} -o OUTPUT.dbn.zst`"
        )
    return f"{path}: is not a DBN file: expected it to begin with b'DBN', found {found[:4]!r}"


#: Record types a headerless fragment may begin with (rtype values of the DBN specification).
_RTYPES: Final = frozenset(
    bytes.fromhex("00 01 0a 11 12 13 14 15 16 17 18 20 21 22 23 24 a0 b1 c0 c1 c2 c3 c4")
)


def decode_metadata(path: str, header: bytes) -> Metadata:
    """Decode a whole header by Databento's decoder; FormatError where it can't."""
    try:
        return Metadata.decode(header)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the decoder is not an Exception
        raise FormatError(f"{path}: its DBN header is corrupt: {str(error)[:200]}") from None


def require_schema(path: str, metadata: Metadata, schema: str, record_bytes: int) -> None:
    """Refuse a file of another schema than is asked for, and say what to do."""
    name = schema.upper() if schema == "mbo" else schema
    if metadata.schema is None:
        raise FormatError(
            f"{path}: mixes schemas (a live capture), of which MBO records can be played; expected "
            f"schema {schema} alone: write its {name} records to a file of their own"
        )
    if str(metadata.schema) != schema:
        hint = f"request the {schema} schema for these symbols"
        if schema == "mbo" and str(metadata.schema) in ("status", "definition", "statistics"):
            hint = f"name it in data_source.{metadata.schema}_files"
        elif schema == "mbo" and str(metadata.schema) in WITHOUT_LEVELS:
            hint = (
                "it has no book to trade in; try strategies on its bars with `tapewire candles`, "
                f"or request mbo, {', '.join(LEVEL_SCHEMAS)}"
            )
        raise FormatError(f"{path}: has schema {metadata.schema}; expected {schema}: {hint}")
    if metadata.ts_out:
        raise FormatError(
            f"{path}: its records carry ts_out ({record_bytes + 8} bytes each); expected plain "
            f"{name} records of {record_bytes} bytes: capture without ts_out"
        )
