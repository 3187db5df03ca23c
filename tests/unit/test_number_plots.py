"""Plots of numbers over numbers: where points are, what is left out, what axes say."""

import base64
import math
import re
from xml.etree import ElementTree

import pytest

from tapewire.analytics.number_plots import DOTS_MAX, PlotSeries, number_plot, tick_values


def drawn(*series: PlotSeries, alike: bool = False) -> str:
    source = number_plot(series, "across", "up", alike=alike)
    assert source is not None
    kind, _, text = source.partition(",")
    assert kind == "data:image/svg+xml;base64"
    svg = base64.b64decode(text).decode()
    ElementTree.fromstring(svg)
    return svg


def test_ticks_are_round_numbers_within() -> None:
    assert tick_values(-0.3, 2.2) == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])
    assert tick_values(0, 60) == [0, 10, 20, 30, 40, 50, 60]
    assert tick_values(1e-4, 2e-4) == pytest.approx([1e-4, 1.2e-4, 1.4e-4, 1.6e-4, 1.8e-4, 2e-4])


def test_a_line_is_broken_where_there_is_nothing() -> None:
    svg = drawn(PlotSeries("best", [0, 1, 2, 3, 4], [1.0, 2.0, None, 4.0, math.nan]))
    (path,) = re.findall(r'<path class="a" d="([^"]*)"', svg)
    assert [word[0] for word in path.split() if word[0].isalpha()] == ["M", "L", "M"]


def test_dots_lie_where_the_numbers_are() -> None:
    """The range is a twenty-fifth wider at either end; the frame is 600 by 260 from (64, 34) on."""
    svg = drawn(PlotSeries("all", [0.0, 10.0], [0.0, 10.0], dots=True), alike=True)
    spots = re.findall(r'<circle class="a" cx="([\d.]+)" cy="([\d.]+)"', svg)
    share = 0.4 / 10.8
    low = (64 + 600 * share, 34 + 260 * (1 - share))
    assert [float(one) for one in spots[0]] == pytest.approx(low, abs=0.06)
    assert 'class="same"' in svg


def test_of_too_many_dots_the_first_and_last_are_there() -> None:
    many = list(range(3 * DOTS_MAX + 1))
    svg = drawn(PlotSeries("all", many, many, dots=True))
    spots = [float(x) for x in re.findall(r'<circle class="a" cx="([\d.]+)"', svg)]
    assert DOTS_MAX / 2 < len(spots) <= DOTS_MAX + 1
    first, last = (drawn(PlotSeries("all", [x, many[-1] - x], [x, many[-1] - x], dots=True))
                   for x in (0, many[-1]))  # fmt: skip
    ends = [float(x) for x in re.findall(r'<circle class="a" cx="([\d.]+)"', first)]
    assert (min(spots), max(spots)) == (min(ends), max(ends))
    assert last


def test_nothing_to_draw_is_no_plot_and_names_are_text() -> None:
    assert number_plot([PlotSeries("a", [1.0], [None])], "x", "y") is None
    svg = drawn(PlotSeries("<b>&", [1.0], [1.0]), PlotSeries("c", [2.0], [1.0]))
    assert "&lt;b&gt;&amp;" in svg
    with pytest.raises(ValueError, match="at most 3"):
        number_plot([PlotSeries("a", [1.0], [1.0])] * 4, "x", "y")
