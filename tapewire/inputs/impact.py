"""``tapewire data impact``: what trades did to the mid of a file, as a section to paste."""

import json
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from tapewire.atomic import atomic_file
from tapewire.compiled.units import NS_PER_DAY, NS_PER_S, PRICE_UNITS
from tapewire.errors import ConfigError, NoDataError
from tapewire.features import FeaturePass, FeatureSet, Sampling
from tapewire.features.passing import warm_up
from tapewire.inputs.inspection import book_limits
from tapewire.inputs.propagator import (
    SHAPES,
    Propagator,
    Response,
    Shape,
    Trading,
    propagator,
    responses,
)
from tapewire.inputs.telling import Steps, tell
from tapewire.market import InstrumentTable
from tapewire.market.records import MBO_DTYPE, UNDEF_PRICE
from tapewire.processes.signals import interruptible
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.reused_ids import require_one_symbol

_CHUNK_RECORDS: Final = 65_536
TRADES_MIN: Final = 100
#: A push that is not that many standard errors from nothing is none.
_ERRORS_MIN: Final = 3
#: What a configuration takes.
_Y_MAX: Final = 10
_BPS_MAX: Final = 10_000


@dataclass(frozen=True)
class ImpactReport:
    """What `impact_file` found in one book.

    Attributes
    ----------
    trades, lots : int
        Those with an aggressor's side; what is captured at one time counts as one.
    mean_mid : float
        In price.
    daily_volatility_bps, daily_volume : float, int
        As if a whole day were like the time from the first to the last trade.
    responses : list of Response
    propagator : Propagator
        Of the shape that explains more, or was asked for.
    market_impact : dict
        The section of a configuration.
    """

    path: str
    symbol: str
    publisher_id: int
    trades: int
    lots: int
    span_s: float
    mean_mid: float
    multiplier: float
    daily_volatility_bps: float
    daily_volume: int
    responses: list[Response]
    propagator: Propagator
    market_impact: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        curve = self.propagator
        rows = zip(curve.lag_ns, curve.bps, curve.stderr_bps, curve.curve_bps, strict=True)
        names = ("lag_ns", "bps", "stderr_bps", "curve_bps")
        return asdict(self) | {
            "propagator": {
                "shape": curve.shape,
                "explained": curve.explained,
                "points": [dict(zip(names, map(float, row), strict=True)) for row in rows],
            }
        }


def impact_file(
    path: str | os.PathLike[str],
    *,
    symbol: str | None = None,
    shape: Shape | None = None,
    multiplier: float = 1.0,
    plot: str | os.PathLike[str] | None = None,
    as_json: bool = False,
    console: Console | None = None,
) -> ImpactReport:
    """Fit how trades of one book moved its mid, and print what a configuration would say of it.

    Memory follows the number of trades and of changes of the mid.

    Parameters
    ----------
    path
        A DBN file of schema ``mbo``.
    symbol
        Whose book; by default the one with most trades.
    shape
        ``linear`` in lots, or by their ``square_root``; by default what explains more.
    multiplier
        Currency per price unit and lot, which a market data file does not tell.
    plot
        An .html file to write a picture to; an existing one is replaced.
    as_json
        Print one JSON object.

    Raises
    ------
    ConfigError
        If the multiplier is not above 0, or the plot no .html file.
    InputError
        If the file can't be used, or has too few trades with an aggressor's side.
    OutputError
        If the picture can't be written.
    """
    if not 0 < multiplier < float("inf"):
        raise ConfigError(f"multiplier: expected more than 0, found {multiplier:g}")
    if plot is not None and Path(plot).suffix != ".html":
        raise ConfigError(f"plot: expected a name that ends in .html, found {plot}")
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        stack.enter_context(book_limits(path))
        trading, name, publisher_id = _read(os.fspath(path), symbol, stack)
        report = _report(os.fspath(path), name, publisher_id, trading, shape, multiplier)
    if plot is not None:
        with atomic_file(Path(plot)) as file:
            file.write(_picture(report).encode())
    if console is not None:
        if as_json:
            console.print_json(json.dumps(report.to_dict(), allow_nan=False))
        else:
            _show(report, console)
            if plot is not None:
                tell(console, f"picture: {plot}")
    return report


