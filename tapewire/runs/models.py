"""The models of a run: from its configuration to their processes, and what they did."""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.children import module_command
from tapewire.compiled.draws import key_of
from tapewire.config.external import features_of, in_json
from tapewire.config.finding import find_strategy
from tapewire.config.schema import BridgeCurve, InferenceLatencyModel, RunConfig, StrategyEntry
from tapewire.config.sessions import session_closes
from tapewire.config.variants import checked_variants
from tapewire.errors import FormatError, MissingFileError

if TYPE_CHECKING:
    import numpy.typing as npt

    from tapewire.bridge.company import Company
    from tapewire.bridge.latency import InferenceLatency
    from tapewire.bridge.model_spec import ModelSpec
    from tapewire.market.instruments import InstrumentTable
    from tapewire.processes.collector_process import RunCollector
    from tapewire.router import Simulation, SimulationConfig, StrategySpec
    from tapewire.wire import StreamInfo
    from tapewire.wire.keys import ServerKeys

_US: Final = 1_000


class RunModels:
    """The models of a run, from before its simulation to its end.

    Parameters
    ----------
    config
    announce
        Told who is waited for.
    stack
        What ends with the run.
    times
        When instruments are meant, by their ids, where contracts roll.
    """

    def __init__(
        self,
        config: RunConfig,
        announce: Callable[[str], None],
        stack: contextlib.ExitStack,
        times: "Mapping[int, Sequence[tuple[int, int]]] | None" = None,
    ) -> None:
        self._config = config
        self._times = times or {}
        self._announce = announce
        self._stack = stack
        self._entries = {
            variant.name: (strategy, variant.parameters)
            for i, strategy in enumerate(config.strategy)
            if find_strategy(strategy.type).is_external
            for variant in checked_variants(strategy, ("strategy", i))
        }
        self._company: Company | None = None
        self._info: StreamInfo | None = None
        self._instruments: InstrumentTable | None = None

    def __bool__(self) -> bool:
        return bool(self._entries)

    def start(self, simulation: "SimulationConfig", info: "StreamInfo") -> "SimulationConfig":
        """Start the models; return the simulation's configuration with their strategies.

        Raises
        ------
        EndpointError, PeerLostError
            If an address can't be bound, or a command not be started.
        """
        if not self._entries:
            return simulation
        from tapewire.bridge.company import Company
        from tapewire.bridge.lockstep import LockstepDesk, lockstep_definition

        self._info, self._instruments = info, simulation.instruments
        closes = session_closes(self._config.backtest.session, info.start_ns)
        specs = [
            self._spec(spec, simulation, closes)
            for spec in simulation.strategies
            if spec.strategy_id in self._entries
        ]
        self._company = Company(specs, self._announce)
        self._stack.callback(self._company.close)
        strategies = []
        for spec in simulation.strategies:
            if spec.strategy_id in self._entries:
                desk = self._company.desk_of(spec.strategy_id)
                if isinstance(desk, LockstepDesk):
                    spec = replace(spec, definition=lockstep_definition(desk), parameters={})
                else:
                    spec = replace(spec, parameters={})
            strategies.append(spec)
        return replace(simulation, strategies=tuple(strategies))

    def connect(self, check: Callable[[], None]) -> None:
        """Wait until all models are there.

        Raises
        ------
        StrategyError
            If one does not come in its time.
        """
        if self._company is not None:
            self._company.connect(check)

    def batches(
        self,
        simulation: "Simulation",
        source: "Generator[npt.NDArray[Any]]",
        check: Callable[[], None],
        stop: Callable[[], None],
    ) -> "Generator[npt.NDArray[Any]]":
        """Return batches of records, each to be simulated when what models answered is there.

        They are to be closed; ``stop`` has the source end soon, should that be before its end.
        """
        if self._company is None:
            return source
        from tapewire.features import RowReach

        assert self._info is not None
        lookahead = [entry.bridge.lookahead_batches for entry, _ in self._entries.values()
                     if entry.bridge is not None]  # fmt: skip
        closes = session_closes(self._config.backtest.session, self._info.start_ns)
        return self._company.batches(
            simulation, source, check, self._describe,
            start_ns=self._info.warmup_until_ns,
            closes_ns=closes,
            ahead=max(lookahead), stop=stop, reach=RowReach(self._times),
        )  # fmt: skip

    def _describe(self, index: int, publisher_id: int, instrument_id: int) -> Any:
        from tapewire.bridge.protocol import BridgeInstrument

        assert self._instruments is not None
        one = self._instruments.get(instrument_id)
        return BridgeInstrument(index, publisher_id, instrument_id, one.symbol, one.tick_size)

    def _spec(
        self, spec: "StrategySpec", simulation: "SimulationConfig", closes: tuple[int, ...]
    ) -> "ModelSpec":
        from tapewire.bridge.lockstep import OWN_COLUMNS
        from tapewire.bridge.model_spec import ModelSpec
        from tapewire.market.symbols import is_named

        entry, parameters = self._entries[spec.strategy_id]
        bridge, names, instruments = entry.bridge, spec.symbols, simulation.instruments
        assert bridge is not None
        assert entry.mode is not None
        assert entry.on_failure is not None

        def meant(publisher_id: int, instrument_id: int) -> bool:
            symbol = instruments.get(instrument_id).symbol
            return (not names or is_named(symbol, names)) and (
                not spec.publishers or publisher_id in spec.publishers
            )

        seed = simulation.seed if spec.seed is None else spec.seed
        models = spec.models or simulation.models
        return ModelSpec(
            strategy_id=spec.strategy_id,
            features=_features(entry, parameters),
            every=entry.every or "",
            endpoint=bridge.endpoint or self._own_endpoint(),
            parameters={name: in_json(value) for name, value in parameters.items()},
            meant=meant,
            latency=_latency(entry.inference_latency),
            key=key_of(seed, spec.strategy_id, 0, 0),
            feed_ns=models.latency_bounds()["feed"][1],
            mode=entry.mode,
            on_failure=entry.on_failure,
            command=_command(entry),
            rows_max=bridge.frame_rows,
            connect_timeout_s=float(bridge.connect_timeout_s),
            answer_timeout_s=float(bridge.answer_timeout_s),
            closes_ns=closes,
            keys=_keys(bridge.curve),
            own_columns=OWN_COLUMNS if entry.mode == "lockstep" else (),
        )

    def _own_endpoint(self) -> str:
        from tapewire.wire import private_endpoint

        return self._stack.enter_context(private_endpoint())

    # --- what they did --------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """What the manifest says of each model."""
        if self._company is None:
            return {}
        return {
            desk.spec.strategy_id: {
                "mode": desk.spec.mode,
                "deterministic": desk.spec.mode != "free_running" and not desk.fault,
                "features": list(desk.spec.columns),
                "inference_latency": self._latency_of(desk.spec.strategy_id),
                "rows": desk.rows,
                "rows_answered": desk.answered_rows,
                "rows_skipped": desk.skipped_rows,
                "restarts": desk.restarts,
                "faults": desk.figures.faults,
                "frame_rows": _figures(desk.figures.frame_rows),
                "frames_in_flight": _figures(desk.figures.queue_depth),
            }
            for desk in self._company.desks
        }

    def _latency_of(self, strategy_id: str) -> Any:
        latency = self._entries[strategy_id][0].inference_latency
        return None if latency is None else in_json(latency.model_dump(exclude_none=True))

    def warnings(self) -> list[str]:
        """What deserves a look."""
        found = []
        for desk in self._company.desks if self._company is not None else ():
            name = desk.spec.strategy_id
            if refused := desk.line.refused:
                found.append(
                    f"{name}: {len(refused)} knocked at {desk.line.endpoint} without a key that is "
                    f"allowed; the first: {refused[0]}"
                )
            if desk.spec.mode == "free_running":
                found.append(
                    f"{name}: its model ran free: what it answered took effect when it was there, "
                    "so another run may end otherwise"
                )
            if desk.fault is not None:
                found.append(
                    f"{name}: its model was lost and the run went on without it "
                    f"(on_failure: {desk.spec.on_failure}): {desk.fault}"
                )
            elif desk.restarts:
                found.append(f"{name}: its model was started again {desk.restarts} times")
            elif desk.figures.faults:
                found.append(
                    f"{name}: its model was lost when nothing hung on it any more: "
                    f"{desk.figures.faults[-1]}"
                )
        return found

    def record_latencies(self, collector: "RunCollector") -> None:
        """Give the collector how long models took, by the wall clock."""
        for desk in self._company.desks if self._company is not None else ():
            for what, histogram in (
                ("model_round_trip", desk.figures.round_trip),
                ("model_inference", desk.figures.inference),
            ):
                for item in histogram.histogram().get_recorded_iterator():
                    collector.record_latency(
                        f"{what}:{desk.spec.strategy_id}"[:64],
                        item.value_iterated_to * _US,
                        item.count_added_in_this_iter_step,
                    )


