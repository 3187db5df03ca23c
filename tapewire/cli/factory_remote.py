"""``tapewire factory … --server``: what the commands do, done by a server."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tapewire.cli.remote import known_server, wait_for

if TYPE_CHECKING:
    from tapewire.factory.judging import JudgedGeneration
    from tapewire.factory.looking import ListedStrategies, ShownStrategy
    from tapewire.factory.searching import GenerationResult
    from tapewire.factory.trying import TrialTable


def generate_there(
    server: str, bars: Mapping[str, Any], settings: Mapping[str, Any], *, judges: bool
) -> "GenerationResult":
    """Have strategies made, tried, judged and kept."""
    with known_server(server) as client:
        job = client.generate(bars, settings, skip_judging=not judges)
        return _generation(wait_for(client, job))


def evolve_there(
    server: str, generation_id: int, *, generations: int, data: str, force: bool, judges: bool
) -> "GenerationResult":
    """Have a search go on."""
    with known_server(server) as client:
        job = client.evolve(
            generation_id, generations=generations, data=data, force=force, skip_judging=not judges
        )
        return _generation(wait_for(client, job))


def try_there(server: str, bars: Mapping[str, Any], keys: list[str], **asked: Any) -> "TrialTable":
    """Have strategies traded."""
    from tapewire.factory.trying import TrialTable

    with known_server(server) as client:
        return TrialTable(**wait_for(client, client.run_backtest(bars, keys, **asked)))


def judge_there(server: str, generation_id: int, **asked: Any) -> "JudgedGeneration":
    """Have the best of a search judged."""
    with known_server(server) as client:
        return _judged(wait_for(client, client.judge(generation_id, **asked)))


def list_there(server: str, **asked: Any) -> "ListedStrategies":
    """List the server's strategies."""
    from tapewire.factory.looking import ListedStrategies

    with known_server(server) as client:
        found, after = client.strategies_page(**asked)
    rows = [
        {
            "id": one["id"], "name": one["name"], "sharpe": one["sharpe"],
            "return": one["total_return"], "drawdown": one["max_drawdown"],
            "trades": one["trades"], "complexity": one["complexity_score"],
            "generation": one["generation_id"],
        }
        for one in found
    ]  # fmt: skip
    return ListedStrategies(rows, after or None)


def show_there(server: str, key: str) -> "ShownStrategy":
    """Show one of the server's strategies."""
    from tapewire.factory.looking import shown

    with known_server(server) as client:
        found = client.strategy(key)
    record: Any = SimpleNamespace(**found)
    record.results = [SimpleNamespace(**json.loads(one)) for one in found["results"]]
    record.verdicts = [SimpleNamespace(**json.loads(one)) for one in found["verdicts"]]
    return shown(record)


def export_there(server: str, key: str, form: str, session: str | None) -> str:
    """Return one of the server's strategies as a file has it."""
    from tapewire.factory.looking import as_file, require_form

    require_form(form)
    with known_server(server) as client:
        found = client.strategy(key)
        if session is None and found["generation_id"] is not None and form != "json":
            session = client.generation(found["generation_id"]).get("session")
    return as_file(found["name"], found["source_code"], found["format"], form, session=session)


def _generation(result: dict[str, Any]) -> "GenerationResult":
    from tapewire.factory.searching import GenerationResult

    judged = result["judged"] and _judged(result["judged"])
    best = [(name, value) for name, value in result["best"]]
    return GenerationResult(**{**result, "best": best, "judged": judged})


def _judged(result: dict[str, Any]) -> "JudgedGeneration":
    from tapewire.factory.judging import JudgedGeneration

    return JudgedGeneration(
        **{**result, "lines": [(name, words) for name, words in result["lines"]]}
    )