def _read(path: str, symbol: str | None, stack: ExitStack) -> tuple[Trading, str, int]:
    """Trades and mids of the book asked for, its symbol and publisher."""
    plan = ReplayPlan(files=(path,), symbols=(symbol,) if symbol else ())
    warm_up(lambda text: tell(Console(stderr=True), text))
    source = stack.enter_context(open_source(plan))
    steps = stack.enter_context(Steps("reading trades and mids", source.info.records))
    require_one_symbol(source.info)
    names = InstrumentTable((m.raw_symbol, m.instrument_id) for m in source.info.mappings)
    ahead = FeaturePass(FeatureSet(["mid"]), Sampling.of("trade"), keeps_mids=True)
    chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
    trades, rows, mids = [], [], []
    while n := source.fill(chunk):
        records = chunk[:n]
        signed = (records["action"] == ord("T")) & np.isin(records["side"], (ord("B"), ord("A")))
        trades.append(records[signed].copy())
        for given in ahead.feed(records):
            rows.append(given.rows)
            mids.append(given.mids)
        steps(source.events)
    for given in ahead.finish():
        rows.append(given.rows)
        mids.append(given.mids)
    all_trades = np.concatenate(trades)
    if all_trades.size < TRADES_MIN:
        raise NoDataError(
            f"{path}: expected at least {TRADES_MIN} trades with an aggressor's side, found "
            f"{all_trades.size:,} in {source.events:,} records"
        )
    keys = (all_trades["publisher_id"].astype(np.int64) << 32) | all_trades["instrument_id"]
    found, counts = np.unique(keys, return_counts=True)
    key = int(found[np.argmax(counts)])
    publishers, instruments = ahead.keys(np.arange(ahead.book_n))
    book = int(np.flatnonzero((publishers << 32 | instruments) == key)[0])
    trading = _trading(
        all_trades[keys == key],
        *(every[every["book"] == book] for every in (np.concatenate(rows), np.concatenate(mids))),
    )
    name = names.get(key & 0xFFFFFFFF).symbol
    if trading.ts.size < TRADES_MIN:
        raise NoDataError(
            f"{path}: expected at least {TRADES_MIN} moments with trades of {name}, found "
            f"{trading.ts.size:,}"
        )
    return trading, name, key >> 32


def _trading(trades: npt.NDArray[Any], rows: npt.NDArray[Any], mids: npt.NDArray[Any]) -> Trading:
    """Put trades to the events that they were part of; those of one moment are one."""
    place = np.searchsorted(rows["ts"], trades["ts_recv"].astype(np.int64), "left")
    kept = place < rows.size  # an event that the file cuts off has no row
    signs = np.where(trades["side"] == ord("B"), 1, -1)[kept]
    lots = np.bincount(place[kept], signs * trades["size"][kept].astype(np.int64), rows.size)
    use = np.flatnonzero(lots)
    known = mids["mid"] != UNDEF_PRICE
    return Trading(
        rows["ts"][use].copy(),
        rows["event"][use].copy(),
        lots[use].astype(np.int64),
        mids["ts"].copy(),
        mids["event"].copy(),
        np.where(known, mids["mid"] / (2 * PRICE_UNITS), np.nan),
    )


def _report(
    path: str, symbol: str, publisher_id: int, trading: Trading, shape: Shape | None,
    multiplier: float,
) -> ImpactReport:  # fmt: skip
    try:
        curves = [propagator(trading, one) for one in ([shape] if shape else SHAPES)]
    except ValueError as error:
        raise NoDataError(f"{path}: {symbol}: {error}") from None
    curve = max(curves, key=lambda one: one.explained)
    mean_mid = float(np.nanmean(trading.mid))
    days = max(trading.span_ns, NS_PER_S) / NS_PER_DAY
    volatility = _daily_volatility_bps(trading)
    lots = int(np.abs(trading.lots).sum())
    volume = max(1, round(lots / days))
    return ImpactReport(
        path, symbol, publisher_id, trading.ts.size, lots, trading.span_ns / NS_PER_S,
        mean_mid, multiplier, volatility, volume, responses(trading), curve,
        _section(curve, mean_mid, multiplier, volatility, volume),
    )  # fmt: skip


