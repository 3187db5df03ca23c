"""The page of a generation, of what a store has of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics import formats as f
from tapewire.candles.rules import rule_lines
from tapewire.factory.asked import FactorySettings
from tapewire.factory.datasets import described
from tapewire.factory.judging import VERDICT
from tapewire.factory.keeping import stored_strategy
from tapewire.factory.looking import publish_text, require_free
from tapewire.factory.opening import opened_store
from tapewire.factory.page import GenerationPage, GuardLine, RankedStrategy, render_generation
from tapewire.factory.searching import SEARCH
from tapewire.factory.summing import GenerationSums
from tapewire.factory.trying import HOLDOUT
from tapewire.runs.versions import versions

if TYPE_CHECKING:
    from tapewire.store import GenerationRecord, Store, StrategyRecord

#: Strategies in the table of the best.
BEST_SHOWN: Final = 100


def report_generation(
    generation_id: int, output: Path, *, store: str | None = None, force: bool = False
) -> None:
    """Write the page of a generation, one file that opens offline.

    Raises
    ------
    OutputError
        If the file is there (without ``force``), or can't be written.
    StoreError
        If there is no such generation, or the store can't be used.
    """
    require_free(output, force=force)
    with opened_store(store) as opened:
        page = generation_page(opened, generation_id)
    publish_text(output, render_generation(page), force=force)


def generation_page(store: "Store", generation_id: int) -> GenerationPage:
    """Return what the page of a generation shows."""
    record = store.generation(generation_id)
    dataset = store.dataset(record.dataset_id)
    settings = FactorySettings.of_json(record.settings)
    sums = GenerationSums.of_json(record.state["sums"]) if record.state else GenerationSums()
    wanted = sums.best[:BEST_SHOWN]
    known = store.known_hashes([code for _, code in wanted])
    best = [_ranked(store.strategy(known[code]), record, value) for value, code in wanted
            if code in known]  # fmt: skip
    openings = store.holdout_openings(record.dataset_id)
    return GenerationPage(
        title=f"Generation {generation_id}: {settings.method}",
        status=record.status,
        digest=sums.digest,
        period=f"{record.trials:,} strategies in {record.batches:,} batches on {dataset.name}",
        facts=_facts(settings),
        data=[
            ("Bars", described(dataset.description)),
            ("Sessions", dataset.description["clock"]),
            ("Digest", dataset.digest[:16]),
            ("Store", store.url),
        ],
        history=sums.history,
        best=best,
        dots=[
            (one.search["sharpe_annualised"], one.holdout["sharpe_annualised"])
            for one in best
            if one.holdout.get("sharpe_annualised") is not None
            and one.search.get("sharpe_annualised") is not None
        ],
        trials=dataset.trials,
        openings=len(openings),
        fitness=settings.objective.replace("_", " "),
        warnings=_warnings(record, best, openings),
        version=versions().get("tapewire", ""),
    )


def _ranked(one: "StrategyRecord", record: "GenerationRecord", fitness: float) -> RankedStrategy:
    mine = [r for r in one.results if r.dataset_id == record.dataset_id]
    metrics: dict[str, dict[str, Any]] = {r.kind: r.metrics for r in mine}
    of_it = [v for v in one.verdicts if v.generation_id == record.id]
    checks = [
        GuardLine(v.test.replace("_", " "), v.passed, v.sentence)
        for v in of_it if v.test != VERDICT
    ]  # fmt: skip
    verdict = next((v.passed for v in of_it if v.test == VERDICT), None)
    declared = stored_strategy(one.name, one.source_code, one.format)
    return RankedStrategy(
        one.id, one.name, fitness, metrics.get(SEARCH, {}), metrics.get(HOLDOUT, {}),
        one.complexity_score or 0.0, rule_lines(declared), checks, verdict,
    )  # fmt: skip


def _facts(settings: FactorySettings) -> list[tuple[str, str]]:
    size = f"{settings.count:,}"
    if settings.method == "genetic":
        size = f"{settings.population:,} in each of {settings.generations:,} generations"
    return [
        ("Method", settings.method),
        ("Strategies", size),
        ("Seed", str(settings.seed)),
        ("Timeframes", ", ".join(settings.timeframes)),
        ("Fitness", f"{settings.objective}, from {settings.trades_min} trades on"),
        ("Holdout", f.percent(settings.holdout_share)),
        ("Bounds", _bounds(settings)),
        ("Assumptions", ", ".join(settings.assumptions) or "defaults"),
    ]  # fmt: skip


def _bounds(settings: FactorySettings) -> str:
    bounds = settings.constraints
    return (
        f"{bounds.max_indicators} indicators, {bounds.max_conditions} conditions, "
        f"{bounds.max_timeframes} timeframes, complexity {bounds.complexity_score_max:g}"
    )


def _warnings(
    record: "GenerationRecord", best: "list[RankedStrategy]", openings: "list[Any]"
) -> list[str]:
    found = []
    if record.status != "complete":
        found.append(
            f"The search is {record.status}: tapewire factory evolve {record.id} goes on with it."
        )
    if not any(one.checks for one in best):
        found.append("No strategy was judged: what is best here may be the luckiest of all.")
    if len(openings) > 1:
        found.append(
            f"The holdout was opened {len(openings)} times: what it says of strategies that were "
            "chosen after the first time is no test any more."
        )
    return found
