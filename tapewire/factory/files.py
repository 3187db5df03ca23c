"""What jobs do with a server's files of data: say what is in one, check it, draw it, derive others.

All that is told of a file is by its name in the folder of data; where that is, is told to nobody.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.candles import Candles
from tapewire.compiled.units import PRICE_UNITS
from tapewire.config.schema import parse_time_ns
from tapewire.derive import SCHEMAS
from tapewire.errors import ConfigError
from tapewire.factory.datasets import read_bars
from tapewire.inputs.candles import CandleRequest
from tapewire.inputs.check import check_file
from tapewire.inputs.derive import derive_file
from tapewire.inputs.inspection import inspect_any
from tapewire.inputs.scenes import Scene, read_scene
from tapewire.market import UNDEF_PRICE
from tapewire.replay.any_schema import schema_of

Json = dict[str, Any]
#: Steps of time of a picture of bars at most, and trades of one of a book: the largest.
STEPS_MAX: Final = 1_600
TRADES_MAX: Final = 2_000
#: Levels a side whose lots are added up.
_LEVELS: Final = 10
#: Symbols that are told of at most: a file of a whole exchange has tens of thousands.
SYMBOLS_MAX: Final = 200
_NS_PER_MS: Final = 1_000_000
_DBN_SUFFIXES: Final = (".dbn", ".dbn.zst")


def inspect_data(path: Path, name: str) -> Json:
    """Return what is in a file, as `inspect_any` or, of bars, as `read_bars` describes it.

    Parameters
    ----------
    path
    name
        What it is called.

    Raises
    ------
    InputError, ConfigError
        As these.
    """
    if not name.endswith(_DBN_SUFFIXES):
        bars = read_bars(path)
        report = {k: v for k, v in bars.description.items() if k not in ("path", "read")}
        report["counts"] = dict(bars.candles.counts)
        return {"file": name, "kind": "bars", "report": report}
    report = asdict(inspect_any(path))
    report["path"] = name
    report["symbols_in_all"] = len(report["symbols"])
    report["symbols"] = report["symbols"][:SYMBOLS_MAX]
    return {"file": name, "kind": report["schema"], "report": report}


def check_data(path: Path, name: str) -> Json:
    """Return whether a file of MBO records is sound, as `check_file` does.

    Raises
    ------
    ConfigError
        If it is no DBN file.
    InputError
        As `check_file`.
    """
    if not name.endswith(_DBN_SUFFIXES):
        raise ConfigError(
            f"{name}: expected a .dbn or .dbn.zst file of schema mbo, found another kind; bars are "
            "checked as they are read"
        )
    report = asdict(check_file(path))
    report["path"] = name
    return {"file": name, "kind": "mbo", "report": report}


def derive_data(
    folder: Path | None,
    path: Path,
    name: str,
    *,
    schema: str,
    symbols: Sequence[str] = (),
    start: str = "",
    end: str = "",
    output: str = "",
    since: datetime | None = None,
) -> Json:
    """Make records of another schema of a file, as `derive_file` does, in a new file.

    Parameters
    ----------
    folder
        Of data.
    path, name
    schema, symbols
        See `derive_file`.
    start, end
        From when on and before when: ISO 8601 (UTC) or ns since the epoch; empty: all.
    output
        Its name in the folder; empty: the file's, with the schema in place of its own.
    since
        A file of that name that was written later than this is an earlier attempt's, and is
        replaced by the same; None: there was none, and no file is replaced.

    Raises
    ------
    ConfigError
        If a name leads out of the folder, or as `derive_file`.
    OutputError
        If there is such a file, or it can't be written.
    InputError
        As `derive_file`.
    """
    for key, given in (("start", start), ("end", end)):
        _moment(key, given)
    called = output or derived_name(name, schema)
    place = _new_place(folder, called)
    is_ours = since is not None and place.is_file() and place.stat().st_mtime >= since.timestamp()
    report = derive_file(
        path, place, schema=schema, symbols=tuple(symbols), start=start or None, end=end or None,
        force=is_ours,
    )  # fmt: skip
    return {
        "file": called,
        "kind": "derived",
        "schema": schema,
        "of": name,
        "report": {**asdict(report), "path": called},
    }


def derived_name(name: str, schema: str) -> str:
    """Return what a file that is made of another one is called: ``day.mbo.dbn`` → ``day.tbbo…``."""
    stem = name.removesuffix(".zst").removesuffix(".dbn")
    before, dot, last = stem.rpartition(".")
    if dot and (last in SCHEMAS or last == "mbo"):
        stem = before
    return f"{stem}.{schema}.dbn.zst"


def _new_place(folder: Path | None, name: str) -> Path:
    """Return where a new file of the folder of data is."""
    if folder is None:
        raise ConfigError("data: expected a server with a folder of data (--data), found none")
    root, parts = folder.resolve(), Path(name).parts
    is_plain = name.isprintable() and bool(parts) and not any(p.startswith(".") for p in parts)
    try:
        place = (root / name).parent.resolve() / Path(name).name
        if is_plain and place.is_relative_to(root) and place.parent.is_dir():
            return place
    except (OSError, ValueError):
        pass
    raise ConfigError(
        "output: expected a new name in the server's folder of data, in a folder that is there, "
        f"found {name[:200]!r}"
    )


def plot_data(
    path: Path, name: str, *, symbol: str | None = None, start: str = "", end: str = ""
) -> Json:
    """Return what a picture is drawn from: of MBO records one book over time, else bars.

    Parameters
    ----------
    path, name
    symbol
        Whose; None: the only one there is.
    start, end
        From when on and before when: ISO 8601 (UTC) or ns since the epoch; empty: all.

    Returns
    -------
    dict
        ``kind`` (``book`` or ``bars``), ``symbol``, ``start_ns`` (a text, since it is more than a
        browser's numbers hold), ``step_ms``, ``at_ms`` since then, and by moment, of a book:
        ``bid``, ``ask`` (None: nothing rests there), ``bid_lots``, ``ask_lots`` on ten levels,
        ``volume``, and ``trades`` (``at_ms``, price, lots, aggressor 1, −1 or 0); of bars:
        ``low``, ``high``, ``close``, ``volume``.

    Raises
    ------
    ConfigError
        If a moment is none, or as `read_scene`.
    InputError
        As reading the file.
    """
    start_ns, end_ns = _moment("start", start), _moment("end", end)
    if name.endswith(_DBN_SUFFIXES) and schema_of(str(path)) == "mbo":
        scene = read_scene(path, symbol=symbol, start_ns=start_ns, end_ns=end_ns)
        return {"file": name, **_of_book(scene)}
    bars = CandleRequest("", symbol=symbol).read(path)
    return {"file": name, **_of_bars(bars, name, start_ns, end_ns)}


def _moment(name: str, given: str) -> int | None:
    if not given:
        return None
    try:
        return parse_time_ns(int(given) if given.isdecimal() else given)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}, found {given[:80]!r}") from None


def _of_book(scene: Scene) -> Json:
    first = int(scene.steps[0])
    largest = np.argsort(-scene.trades[:, 2], kind="stable")[:TRADES_MAX]
    trades = scene.trades[np.sort(largest)]
    lots = scene.sizes[:, :, :_LEVELS].sum(axis=2)
    return {
        "kind": "book",
        "symbol": scene.symbol,
        "start_ns": str(first),
        "step_ms": scene.step_ns / _NS_PER_MS,
        "at_ms": ((scene.steps - first) / _NS_PER_MS).tolist(),
        "bid": _prices(scene.prices[:, 0, 0]),
        "ask": _prices(scene.prices[:, 1, 0]),
        "bid_lots": lots[:, 0].tolist(),
        "ask_lots": lots[:, 1].tolist(),
        "volume": scene.volume.tolist(),
        "trades": [
            [(at - first) / _NS_PER_MS, price / PRICE_UNITS, size, side]
            for at, price, size, side in trades.tolist()
        ],
        "trades_left_out": scene.trades_left_out + len(scene.trades) - len(trades),
    }


def _prices(column: npt.NDArray[np.int64]) -> list[float | None]:
    return [None if price == UNDEF_PRICE else price / PRICE_UNITS for price in column.tolist()]


def _of_bars(bars: Candles, name: str, start_ns: int | None, end_ns: int | None) -> Json:
    times = bars.ts_event
    begin = 0 if start_ns is None else int(np.searchsorted(times, start_ns))
    stop = len(times) if end_ns is None else int(np.searchsorted(times, end_ns))
    if begin >= stop:
        raise ConfigError(f"{name}: expected bars from start to end, found none there")
    # So many bars become one step, whose extremes are theirs.
    count = -(-(stop - begin) // STEPS_MAX)
    starts = np.arange(begin, stop, count)
    lasts = np.r_[starts[1:], stop] - 1
    low = np.minimum.reduceat(bars.low[:stop], starts)
    high = np.maximum.reduceat(bars.high[:stop], starts)
    first = int(times[begin])
    return {
        "kind": "bars",
        "symbol": bars.symbol,
        "start_ns": str(first),
        "step_ms": count * bars.interval_ns / _NS_PER_MS,
        "at_ms": ((times[starts] - first) / _NS_PER_MS).tolist(),
        "low": (low * bars.tick).tolist(),
        "high": (high * bars.tick).tolist(),
        "close": (bars.close[lasts] * bars.tick).tolist(),
        "volume": np.add.reduceat(bars.volume[:stop], starts).tolist(),
    }