def _daily_volatility_bps(trading: Trading) -> float:
    """Root of the squared returns of whole minutes, scaled to a day."""
    at = np.arange(trading.ts[0], trading.ts[0] + trading.span_ns + 1, 60 * NS_PER_S)
    place = np.searchsorted(trading.mid_ts, at, "right") - 1
    mids = np.where(place >= 0, trading.mid[np.maximum(place, 0)], np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.diff(mids) / np.abs(mids[:-1]) * 10_000
    returns = returns[np.isfinite(returns)]
    if not returns.size:
        return 0.0
    return float(np.sqrt((returns**2).mean() * NS_PER_DAY / (60 * NS_PER_S)))


def _section(
    curve: Propagator, mean_mid: float, multiplier: float, volatility: float, volume: int
) -> dict[str, Any]:
    """The section ``market_impact`` that says what the curve does."""
    if curve.push_bps <= _ERRORS_MIN * curve.stderr_bps[0]:
        return {"type": "none"}
    if curve.shape == "linear":
        rate = curve.push_bps * 1e6 / (abs(mean_mid) * multiplier)
        numbers = {"impact_bps_per_million": round(min(rate, _BPS_MAX), 6)}
    else:
        sigma = max(round(volatility, 3), 0.001)
        y = round(min(curve.push_bps * float(np.sqrt(volume)) / sigma, _Y_MAX), 3)
        numbers = {"y": y, "daily_volatility_bps": sigma, "daily_volume": volume}
    return {"type": curve.shape, **numbers, "decay": curve.decay}


def section_yaml(section: dict[str, Any]) -> str:
    """The section as YAML, to be pasted under ``backtest.execution``."""
    lines = ["market_impact:"]
    for name, value in section.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{key}: {one}" for key, one in value.items())
            value = f"{{{inner}}}"
        lines.append(f"  {name}: {value}")
    return "\n".join(lines)


def _lag(lag: float, unit: str) -> str:
    if unit == "events":
        return f"{lag:,.0f} events"
    return f"{lag / 1e6:,.0f} ms" if lag < NS_PER_S else f"{lag / NS_PER_S:,.3g} s"


def _show(report: ImpactReport, console: Console) -> None:
    tell(
        console,
        f"{report.path}: {report.symbol}, {report.trades:,} trades of {report.lots:,} lots in "
        f"{report.span_s:,.0f} s",
    )
    response = Table("after a trade", "response, bps", "± error", "per lot, bps", "trades")
    for row in report.responses:
        response.add_row(
            _lag(row.lag, row.unit), f"{row.bps:.4f}", f"{row.stderr_bps:.4f}",
            f"{row.bps_per_lot:.5f}", f"{row.trades:,}",
        )  # fmt: skip
    curve = report.propagator
    what = "lot" if curve.shape == "linear" else "√lot"
    fitted = Table("lag", f"one {what} alone, bps", "± error", "curve")
    for lag, *values in zip(
        curve.lag_ns, curve.bps, curve.stderr_bps, curve.curve_bps, strict=True
    ):
        fitted.add_row(_lag(float(lag), "ns"), *(f"{value:.5f}" for value in values))
    for table in (response, fitted):
        for column in table.columns:
            column.justify = "right"
        console.print(table)
    tell(
        console,
        f"the curve explains {100 * curve.explained:.1f} % of the variance of returns; what is "
        f"left at {_lag(float(curve.lag_ns[-1]), 'ns')} counts as permanent; multiplier "
        f"{report.multiplier:g}",
    )
    if report.market_impact["type"] == "none":
        tell(console, f"no push stands out: it is within {_ERRORS_MIN} standard errors of none")
    tell(console, f"\n{section_yaml(report.market_impact)}")


def _picture(report: ImpactReport) -> str:
    """A page of its own that opens offline."""
    # Slow to load, and of use here alone.
    from tapewire.analytics.charts import curve_chart
    from tapewire.analytics.rendering import render_page

    curve = report.propagator
    what = "lot" if curve.shape == "linear" else "root of lots"
    seconds = curve.lag_ns / NS_PER_S
    data, frame = curve_chart(
        f"What one {what} alone does to the mid",
        f"basis points per {what}",
        "Seconds after the trade",
        seconds,
        {"least squares": (curve.bps, curve.stderr_bps), curve.decay["type"]: curve.curve_bps},
    )
    return render_page(
        data,
        brand="Tapewire impact",
        title=report.symbol,
        version=version("tapewire"),
        period=f"{report.trades:,} trades",
        charts=[frame],
        parts=[],
        footnote="Fitted to signed volume and the mid; bars are one standard error either way.",
    )
