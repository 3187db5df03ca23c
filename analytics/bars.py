"""Bar charts that need no script: the page's template draws what is computed here.

Each has its figures as a table beside it, so that nothing is told by a picture alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tapewire.analytics.report_tables import cell, table

#: Letters below a chart of columns, for a telephone; else every second, third, … label is left out.
_LETTERS_MAX: Final = 48


@dataclass(frozen=True)
class BarSeries:
    """Bars of one colour: a value and its text for each label."""

    name: str
    color: str
    values: Sequence[float]
    texts: Sequence[str]


def columns(
    title: str,
    unit: str,
    heading: str,
    labels: Sequence[str],
    series: Sequence[BarSeries],
    *,
    note: str = "",
) -> dict[str, Any]:
    """Return a chart of upright bars for the template, with the table that says the same.

    Parameters
    ----------
    title, unit
        What is shown, and in what.
    heading
        What the labels are; heads the table's first column.
    labels
        One per place, at least one.
    series
        Bars side by side at each place, all of the length of ``labels``.
    note
        A sentence below.
    """
    every = [value for one in series for value in one.values]
    high, low = max(0.0, *every), min(0.0, *every)
    room = (high - low) or 1.0
    stride = -(-len(labels) * (max(map(len, labels)) + 2) // _LETTERS_MAX)
    slots = [
        {
            "label": label if k % stride == 0 else "",
            "title": f"{label}: " + ", ".join(
                (f"{one.name} " if len(series) > 1 else "") + one.texts[k] for one in series
            ),
            "bars": [
                {
                    "color": one.color,
                    "bottom": _percent(min(one.values[k], 0.0) - low, room),
                    "height": _percent(abs(one.values[k]), room),
                }
                for one in series
            ],
        }
        for k, label in enumerate(labels)
    ]  # fmt: skip
    rows = [[cell(label), *(cell(one.texts[k]) for one in series)]
            for k, label in enumerate(labels)]  # fmt: skip
    tops = [one.texts[list(one.values).index(high)] for one in series if high in one.values]
    lows = [one.texts[list(one.values).index(low)] for one in series if low in one.values]
    return {
        "layout": "columns",
        "title": title,
        "unit": unit,
        "note": note,
        "slots": slots,
        "zero": _percent(-low, room),
        "high": tops[0] if high > 0 else "",
        "low": lows[0] if low < 0 else "",
        "legend": [{"name": one.name, "color": one.color} for one in series if len(series) > 1],
        "table": table([heading, *(one.name for one in series)], rows),
    }


def rows(
    title: str, unit: str, heading: str, labels: Sequence[str], bars: BarSeries, *, note: str = ""
) -> dict[str, Any]:
    """Return a chart of bars that lie, for labels that are names; each bar has its figure beside.

    Parameters are those of `columns`, for one series.
    """
    high, low = max(0.0, *bars.values), min(0.0, *bars.values)
    room = (high - low) or 1.0
    return {
        "layout": "rows",
        "title": title,
        "unit": unit,
        "note": note,
        "heading": heading,
        "value": bars.name,
        "rows": [
            {
                "label": label,
                "text": text,
                "color": bars.color,
                "left": _percent(min(value, 0.0) - low, room),
                "width": _percent(abs(value), room),
            }
            for label, value, text in zip(labels, bars.values, bars.texts, strict=True)
        ],
    }


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}".replace("-0.00", "0.00")
