"""The vendor's ``symbology.json``, which a batch download has beside its files.

It is used where a file's own header maps no symbols. Its form is the answer of the vendor's
``symbology.resolve``: ``result`` maps each symbol to its intervals, each of a first day ``d0``, a
day after the last ``d1`` and what it stands for then ``s``.
"""

import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import databento_dbn as dbn

from tapewire.errors import FormatError
from tapewire.wire.messages import MAPPINGS_MAX

SYMBOLOGY_FILE: Final = "symbology.json"
#: A million mappings take about 80 bytes each.
SYMBOLOGY_BYTES_MAX: Final = 192 << 20
#: Untyped: the vendor's stubs call enum members strings.
_DBN: Final[Any] = dbn


def with_symbology(path: str, metadata: dbn.Metadata) -> dbn.Metadata | None:
    """Return a file's metadata with the mappings that lie beside it; None where there are none.

    Parameters
    ----------
    path
        The market data file.
    metadata
        Of its own header, which maps nothing.

    Raises
    ------
    FormatError
        If there is a ``symbology.json`` that can't be read as such.
    """
    beside = Path(path).with_name(SYMBOLOGY_FILE)
    if not beside.is_file():
        return None
    body = _read(beside)
    stype_in, stype_out = _stype(beside, body, "stype_in"), _stype(beside, body, "stype_out")
    mappings = [
        SimpleNamespace(raw_symbol=symbol, intervals=list(_intervals(beside, symbol, rows)))
        for symbol, rows in body["result"].items()
    ]
    return _DBN.Metadata(  # type: ignore[no-any-return]
        metadata.dataset,
        metadata.start,
        stype_in,
        stype_out,
        metadata.schema,
        symbols=list(metadata.symbols) or list(body["result"]),
        partial=list(metadata.partial),
        not_found=list(metadata.not_found),
        mappings=mappings,
        end=metadata.end,
        ts_out=metadata.ts_out,
        version=metadata.version,
    )


def _read(path: Path) -> dict[str, Any]:
    size = os.stat(path).st_size  # noqa: PTH116
    if size > SYMBOLOGY_BYTES_MAX:
        raise FormatError(
            f"{path}: expected at most {SYMBOLOGY_BYTES_MAX:,} bytes of symbology, found {size:,}"
        )
    try:
        body = json.loads(path.read_bytes())
    except OSError as error:
        raise FormatError(f"{path}: can't be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: expected JSON ({str(error)[:200]})") from None
    if not isinstance(body, dict) or not isinstance(body.get("result"), dict):
        raise FormatError(f"{path}: expected a map of symbols under result: it is no symbology")
    count = sum(len(rows) for rows in body["result"].values() if isinstance(rows, list))
    if count > MAPPINGS_MAX:
        raise FormatError(f"{path}: has {count} symbol mappings; at most {MAPPINGS_MAX}")
    return body


def _stype(path: Path, body: dict[str, Any], key: str) -> Any:
    try:
        return _DBN.SType.from_str(body[key])
    except (KeyError, TypeError, ValueError, _DBN.DBNError):
        raise FormatError(
            f"{path}: {key}: expected a symbology type as raw_symbol, found {body.get(key)!r:.80}"
        ) from None


def _intervals(path: Path, symbol: str, rows: Any) -> Iterator[SimpleNamespace]:
    try:
        for row in rows:
            yield SimpleNamespace(
                start_date=dt.date.fromisoformat(row["d0"]),
                end_date=dt.date.fromisoformat(row["d1"]),
                symbol=str(row["s"]),
            )
    except (KeyError, TypeError, ValueError):
        raise FormatError(
            f"{path}: result.{symbol[:80]}: expected intervals of d0, d1 and s, found another thing"
        ) from None
