"""The shape of ``manifest.json`` as everything that reads one relies on it: it may be anybody's."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from tapewire.errors import FormatError

#: Money is written as text, exactly.
_Money = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,60}(\.[0-9]{1,60})?$")]
_Figure = _Money | int | float | bool | None
_Word = str | None


class _File(msgspec.Struct):
    bytes: int
    sha256: str


class _Leg(msgspec.Struct):
    strategy_id: str
    symbol: str
    leg: int = 0
    publisher_id: int = 0
    instrument_id: int = 0
    multiplier_num: int = 1
    multiplier_den: int = 1
    tick_size: int = 0


class _Results(msgspec.Struct):
    total: dict[str, _Figure]
    strategies: dict[str, dict[str, _Figure]] = {}


class _Unfinished(msgspec.Struct):
    """What any manifest may have, of these types; more keys may stand beside."""

    status: Literal["complete", "incomplete", "failed"]
    reason: str = ""
    digest: _Word = None
    digests: dict[str, str] = {}
    events: int | None = None
    elapsed_s: float | None = None
    events_per_s: float | None = None
    config: dict[str, Any] = {}
    versions: dict[str, _Word] = {}
    inputs: list[dict[str, Any]] = []
    counts: dict[str, Any] = {}
    stages: dict[str, dict[str, Any]] = {}
    warnings: list[str] = []
    rows: dict[str, int] = {}
    legs: list[_Leg] = []
    results: _Results | None = None
    files: dict[str, _File] = {}
    stream: dict[str, Any] = {}


class _Complete(_Unfinished, kw_only=True):
    """What a manifest with a result has, too; of a backtest on candles that is all."""

    results: _Results
    files: dict[str, _File]
    legs: list[_Leg]
    digest: str
    events: int
    elapsed_s: float
    events_per_s: float
    versions: dict[str, _Word]
    inputs: list[dict[str, Any]]


class _CompleteRun(_Complete, kw_only=True):
    """And of a run, which is all others."""

    config: dict[str, Any]


def require_shape(manifest: Any, file: Path) -> None:
    """Check what was read as a manifest, before anybody takes a key of it for what it is.

    Raises
    ------
    FormatError
        With the file, the key, what was expected and what was found.
    """
    if not isinstance(manifest, dict) or "status" not in manifest:
        raise FormatError(f"expected a JSON object with a status in {file}, found none")
    of_candles = manifest.get("kind") == "candles"
    whole = _Complete if of_candles else _CompleteRun
    shape = whole if manifest["status"] == "complete" else _Unfinished
    try:
        msgspec.convert(manifest, shape)
    except (msgspec.ValidationError, RecursionError) as error:
        raise FormatError(f"expected a run's manifest in {file}, found another: {error}") from None