def _figures(tally: Any) -> dict[str, int]:
    histogram = tally.histogram()
    if not histogram.get_total_count():
        return {"p50": 0, "p99": 0, "max": 0}
    return {
        "p50": int(histogram.get_value_at_percentile(50)),
        "p99": int(histogram.get_value_at_percentile(99)),
        "max": int(histogram.get_max_value()),
    }


def _features(entry: StrategyEntry, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """What a model is sent; variants of one that comes along may differ in it."""
    if find_strategy(entry.type).model is not None or entry.features is None:
        return features_of(entry.type, parameters)
    return tuple(entry.features)


def _command(entry: StrategyEntry) -> tuple[str, ...] | None:
    """What starts a model, but for the address; None: somebody else does."""
    if entry.command is not None:
        return tuple(entry.command)
    model = entry.model or find_strategy(entry.type).model
    if model is None:
        return None
    return (*module_command("tapewire"), "bridge", "serve", model)


def _keys(curve: BridgeCurve | None) -> "ServerKeys | None":
    if curve is None:
        return None
    from tapewire.wire.keys import ServerKeys, read_allowed, read_pair

    return ServerKeys(read_pair(Path(curve.secret_key_file)), read_allowed(curve.allowed_clients))


def _latency(model: InferenceLatencyModel | None) -> "InferenceLatency":
    from tapewire.bridge.latency import InferenceLatency

    assert model is not None
    if model.type == "fixed" and model.us is not None:
        return InferenceLatency.fixed(int(model.us * _US))
    if model.type == "uniform" and model.low_us is not None and model.high_us is not None:
        return InferenceLatency("uniform", int(model.low_us * _US), int(model.high_us * _US))
    if model.type == "lognormal" and model.median_us is not None and model.sigma is not None:
        return InferenceLatency(
            "lognormal", median_ns=float(model.median_us * _US), sigma=float(model.sigma)
        )
    return InferenceLatency("recorded", recorded_ns=_recorded(model.file or ""))


def _recorded(path: str) -> list[int]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        column = pq.read_table(path, columns=["latency_ns"])["latency_ns"]
    except FileNotFoundError:
        raise MissingFileError(f"{path}: expected recorded latencies, found no file") from None
    except (pa.ArrowException, OSError, KeyError) as error:
        raise FormatError(f"{path}: expected Parquet with a column latency_ns: {error}") from None
    values: npt.NDArray[Any] = column.to_numpy()
    if not np.issubdtype(values.dtype, np.integer) or (values < 0).any():
        raise FormatError(f"{path}: latency_ns: expected whole numbers of at least 0 ns")
    return [int(value) for value in values]
