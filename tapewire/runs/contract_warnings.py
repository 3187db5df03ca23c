"""What a run warns of at its beginning: what is not known of its contracts, or not for certain."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tapewire.config.finding import find_strategy
from tapewire.config.models import execution_of
from tapewire.config.schema import DatabentoSource, RunConfig
from tapewire.execution.models.queue.venue import STEPS_OF, VENUE
from tapewire.market.definitions import DefinedFacts
from tapewire.market.instruments import InstrumentTable
from tapewire.market.symbols import is_named
from tapewire.market.times import time_text
from tapewire.runs.contracts import Contracts, defined_values, given_values, shown
from tapewire.runs.definitions import Definition, first_few

if TYPE_CHECKING:
    from tapewire.wire import StreamInfo


def contract_warnings(config: RunConfig, info: "StreamInfo", contracts: Contracts) -> list[str]:
    """Say of contract facts: given for nothing, needed and not given, contradicting each other."""
    definitions = contracts.definitions
    given = set(config.backtest.instruments)
    traded = _traded(config, info, contracts)
    known = InstrumentTable((m.raw_symbol, m.instrument_id) for m in info.mappings)
    warnings = [
        f"instruments: {symbol} is not in the data"
        for symbol in sorted(given)
        if not known.ids_of(symbol)
    ]
    if not info.mappings and not given and not definitions:
        warnings.append(
            "the files carry no symbol mappings: instruments go by their numbers, also in "
            "backtest.instruments, where no multiplier is set: P&L counts 1 per price point and lot"
        )
    unset = sorted(traded - given - set(definitions) - set(contracts.known))
    if unset:
        warnings.append(
            f"no multiplier is set for {first_few(unset)}: P&L counts 1 per price point and lot, "
            "and prices are not checked against a tick size (set backtest.instruments)"
        )
    stated = {symbol for symbol in given if _states_all(config, symbol)}
    if looked_up := sorted((traded & set(contracts.known)) - stated):
        warnings.append(
            f"tick size and multiplier of {first_few(looked_up)} are those of Tapewire's own table "
            "of futures, as no definition says them (definition_files, or backtest.instruments)"
        )
    warnings += _about_definitions(config, info, traded, definitions)
    warnings += contracts.expiries.warnings(contracts.rolled_out())
    if contracts.rates:
        warnings.append(
            f"money in {first_few(sorted(contracts.rates))} is converted at changing rates"
        )
    return warnings + _unset_algorithms(config, traded, contracts) + _unmet_fees(config, info)


def _unmet_fees(config: RunConfig, info: "StreamInfo") -> list[str]:
    """Return a warning about fees of venues that consolidated books do not tell apart."""
    if not info.is_consolidated:
        return []
    of_venues = {
        row["publisher"]
        for strategy in config.strategy
        for row in execution_of(strategy, config.backtest).fees.given.get("rows") or ()
        if row.get("publisher")
    }
    if not of_venues:
        return []
    listed = first_few(sorted(map(str, of_venues)))
    said = f"fees: rows of publisher {listed} charge nobody: fills in consolidated books are of "
    return [f"{said}no publisher (0), and pay the rows without one"]


def _states_all(config: RunConfig, symbol: str) -> bool:
    """Whether the configuration states what the table of futures would say."""
    facts = config.backtest.instruments[symbol]
    return facts.tick_size is not None and facts.multiplier is not None


def _traded(config: RunConfig, info: "StreamInfo", contracts: Contracts) -> set[str]:
    """Symbols that strategies may trade, as far as they are known beforehand."""
    traded = {mapping.raw_symbol for mapping in info.mappings}
    if isinstance(config.backtest.data_source, DatabentoSource):
        traded &= set(contracts.meant(config.backtest.data_source.symbols)) or traded
    names = [
        contracts.meant(strategy.symbols) or find_strategy(strategy.type).wants.symbols
        for strategy in config.strategy
    ]
    if all(names):
        traded = {symbol for symbol in traded if any(is_named(symbol, some) for some in names)}
    return traded


def _about_definitions(
    config: RunConfig,
    info: "StreamInfo",
    traded: set[str],
    definitions: Mapping[str, Definition],
) -> list[str]:
    """Return warnings about what definitions say, leave open, or say too late."""
    if not definitions:
        return []
    warnings = []
    given = config.backtest.instruments
    for symbol in sorted(set(given) & set(definitions)):
        stated, defined = (
            given_values(given[symbol]),
            defined_values(definitions[symbol].facts),
        )
        differing = [key for key in stated if key in defined and stated[key] != defined[key]]
        if differing:
            ours, theirs = (
                ", ".join(f"{key} {shown(key, values[key])}" for key in differing)
                for values in (stated, defined)
            )
            warnings.append(
                f"instruments: {symbol}: {ours} contradicts its definition ({theirs}): the "
                "configuration's is used"
            )
    mine = {symbol: one for symbol, one in sorted(definitions.items()) if symbol in traded}
    unset = {
        symbol: one.facts
        for symbol, one in mine.items()
        if one.facts.multiplier is None
        and (symbol not in given or given[symbol].multiplier is None)
    }
    if unset:
        listed = [
            symbol + (f" ({_sizes_of(facts)})" if facts.contradicts_itself else "")
            for symbol, facts in unset.items()
        ]
        warnings.append(
            f"the definition leaves the multiplier open of {first_few(listed)}: P&L counts 1 per "
            "price point and lot (set backtest.instruments)"
        )
    free = [
        symbol
        for symbol, one in mine.items()
        if one.facts.tick_size is None and (symbol not in given or given[symbol].tick_size is None)
    ]
    if free:
        warnings.append(
            f"the definition has no constant tick of {first_few(free)}: prices are not checked "
            "against a tick size (set backtest.instruments)"
        )
    late = [symbol for symbol, one in mine.items() if not one.before_start]
    if late and (start_ns := info.warmup_until_ns or info.start_ns):
        warnings.append(
            f"no definition at or before the start ({time_text(start_ns)}) of {first_few(late)}: "
            "the first one after it is used"
        )
    return warnings


def _sizes_of(facts: DefinedFacts) -> str:
    return ", ".join(f"{name}: {shown('multiplier', value)}" for name, value in facts.sizes.items())


def _unset_algorithms(config: RunConfig, traded: set[str], contracts: Contracts) -> list[str]:
    """Return a warning where queues are to be as at the venue, and that is not known."""
    chosen = [execution_of(strategy, config.backtest) for strategy in config.strategy]
    if all(execution.fill_model.queue_position_model != VENUE.name for execution in chosen):
        return []
    unset = []
    given = config.backtest.instruments
    for symbol in sorted(traded | set(given)):
        if contracts.algorithms.get(symbol) not in STEPS_OF:
            stated = symbol in given and given[symbol].match_algorithm is not None
            definition = None if stated else contracts.definitions.get(symbol)
            letter = definition.facts.match_algorithm if definition is not None else ""
            unset.append(symbol + (f" (defined: {letter!r})" if letter else ""))
    if not unset:
        return []
    warning = (
        "queue_position_model venue: no match_algorithm that is built is set for "
        f"{first_few(unset)}: queues are by time there (set backtest.instruments; there is "
        f"{', '.join(STEPS_OF)})"
    )
    return [warning]
