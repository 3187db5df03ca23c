"""``tapewire data plot``: a picture of a book over time, with its trades."""

import base64
import io
import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console

from tapewire.atomic import atomic_file
from tapewire.compiled.units import PRICE_UNITS
from tapewire.config.schema import parse_time_ns
from tapewire.errors import ConfigError
from tapewire.inputs.scenes import DEPTH, Scene, read_scene
from tapewire.inputs.telling import iso, tell
from tapewire.market import UNDEF_PRICE
from tapewire.processes.signals import interruptible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS: Final = (".png", ".svg", ".html")
#: Rows of prices in the map at most; a row is a whole number of ticks.
_ROWS_MAX: Final = 240
#: Ticks above and below where the touch was.
_MARGIN_TICKS: Final = 12
_INCHES: Final = (14, 9)
_DPI: Final = 110
#: Areas of the smallest and largest dot, in points².
_DOT_AREAS: Final = (4, 90)
#: Beyond so many dots they are drawn smaller.
_DOTS_LARGE: Final = 800
_BID, _ASK = "#3b8bd6", "#e0803a"
_AGGRESSORS: Final = ((1, "bought", "#5fe3a1"), (-1, "sold", "#ff6b81"), (0, "no side", "#d5dae2"))
_PAPER, _INK, _GRID = "#10141a", "#d5dae2", "#2a313c"


def plot_file(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    symbol: str | None = None,
    publisher: int | None = None,
    start: str | int | None = None,
    end: str | int | None = None,
    console: Console | None = None,
) -> Scene:
    """Draw one book over time: lots by price as a map, the touch, the trades, depth and volume.

    Parameters
    ----------
    path
        A DBN file of schema ``mbo``.
    output
        ``….png``, ``….svg``, or ``….html``: one page that opens offline. A file there is replaced.
    symbol, publisher
        As in `read_scene`.
    start, end
        ``ts_recv`` from which on and before which it is drawn: ISO 8601 (UTC where no zone is
        given) or ns since the epoch; what came earlier builds the book.

    Raises
    ------
    ConfigError
        If the output's name ends otherwise, is the input, or matplotlib is missing; and as
        `read_scene`.
    InputError
        As `read_scene`.
    OutputError
        If the file can't be written.
    InterruptedRunError
        If the user stopped it; what was there before is untouched.
    """
    output = Path(output)
    if output.exists() and Path(path).exists() and output.samefile(path):
        raise ConfigError(f"output: {output} is the input {path}; choose another name with -o")
    if output.suffix not in ENDINGS:
        raise ConfigError(
            f"output: expected a name ending in {', '.join(ENDINGS)}, found {output.name!r}"
        )
    if find_spec("matplotlib") is None:
        raise ConfigError(
            "data plot needs the package matplotlib, found none: pip install 'tapewire[plot]'"
        )
    start_ns, end_ns = _moment("start", start), _moment("end", end)
    with interruptible():
        scene = read_scene(
            path, symbol=symbol, publisher=publisher, start_ns=start_ns, end_ns=end_ns
        )
        figure = draw(scene)
        with atomic_file(output) as file:
            if output.suffix == ".html":
                file.write(_page(scene, figure).encode())
            else:
                figure.savefig(file, format=output.suffix[1:], dpi=_DPI)
    left_out = f", {scene.trades_left_out:,} smaller ones left out" if scene.trades_left_out else ""
    tell(
        console,
        f"{output}: {scene.symbol}, {iso(int(scene.steps[0]))} to {iso(int(scene.steps[-1]))}, "
        f"{len(scene.steps):,} steps of {scene.step_ns / 1e6:g} ms, "
        f"{len(scene.trades):,} trades{left_out}",
    )
    return scene


def _moment(name: str, given: str | int | None) -> int | None:
    """Return ns since the epoch of what was typed."""
    if given is None:
        return None
    try:
        return parse_time_ns(given)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}, found {given!r}") from None


# --- the map --------------------------------------------------------------------------------------


