"""One HTML page that opens offline: the template with its styles, scripts and data put in.

Everything that comes from outside (names, symbols, paths, warnings) is escaped by the template;
chart data travels as JSON in which no tag can start. The page forbids itself any network request
by its content security policy.
"""

import importlib.resources
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup


def render_page(data: Mapping[str, Any], **parts: Any) -> str:
    """Return a page of the report's kind.

    Parameters
    ----------
    data
        Charts, see `tapewire.analytics.charts.chart_data`.
    **parts
        Everything else that the template shows.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_file("report.html.j2"))
    return template.render(
        {"chips": [], "bars": [], "heat_maps": [], "pictures": [], "facts_beside": [],
         "parts_first": [], "warnings": [], "tiles": [], "status": "", "digest": ""} | parts,
        data=_script_json(data),
        styles=_own("uplot/uPlot.min.css", "report.css"),
        tables_js=_own("tables.js"),
        uplot_js=_own("uplot/uPlot.iife.min.js"),
        charts_js=_own("numbers.js", "marks.js", "charts.js"),
    )  # fmt: skip


def _file(name: str) -> str:
    folder = importlib.resources.files("tapewire.analytics") / "page"
    return folder.joinpath(name).read_text(encoding="utf-8")


def _own(*names: str) -> "Markup":
    """Return files of the page that need no escaping: they come with the package."""
    from markupsafe import Markup

    return Markup("\n".join(_file(name) for name in names))


def _script_json(data: object) -> "Markup":
    """Return JSON that can stand inside a script element: no tag or comment can start in it."""
    from markupsafe import Markup

    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)
