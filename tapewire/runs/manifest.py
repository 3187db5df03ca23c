"""What a run's manifest says, at its end or where it stopped."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tapewire.config.finding import found_strategy
from tapewire.config.schema import RunConfig
from tapewire.config.variants import checked_variants
from tapewire.runs.feed import Clock
from tapewire.runs.flagged import flag_warnings, flags_in_manifest
from tapewire.runs.warnings import (
    count_warnings,
    guess_warnings,
    halt_warnings,
    log_warnings,
    trip_warnings,
    warmup_warnings,
)

if TYPE_CHECKING:
    from tapewire.inputs.cache import InputCache
    from tapewire.inputs.rolls import Rolls
    from tapewire.inputs.symbology_files import SymbologyFile
    from tapewire.processes.collector_process import RunCollector
    from tapewire.replay.definitions import DefinitionFile
    from tapewire.replay.statistics import StatisticsFile
    from tapewire.replay.status import StatusFile
    from tapewire.replay.volumes import BarFile
    from tapewire.router import Simulation
    from tapewire.runs.contracts import Contracts
    from tapewire.runs.joining import JoinedDays
    from tapewire.runs.models import RunModels
    from tapewire.wire import StreamInfo, Totals


@dataclass
class RunFacts:
    """What is known of a run so far; what is not yet is None."""

    config: RunConfig
    clock: Clock = field(default_factory=Clock)
    warnings: list[str] = field(default_factory=list)
    transport: str = "connect"
    collector: str = "inline"
    cache: "InputCache | None" = None
    info: "StreamInfo | None" = None
    simulation: "Simulation | JoinedDays | None" = None
    totals: "Totals | None" = None
    models: "RunModels | None" = None
    status: "Sequence[StatusFile]" = ()
    contracts: "Contracts | None" = None
    rolls: "Rolls | None" = None
    symbology: "Sequence[SymbologyFile]" = ()


def manifest_of(
    facts: RunFacts, collector: "RunCollector | None" = None, *, digests: bool = True
) -> dict[str, Any]:
    """Describe the run as far as it is known.

    Digests may take a second where legs are many: without them when somebody waits.
    """
    from tapewire.runs.versions import versions

    simulation, totals, clock = facts.simulation, facts.totals, facts.clock
    counts = dict(simulation.counts) if simulation is not None else {}
    halts = simulation.loss_halts() if simulation is not None else []
    trips = simulation.limit_trips() if simulation is not None else []
    elapsed_s = clock.elapsed_s
    manifest: dict[str, Any] = {
        "events": int(counts.get("events", 0)),
        "elapsed_s": round(elapsed_s, 6),
        "events_per_s": round(applied(counts) / elapsed_s, 1) if elapsed_s else 0.0,
        "setup_s": round(clock.setup_s, 6),
        "config": facts.config.to_dict(),
        "versions": versions(),
        "inputs": _inputs(facts, totals)
        + [_whole_input(file, len(file.records), len(file.records)) for file in facts.status]
        + _definition_inputs(facts.contracts)
        + [_whole_input(file, file.records_read, len(file.lots)) for file in _bars(facts)]
        + [one.to_dict() for one in facts.symbology]
        + _model_files(simulation),
        "strategy_sources": strategy_sources(facts.config),
        "counts": {key: int(value) for key, value in counts.items()},
        "stages": _stages(applied(counts), clock, totals),
        "collector": facts.collector,
        "loss_halts": [halt.to_dict() for halt in halts],
        "limit_trips": [trip.to_dict() for trip in trips],
        "warnings": facts.warnings
        + halt_warnings(halts)
        + trip_warnings(trips)
        + count_warnings(counts, totals),
    }
    if simulation is not None and (bills := simulation.fee_lines()):
        manifest["fee_lines"] = {
            strategy: {line: f"{Decimal(fees).scaleb(-9):f}" for line, fees in bill.items()}
            for strategy, bill in bills.items()
        }
    if simulation is not None:
        if facts.contracts is not None:
            traded = [leg.instrument_id for leg in simulation.legs]
            manifest["instruments"] = facts.contracts.describe(traded)
            if facts.contracts.rates:
                manifest["point_values"] = {
                    symbol: [list(step) for step in steps]
                    for symbol, steps in facts.contracts.rates.items()
                }
        flagged = simulation.flagged()
        manifest |= flags_in_manifest(simulation.config.flags, flagged)
        manifest["warnings"] += flag_warnings(flagged)
        guessed = simulation.guessed_queues()
        manifest["queues"] = [one.to_dict() for one in guessed]
        manifest["warnings"] += guess_warnings(guessed)
    if facts.info is not None:
        manifest["warmup"] = _warmup(facts.info, counts)
        manifest["warnings"] += warmup_warnings(manifest["warmup"])
        manifest["stream"] = {
            "transport": facts.transport,
            "payload": facts.info.payload,
            "batch_records": facts.info.batch_records,
        }
    if facts.rolls is not None:
        manifest["rolls"] = facts.rolls.describe()
    if facts.models:
        manifest["models"] = facts.models.describe()
        manifest["warnings"] += facts.models.warnings()
    if facts.cache is not None:
        manifest["cache"] = facts.cache.describe()
    if collector is not None and simulation is not None:
        manifest["warnings"] += collector.denial_warnings()
    if totals is not None and simulation is not None:
        manifest["warnings"] += log_warnings(counts, simulation.now_ns)
        manifest["stream"] |= {"batches": totals.batches, "digest": totals.digest}
        if digests:
            manifest["digest"] = simulation.digest()
            manifest["digests"] = simulation.digests()
    if totals is not None and any(file.truncated for file in totals.files):
        manifest["data_complete"] = False
    if variants := _variants(facts.config):
        manifest["variants"] = variants
    return manifest


def _variants(config: RunConfig) -> list[dict[str, Any]]:
    """Describe the strategies that grids stand for by what varies."""
    return [
        {
            "strategy_id": variant.name,
            "variant_of": variant.variant_of,
            "parameters": {key: _plain(value) for key, value in variant.varied.items()},
        }
        for i, strategy in enumerate(config.strategy)
        for variant in checked_variants(strategy, ("strategy", i))
        if variant.variant_of is not None
    ]


def _plain(value: object) -> object:
    """Return a parameter as JSON has it."""
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def _model_files(simulation: "Simulation | JoinedDays | None") -> list[dict[str, Any]]:
    """Describe the files that models of execution read: recorded latencies."""
    if simulation is None:
        return []
    config = simulation.config
    chosen = [config.models, *(spec.models for spec in config.strategies if spec.models)]
    files = {path: digest for models in chosen for path, digest in models.files.items()}
    return [
        {"file": path, "bytes": size, "sha256": digest} for path, (size, digest) in files.items()
    ]


def strategy_sources(config: RunConfig) -> list[dict[str, Any]]:
    """Describe the files of the strategies that did not come along: a strategy's, its helpers."""
    described = []
    for kind in dict.fromkeys(strategy.type for strategy in config.strategy):
        sources = found_strategy(kind).sources
        files = [{"file": str(path), "sha256": content} for path, content in sources.items()]
        if files:
            described.append({"type": kind, **files[0], "helpers": files[1:]})
    return described


