"""What a server asks about strategies and searches, in a process of its own; of runs, see
`tapewire.runs.served`.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tapewire.analytics.zooming import POINTS_MAX
from tapewire.errors import TapewireError
from tapewire.factory.charting import strategy_chart
from tapewire.factory.declaring import keep_variant
from tapewire.factory.looking import session_of_search
from tapewire.factory.opening import opened_store
from tapewire.factory.reporting import generation_page
from tapewire.runs import served as of_runs
from tapewire.runs.served_result import shown_without, without_folders

Json = dict[str, Any]
#: Of a search's curve, and strategies that are told of.
_POINTS_MAX: Final = 500
_BEST_MAX: Final = 20


def answer(argument: Json, tell: Callable[[Any], None]) -> Json:
    """Answer what a server asks; see `tapewire.runs.served.answer`.

    Raises
    ------
    TapewireError
        Whose text names files by their names in the server's folders.
    """
    asked = ANSWERS.get(argument["what"])
    if asked is None:
        return of_runs.answer(argument, tell)
    folder = argument["data"]
    hidden = [Path(folder) if folder else None]
    try:
        found = asked(argument)
    except TapewireError as error:
        raise type(error)(without_folders(str(error), hidden)) from None
    shown: Json = json.loads(json.dumps(shown_without(found, hidden), allow_nan=False))
    return shown


def _chart(told: Json) -> Json:
    which = told["which"]
    return strategy_chart(
        told["store"], int(which) if which.isdecimal() and len(which) < 10 else which,
        told["result_id"], told["chart"], first_ns=told.get("first_ns"),
        last_ns=told.get("last_ns"), points_max=told.get("points_max", POINTS_MAX),
        assumptions=told["assumptions"],
    )  # fmt: skip


def _keep(told: Json) -> Json:
    with opened_store(told["store"]) as store:
        return keep_variant(
            store, told["family"], told["parameters"], told["assumptions"], told["interval_ns"]
        )


def _generation(told: Json) -> Json:
    with opened_store(told["store"]) as store:
        page = generation_page(store, told["generation_id"])
        objective = store.generation(told["generation_id"]).settings["objective"]
        session = session_of_search(store, told["generation_id"])
    judged = [one for one in page.best if one.checks]
    return {
        "title": page.title, "status": page.status, "facts": page.facts,
        "data": [one for one in page.data if one[0] != "Store"], "fitness": objective,
        "session": session,
        "tried": sum(one["evaluated"] for one in page.history), "openings": page.openings,
        "judged": len(judged),
        "passed": sum(one.passed is True for one in judged), "best_so_far": _grown(page.history),
        "best": [
            {"id": one.id, "name": one.name, "fitness": one.fitness, "verdict": one.verdict,
             "failed": one.failed}
            for one in page.best[:_BEST_MAX]
        ],
    }  # fmt: skip


def _grown(history: Any) -> list[list[float]]:
    """Return how the best grew: strategies that were traded until then, and the best fitness."""
    found: list[list[float]] = []
    count = 0
    for one in history:
        count += one["evaluated"]
        best = one["best"]
        if best is not None and (not found or best > found[-1][1]):
            found.append([count, best])
    if len(found) > _POINTS_MAX:
        step = (len(found) - 1) / (_POINTS_MAX - 1)
        found = [found[round(k * step)] for k in range(_POINTS_MAX)]
    return found


#: What may be asked → who answers.
ANSWERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "strategy_chart": _chart,
    "keep": _keep,
    "generation": _generation,
}