def price_rows(scene: Scene) -> tuple[int, int, int]:
    """Return the lowest price of the map, a row's height in 1e-9, and how many rows there are.

    A row is a whole number of ticks, which are the finest step between the levels seen.
    """
    there = scene.prices[scene.prices != UNDEF_PRICE]
    if not there.size:
        return 0, PRICE_UNITS, 1
    levels = np.unique(there)
    tick = int(np.gcd.reduce(np.diff(levels))) if levels.size > 1 else PRICE_UNITS
    touch = scene.prices[:, :, 0]
    touch = touch[touch != UNDEF_PRICE]
    # A few wild quotes would leave no room for the rest.
    low, high = (int(v) for v in np.percentile(touch, (1, 99), method="nearest"))
    low = max(low - _MARGIN_TICKS * tick, int(levels[0]))
    high = min(high + _MARGIN_TICKS * tick, int(levels[-1]))
    low -= (low - int(levels[0])) % tick
    step = tick * -(-((high - low) // tick + 1) // _ROWS_MAX)
    return low, step, (high - low) // step + 1


def lots_map(scene: Scene) -> npt.NDArray[np.int64]:
    """Return lots by price and step of time: (rows, steps), lowest price first."""
    low, step, n = price_rows(scene)
    lots = np.zeros((n, len(scene.steps)), np.int64)
    rows = (np.where(scene.prices == UNDEF_PRICE, low - step, scene.prices) - low) // step
    inside = (rows >= 0) & (rows < n)
    columns = np.broadcast_to(np.arange(len(scene.steps))[:, None, None], rows.shape)
    np.add.at(lots, (rows[inside], columns[inside]), scene.sizes[inside])
    return lots


# --- the picture ----------------------------------------------------------------------------------


def draw(scene: Scene) -> "Figure":
    """Return the picture as a figure of matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, facecolor=_PAPER, layout="constrained")
    prices, depth, volume = figure.subplots(3, 1, sharex=True, height_ratios=(6, 1.4, 1))
    times = scene.steps.view("datetime64[ns]")
    _draw_map(prices, scene, times, figure)
    _draw_depth(depth, scene, times)
    volume.step(times, scene.volume, where="post", color=_INK, linewidth=0.8)
    volume.fill_between(times, scene.volume, step="post", color=_INK, alpha=0.4)
    volume.set_ylabel("lots traded")
    for axes in (prices, depth, volume):
        _style(axes)
    figure.suptitle(
        f"{scene.symbol}   {iso(int(scene.steps[0]))[:19]} to {iso(int(scene.steps[-1]))[:19]} UTC",
        color=_INK,
    )
    return figure


def _draw_map(axes: "Axes", scene: Scene, times: npt.NDArray[Any], figure: "Figure") -> None:
    from matplotlib.colors import LogNorm
    from matplotlib.dates import date2num

    low, step, n = price_rows(scene)
    lots = lots_map(scene)
    edges = (low - step / 2) / PRICE_UNITS, (low + (n - 0.5) * step) / PRICE_UNITS
    end = times[-1] + np.timedelta64(scene.step_ns, "ns")
    first, last = (float(v) for v in date2num([times[0], end]))  # type: ignore[no-untyped-call]
    largest = max(2, float(np.percentile(lots[lots > 0], 99.5)) if (lots > 0).any() else 2)
    image = axes.imshow(
        np.ma.masked_equal(lots, 0), aspect="auto", origin="lower", interpolation="nearest",
        extent=(first, last, *edges), cmap="magma", norm=LogNorm(1, largest),
    )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=40)
    bar.set_label("lots that rest", color=_INK)
    bar.ax.tick_params(colors=_INK)
    for side, name, colour in ((0, "best bid", _BID), (1, "best ask", _ASK)):
        touch = scene.prices[:, side, 0]
        shown = np.where(touch == UNDEF_PRICE, np.nan, touch / PRICE_UNITS)
        axes.step(times, shown, where="post", color=colour, linewidth=1, label=name)
    _draw_trades(axes, scene)
    axes.set_ylim(*edges)
    axes.set_ylabel("price")
    axes.legend(loc="upper left", facecolor=_PAPER, edgecolor=_GRID, labelcolor=_INK, fontsize=8)


def _draw_trades(axes: "Axes", scene: Scene) -> None:
    trades = scene.trades
    if not len(trades):
        return
    small, large = (area * min(1, _DOTS_LARGE / len(trades)) for area in _DOT_AREAS)
    share = np.sqrt(trades[:, 2] / max(1, trades[:, 2].max()))
    moments = trades[:, 0].astype("datetime64[ns]")
    for side, name, colour in _AGGRESSORS:
        of = trades[:, 3] == side
        if of.any():
            axes.scatter(
                moments[of],
                trades[of, 1] / PRICE_UNITS, s=small + (large - small) * share[of],
                facecolors="none", edgecolors=colour, linewidths=0.8, label=name, zorder=3,
            )  # fmt: skip


def _draw_depth(axes: "Axes", scene: Scene, times: npt.NDArray[Any]) -> None:
    """Lots on the ten best levels: bids upwards, asks downwards."""
    for side, sign, colour in ((0, 1, _BID), (1, -1, _ASK)):
        lots = sign * scene.sizes[:, side, :10].sum(axis=1)
        axes.fill_between(times, lots, step="post", color=colour, alpha=0.6, linewidth=0)
    axes.axhline(0, color=_GRID, linewidth=0.8)
    axes.set_ylabel("lots, 10 levels\nasks    bids")


def _style(axes: "Axes") -> None:
    axes.set_facecolor(_PAPER)
    axes.tick_params(colors=_INK)
    axes.yaxis.label.set_color(_INK)
    for spine in axes.spines.values():
        spine.set_color(_GRID)


def _page(scene: Scene, figure: "Figure") -> str:
    """A page of its own that opens offline: the picture, and touch and trades to zoom into."""
    from tapewire.analytics.charts import market_chart
    from tapewire.analytics.rendering import render_page

    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DPI)
    data, frame = market_chart(
        {name: _touch(scene, side) for side, name in enumerate(("best bid", "best ask"))},
        {name: _dots(scene, side) for side, name, _ in _AGGRESSORS if _dots(scene, side)[0].size},
    )
    left_out = scene.trades_left_out
    return render_page(
        data,
        brand="Tapewire data",
        title=scene.symbol,
        version=version("tapewire"),
        period=f"{iso(int(scene.steps[0]))} to {iso(int(scene.steps[-1]))} (ts_recv, UTC)",
        pictures=[
            {
                "title": "The book",
                "source": f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}",
                "alt": "Lots by price over time, best prices, trades, depth, volume",
                "note": f"The book every {scene.step_ns / 1e6:g} ms; dark is where nothing rests, "
                f"or beyond {DEPTH} levels a side.",
            }
        ],
        charts=[frame],
        parts=[],
        footnote=f"{len(scene.trades):,} trades"
        + (f"; {left_out:,} smaller ones left out." if left_out else "."),
    )


def _touch(scene: Scene, side: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A side's best price over time; where there is none, the one before holds."""
    there = scene.prices[:, side, 0] != UNDEF_PRICE
    return scene.steps[there], scene.prices[there, side, 0]


def _dots(scene: Scene, side: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Trades of one kind of aggressor: of several at one moment the last."""
    trades = scene.trades[scene.trades[:, 3] == side]
    last = np.r_[trades[1:, 0] != trades[:-1, 0], np.ones(min(1, len(trades)), bool)]
    return trades[last, 0], trades[last, 1]