def _bars(facts: RunFacts) -> "Sequence[BarFile]":
    return () if facts.rolls is None else facts.rolls.bars


def _inputs(facts: RunFacts, totals: "Totals | None") -> list[dict[str, Any]]:
    """Describe the files that the configuration names, whatever copies of them were replayed."""
    info, cache = facts.info, facts.cache
    if info is None:
        return []
    hashes = {} if facts.rolls is None else facts.rolls.hashes
    ends = {file.name: file for file in totals.files} if totals is not None else {}
    cached = cache.inputs if cache is not None else {}
    inputs = []
    for replayed in info.files:
        end = ends.get(replayed.name)
        file, content = replayed, end.content_hash if end else None
        if replayed.name in cached:
            file = cached[replayed.name].original
            content = cached[replayed.name].original_hash if content else None
        inputs.append(
            {
                "file": file.name,
                "bytes": file.size_bytes,
                "xxh3_128": content or hashes.get(file.name),
                "dataset": file.dataset,
                "dbn_version": file.dbn_version,
                "records_read": end.records_read if end else None,
                "records_used": end.records_kept if end else None,
            }
        )
        if end is not None and end.truncated:
            inputs[-1]["truncated"] = end.truncated
    return inputs


def _definition_inputs(contracts: "Contracts | None") -> list[dict[str, Any]]:
    """Describe the files with definitions, and how many of each the run goes by."""
    if contracts is None:
        return []
    used = Counter(one.file for one in contracts.definitions.values())
    files = [_whole_input(file, file.records_read, used[file.path]) for file in contracts.files]
    if (rates := contracts.rate_file) is not None:
        files.append({"file": rates.path, "bytes": rates.size_bytes, "sha256": rates.sha256})
    return files + [
        _whole_input(file, file.records_read, len(file.records))
        for file in contracts.expiries.files
    ]


def _whole_input(
    file: "StatusFile | DefinitionFile | StatisticsFile | BarFile",
    records_read: int,
    records_used: int,
) -> dict[str, Any]:
    """Describe a file that was read whole beforehand."""
    return {
        "file": file.path,
        "bytes": file.size_bytes,
        "xxh3_128": file.content_hash,
        "dataset": file.dataset,
        "dbn_version": file.version,
        "records_read": records_read,
        "records_used": records_used,
    }


def _stages(events: int, clock: Clock, totals: "Totals | None") -> dict[str, Any]:
    """Seconds and throughput of each stage; the replay's run beside those of this process."""

    def stage(seconds: float) -> dict[str, float]:
        return {
            "seconds": round(seconds, 6),
            "events_per_s": round(events / seconds, 1) if seconds > 0 else 0.0,
        }

    stages = {
        "receive": stage(clock.receive_s),
        "simulate": stage(clock.simulate_s),
        "collect": stage(clock.collect_s),
    }
    if totals is not None:
        stages["decode"] = stage(totals.decode_s)
        stages["replay_wait"] = stage(totals.wait_s)
        stages["replay_pace"] = stage(totals.pace_s)
    return stages


def applied(counts: Mapping[str, int]) -> int:
    """Return how many records the simulation took in, those of the warm-up included."""
    return int(counts.get("events", 0)) + int(counts.get("warmup_records", 0))


def _warmup(info: "StreamInfo", counts: Mapping[str, int]) -> dict[str, Any]:
    """Describe what built the books before the start."""
    if not info.warmup_until_ns:
        return {"mode": "none", "records": 0}
    return {
        "mode": info.warmup,
        "until_ns": info.warmup_until_ns,
        "records": counts.get("warmup_records", 0),
        "books_without_snapshot": counts.get("warmup_books_without_snapshot", 0),
    }
