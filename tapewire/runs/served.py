"""What a server asks about runs, in a process of its own: one function, by what is asked.

A server's own process computes nothing: what is read, drawn or checked here may be large, may run
kernels, and may be ended.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tapewire.analytics import Run, load_run
from tapewire.config.problems import LISTED_MAX
from tapewire.errors import ConfigError, MissingFileError, StoreError, TapewireError
from tapewire.runs.served_config import ServedPlaces, read_yaml, served_config, yaml_of
from tapewire.runs.served_files import part_of, run_files
from tapewire.runs.served_form import EXAMPLE, form_schema
from tapewire.runs.served_result import (
    explained,
    fill_row,
    fills_of,
    reconciled,
    result_of,
    shown_without,
    without_folders,
)
from tapewire.runs.served_run import places_of, run_folder_of
from tapewire.runs.served_session import EXAMPLE as SESSION_EXAMPLE
from tapewire.runs.served_session import session_config, session_schema

Json = dict[str, Any]
#: From here on not every whole number is one of JavaScript's.
_EXACT: Final = 2**53
#: How such a number begins where a page has it as text.
_LARGE: Final = "#"
#: Runs side by side.
COMPARED_MAX: Final = 8


@dataclass(frozen=True)
class _Asked:
    """What is asked, and where a server's files are."""

    told: Json
    places: ServedPlaces
    runs: Path
    store: str
    hidden: list[Path | None]

    def run(self, name: str | None = None) -> Run:
        """Return the run that it is about.

        Raises
        ------
        MissingFileError
            If its folder is gone, or has no result.
        """
        name = str(self.told["run"] if name is None else name)
        folder = run_folder_of(self.runs, name)
        if not folder.is_dir():
            raise MissingFileError(
                f"{name}: expected its folder in the server's folder of runs, found none"
            )
        run = load_run(folder)
        if run.status != "complete":
            raise MissingFileError(f"{name}: expected a complete run, found one {run.status}")
        return run

    def stored(self, which: str) -> str:
        """Return the rules of a strategy of the store."""
        from tapewire.store import Store

        with Store.open(self.store, create=False) as store:
            return stored_rules(store, which)


def stored_rules(store: Any, which: str) -> str:
    """Return the rules of a strategy of a store, as JSON.

    Raises
    ------
    ConfigError
        If there is none, or it is none that is declared as JSON.
    """
    key: int | str = int(which) if which.isdecimal() and len(which) < 10 else which
    try:
        found = store.strategy(key)
    except StoreError:
        raise ConfigError(
            f"expected a strategy of the store, by its id, name or hash, found {which[:200]!r}"
        ) from None
    if found.format != "json":
        raise ConfigError(f"expected a strategy of rules in JSON, found one of {found.format}")
    return str(found.source_code)


def answer(argument: Json, tell: Callable[[Any], None]) -> Json:
    """Answer what a server asks.

    Parameters
    ----------
    argument
        ``what``, a key of `ANSWERS`, and what that takes; ``data``, ``strategies``, ``runs`` (the
        server's folders) and ``store``.

    Raises
    ------
    TapewireError
        Whose text names files by their names in those folders.
    """
    folders = {
        name: Path(argument[name]) if argument[name] else None for name in ("data", "strategies")
    }
    runs = Path(argument["runs"])
    places = places_of(folders["data"], folders["strategies"], runs)
    hidden = [*folders.values(), places.declared, runs]
    try:
        found = ANSWERS[argument["what"]](_Asked(argument, places, runs, argument["store"], hidden))
    except TapewireError as error:
        raise type(error)(without_folders(str(error), hidden)) from None
    shown: Json = json.loads(json.dumps(shown_without(found, hidden), allow_nan=False))
    return shown


def _describe(asked: _Asked) -> Json:
    return {"schema": json.dumps(form_schema()), "example": EXAMPLE}


def _describe_session(asked: _Asked) -> Json:
    return {"schema": json.dumps(session_schema()), "example": SESSION_EXAMPLE}


def _check(asked: _Asked) -> Json:
    return _checked(asked, served_config)


def _check_session(asked: _Asked) -> Json:
    return _checked(asked, session_config)


