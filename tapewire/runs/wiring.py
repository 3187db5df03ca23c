"""From the configuration and what the stream carries to a simulation, in exact units."""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.compiled.kernel_cache import compile_once
from tapewire.compiled.user_sources import digest_of
from tapewire.config.accounts import hedges
from tapewire.config.finding import find_strategy, found_strategy
from tapewire.config.models import chosen_models, execution_of
from tapewire.config.schema import (
    ConfiguredLimits,
    DatabentoSource,
    Gateway,
    RunConfig,
    to_fixed,
)
from tapewire.config.sessions import session_closes
from tapewire.config.strategies import limits_in_force
from tapewire.config.variants import checked_variants
from tapewire.errors import ConfigError
from tapewire.market.instruments import InstrumentTable, publishers_of
from tapewire.market.records import (
    ACTION_ADD,
    F_LAST,
    MBO_DTYPE,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
    SIDE_BID,
)
from tapewire.router import GatewayLimit, RiskLimits, Simulation, SimulationConfig, StrategySpec
from tapewire.runs.beside import beside_of
from tapewire.runs.contracts import Contracts, contracts_of
from tapewire.runs.flagged import flag_policy

if TYPE_CHECKING:
    from tapewire.replay.status import StatusFile
    from tapewire.runs.models import RunModels
    from tapewire.wire import StreamInfo

#: Kernels load from the cache well within this; what takes longer is being compiled.
_COMPILING_AFTER_S: Final = 2.0


def make_simulation(
    config: RunConfig,
    info: "StreamInfo",
    models: "RunModels | None" = None,
    status: "Sequence[StatusFile]" = (),
    contracts: Contracts | None = None,
    *,
    touches: bool = False,
    abroad: bool = False,
) -> Simulation:
    """Build the simulation of a run; the models of its strategies are started.

    ``status`` is what `status_files` has read, ``contracts`` what `contracts_of` brought together
    (here, where it is None); ``touches`` are for markouts; orders that go ``abroad`` are not
    simulated.

    Raises
    ------
    ConfigError, InputError
        If a definition file can't be used, or a strategy's symbols or its order log do not fit
        the stream.
    """
    simulation = simulation_config(
        config, info, status, contracts or contracts_of(config, info), touches=touches
    )
    simulation = replace(simulation, abroad=abroad)
    if models is not None:
        simulation = models.start(simulation, info)
    else:
        _refuse_external(simulation)
    return Simulation(simulation)


def simulation_config(
    config: RunConfig,
    info: "StreamInfo",
    status: "Sequence[StatusFile]",
    contracts: Contracts,
    *,
    touches: bool = False,
) -> SimulationConfig:
    """Say what decides a simulation's result, beside its records; see `make_simulation`."""
    _require_publishers(config, info)
    simulation = _simulation_config(
        config, contracts, _publishers(config, info), info.warmup_until_ns, info.start_ns
    )
    simulation = replace(simulation, touches=touches, rates=contracts.rates)
    if status:
        from tapewire.replay.status import transitions_in

        transitions = transitions_in(status, info.consolidated_datasets)
        simulation = replace(simulation, transitions=transitions)
    return simulation


def status_files(config: RunConfig) -> "list[StatusFile]":
    """Read the trading states of the books, of files and of captures that have them.

    Raises
    ------
    MissingFileError, FormatError
        If one can't be used.
    """
    source = config.backtest.data_source
    if not isinstance(source, DatabentoSource):
        return []
    captured = [one.status for one in beside_of(config) if one.status is not None]
    if not source.status_files:
        return captured
    from tapewire.replay.status import read_status

    return [*(read_status(path) for path in source.status_files), *captured]


def _refuse_external(simulation: SimulationConfig) -> None:
    """Refuse strategies whose models nobody starts: they would do nothing."""
    for spec in simulation.strategies:
        if spec.definition.is_external:
            raise ConfigError(
                f"strategy {spec.strategy_id}: expected a strategy of this process, found a model "
                "in one of its own: those belong to a run (tapewire run, tapewire.run)"
            )


def warm_up(
    config: RunConfig, announce: Callable[[str], None], *, abroad: bool = False
) -> None:  # fmt: skip
    """Compile or load every kernel of the run, saying so if it takes a while.

    Of several runs with a cold cache one compiles, and the others wait for it. ``abroad`` is as in
    `make_simulation`.
    """
    kinds = sorted({strategy.type for strategy in config.strategy})

    def work() -> None:
        with _announced_if_slow(announce, "compiling kernels, first run only …"):
            _call_kernels(kinds, abroad=abroad)

    parts = ["simulation", *map(_part_of, kinds)]
    if abroad:
        parts.append("abroad")
    definitions = [find_strategy(kind) for kind in kinds]
    if any(one.outside is not None or one.is_external for one in definitions):
        parts.append("plain")
    compile_once(work, parts, announce)


def _part_of(kind: str) -> str:
    """Name what is compiled for a type of strategy: one of a user's own by all its files."""
    sources = found_strategy(kind).sources
    return f"strategy-{digest_of(sources) if sources else re.sub(r'[^0-9A-Za-z_]', '_', kind)}"