def _checked(asked: _Asked, check: Callable[..., Any]) -> Json:
    told = asked.told
    if (told.get("yaml") is None) == (told.get("json") is None):
        raise ConfigError("expected yaml or json, and one of the two")
    lines: Any = {}
    try:
        if told.get("yaml") is not None:
            text = told["yaml"]
            document, lines = read_yaml(text)
        else:
            document = _whole(json.loads(told["json"]))
            text = yaml_of(document)
            document, lines = read_yaml(text)
    except (ValueError, RecursionError) as error:
        return {"yaml": told.get("yaml") or "", "json": "", "problems": [str(error)[:400]]}
    except ConfigError as error:
        return {"yaml": told.get("yaml") or "", "json": "", "problems": [str(error)]}
    problems: list[str] = []
    try:
        check(document, asked.places, asked.stored, lines)
    except ConfigError as error:
        problems = list(error.problems)[: LISTED_MAX + 1] or [str(error)]
    except TapewireError as error:
        problems = [str(error)]
    return {"yaml": text, "json": json.dumps(_shown(document), default=float), "problems": problems}


def _shown(value: Any) -> Any:
    """Return plain values as JSON has them, numbers that a page's do not hold as text."""
    if isinstance(value, dict):
        return {str(key): _shown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, Decimal) and not value.is_finite():
        return str(value)  # JSON has none; what is wrong with it is among the problems
    is_large = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT
    return f"{_LARGE}{value}" if is_large else value


def _whole(value: Any) -> Any:
    """Return plain values with such texts as the numbers that they are."""
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, str) and value.startswith(_LARGE):
        digits = value.removeprefix(_LARGE)
        if digits.removeprefix("-").isdecimal() and len(digits) < 40:
            return int(digits)
    return value


def _result(asked: _Asked) -> Json:
    return result_of(asked.run())


def _chart(asked: _Asked) -> Json:
    from tapewire.analytics.zooming import POINTS_MAX, zoomed

    told = asked.told
    found = zoomed(
        asked.run(), told["chart"], first_ns=told.get("first_ns"), last_ns=told.get("last_ns"),
        points_max=POINTS_MAX if told.get("points_max") is None else told["points_max"],
        strategy=told.get("strategy", ""), symbol=told.get("symbol", ""),
    )  # fmt: skip
    fills = found.fills
    count = len(fills["ts_event"]) if fills else 0
    return {
        "first_ns": found.first_ns, "last_ns": found.last_ns,
        "whole_first_ns": found.whole_first_ns, "whole_last_ns": found.whole_last_ns,
        "rows": found.rows, "fills_total": found.fills_total,
        "lines": [
            {"name": line.name, "ts_ns": line.ts.tolist(), "values": line.values.tolist()}
            for line in found.lines
        ],
        "fills": [
            fill_row({name: column[k] for name, column in fills.items()}) for k in range(count)
        ],
        "legs": [{"strategy": name, "symbol": symbol} for name, symbol in found.choices],
    }  # fmt: skip


def _fills(asked: _Asked) -> Json:
    return fills_of(asked.run(), asked.told["page_token"], asked.told["page_size"])


def _explain(asked: _Asked) -> Json:
    told = asked.told
    return {"story": explained(asked.run(), told["order"], told["strategy"], told["symbol"])}


def _compare(asked: _Asked) -> Json:
    from tapewire.analytics.compare import compare, difference_rows, text_rows

    runs = asked.told["names"]
    if not 2 <= len(runs) <= COMPARED_MAX:
        raise ConfigError(f"job_ids: expected 2 to {COMPARED_MAX} runs, found {len(runs)}")
    found = compare([asked.run(name) for name in runs])
    return {
        "names": list(found.names), "metrics": text_rows(found),
        "differences": difference_rows(found), "same_digest": found.same_digest,
        "same_inputs": found.same_inputs,
    }  # fmt: skip


def _reconcile(asked: _Asked) -> Json:
    told = asked.told
    data = base64.b64decode(told["content"])
    found: Json = json.loads(
        json.dumps(reconciled(asked.run(), told["file_name"], data, told["within"]), default=str)
    )
    return found


def _files(asked: _Asked) -> Json:
    return {"files": run_files(asked.run())}


def _file(asked: _Asked) -> Json:
    return part_of(asked.run(), asked.told["name"], asked.told["begin"], asked.hidden)


def _spread(asked: _Asked) -> Json:
    from tapewire.runs.served_spread import spread_of

    return spread_of(asked.run(), asked.told.get("resamples"), asked.told.get("seed"))


#: What may be asked → who answers.
ANSWERS: Final[dict[str, Callable[[_Asked], Json]]] = {
    "describe": _describe,
    "check": _check,
    "describe_session": _describe_session,
    "check_session": _check_session,
    "result": _result,
    "chart": _chart,
    "fills": _fills,
    "explain": _explain,
    "compare": _compare,
    "reconcile": _reconcile,
    "spread": _spread,
    "files": _files,
    "file": _file,
}