def _call_kernels(kinds: Iterable[str], *, abroad: bool) -> None:
    records = np.zeros(2, MBO_DTYPE)
    records["ts_recv"] = 1, 2
    records["order_id"] = 1, 2
    for field, value in (
        ("length", RECORD_LENGTH_WORDS),
        ("rtype", RTYPE_MBO),
        ("instrument_id", 1),
        ("price", 1),
        ("size", 1),
        ("flags", F_LAST),
        ("action", ACTION_ADD),
        ("side", SIDE_BID),
    ):
        records[field] = value
    # Without strategies: their own code is called for real events only.
    simulation = Simulation(SimulationConfig(InstrumentTable([]), warmup_until_ns=2, abroad=abroad))
    simulation.feed(records)
    simulation.finish()
    simulation.drain()
    for kind in kinds:
        definition = find_strategy(kind)
        definition.addresses()
        if definition.outside is not None or definition.is_external:
            from tapewire.strategies.plain import load_kernels

            load_kernels()
        if definition.is_external:
            from tapewire.features.passing import load_kernels as load_pass

            load_pass()


@contextmanager
def _announced_if_slow(announce: Callable[[str], None], text: str) -> Iterator[None]:
    timer = threading.Timer(_COMPILING_AFTER_S, announce, (text,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _simulation_config(
    config: RunConfig,
    contracts: Contracts,
    publishers: tuple[int, ...],
    warmup_until_ns: int,
    start_ns: int,
) -> SimulationConfig:
    execution = config.backtest.execution
    return SimulationConfig(
        instruments=contracts.table,
        strategies=_strategies(config, contracts),
        portfolio=_portfolio(config),
        models=chosen_models(execution),
        seed=config.backtest.seed,
        gateway=_gateway(execution.gateway),
        crossed_policy=execution.crossed_book,
        flags=flag_policy(config),
        market_order_in_halt=execution.market_order_in_halt,
        unseen_trades=execution.unseen_trades,
        book_clear=execution.book_clear,
        fill_notice=execution.fill_notice,
        mark_price=config.backtest.mark_price,
        event_log=config.backtest.output.keeps_events,
        sample_interval_ns=config.backtest.output.sample_interval_ns,
        publishers=publishers,
        warmup_until_ns=warmup_until_ns,
        session_closes=session_closes(config.backtest.session, start_ns),
    )


def _publishers(config: RunConfig, info: "StreamInfo") -> tuple[int, ...]:
    """Return the publishers that may be in the stream; only who names its books has to know."""
    if not any(
        find_strategy(strategy.type).binding.names_its_books for strategy in config.strategy
    ):
        return ()
    source = config.backtest.data_source
    if info.is_consolidated:
        return (0,)
    if isinstance(source, DatabentoSource) and source.publishers:
        return tuple(source.publishers)
    apart = [name for name in info.dataset.split("+") if name not in info.consolidated_datasets]
    together = {0} if info.consolidated_datasets else set()
    return tuple(sorted(together.union(*map(publishers_of, apart))))


def _require_publishers(config: RunConfig, info: "StreamInfo") -> None:
    """Refuse strategies of publishers that consolidated data do not tell apart."""
    for strategy in config.strategy:
        if info.is_consolidated and strategy.publishers and 0 not in strategy.publishers:
            raise ConfigError(
                f"strategy {strategy.name}: publishers: expected none, found "
                f"{strategy.publishers[0]}: books of consolidated data are of all publishers "
                "together (0): leave publishers out"
            )


def _strategies(config: RunConfig, contracts: Contracts) -> tuple[StrategySpec, ...]:
    specs = []
    for i, strategy in enumerate(config.strategy):
        models = gateway = None
        if strategy.execution is not None:
            models = chosen_models(execution_of(strategy, config.backtest))
            gateway = _gateway(strategy.execution.gateway)
        limits = _limits(limits_in_force(strategy, config.backtest) or config.backtest.risk_limits)
        specs += [
            StrategySpec(
                strategy_id=variant.name,
                definition=find_strategy(strategy.type),
                parameters=variant.parameters,
                symbols=contracts.meant(strategy.symbols),
                publishers=tuple(strategy.publishers),
                limits=limits,
                models=models,
                seed=strategy.seed,
                gateway=gateway,
                shared_book=(strategy.execution and strategy.execution.shared_book) or "",
                self_trade=execution_of(strategy, config.backtest).self_trade_prevention,
                hedges=hedges(strategy, config.backtest),
            )
            for variant in checked_variants(strategy, ("strategy", i))
        ]
    return tuple(specs)


def _gateway(gateway: Gateway | None) -> GatewayLimit | None:
    if gateway is None:
        return None
    return GatewayLimit(
        gateway.max_messages_per_second or 0,
        gateway.when_exceeded,
        tuple((cut.at, cut.until) for cut in gateway.disconnects),
        gateway.on_disconnect,
        gateway.detection_ns,
    )


def _portfolio(config: RunConfig) -> RiskLimits | None:
    limits = config.backtest.portfolio_limits
    return None if limits is None else _limits(limits)


def _limits(limits: ConfiguredLimits) -> RiskLimits:
    """The limits in exact units: what is not given is as `RiskLimits` has it."""
    given: dict[str, Any] = {
        name: to_fixed(value) if isinstance(value, Decimal) else value
        for name in type(limits).model_fields
        if (value := getattr(limits, name)) is not None
    }
    return RiskLimits(**given)
