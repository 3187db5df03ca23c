"""What a run knows of its instruments: from its configuration, from definitions, or by default."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from tapewire.compiled.units import PRICE_UNITS
from tapewire.config.accounts import rate_of
from tapewire.config.schema import ContractFacts, RunConfig, to_fixed
from tapewire.market.definitions import DefinedFacts
from tapewire.market.instruments import MATCH_ALGORITHMS, InstrumentTable, OrderRules
from tapewire.runs.definitions import Definition, read_chosen

if TYPE_CHECKING:
    from tapewire.replay.definitions import DefinitionFile
    from tapewire.wire import StreamInfo

_PRICES: Final = ("tick_size", "price_band")


@dataclass(frozen=True)
class Contracts:
    """The instruments of a run, and from where each value is.

    Attributes
    ----------
    table
        What the simulation goes by.
    definitions
        By symbol.
    files
        Those with the definitions.
    algorithms
        Letters of match algorithms by symbol, where they are known.
    """

    table: InstrumentTable
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    files: "Sequence[DefinitionFile]" = ()
    algorithms: Mapping[str, str] = field(default_factory=dict)
    _given: Mapping[str, ContractFacts] = field(default_factory=dict)

    def describe(self, instrument_ids: Iterable[int]) -> dict[str, Any]:
        """Return each value of these instruments by symbol, and where it is from, for a manifest.

        ``from`` is ``config``, ``definition`` or ``default``; a value of None is unknown, or none.
        """
        described = {}
        for instrument_id in dict.fromkeys(instrument_ids):
            one = self.table.get(instrument_id)
            given = given_values(self._given.get(one.symbol))
            definition = self.definitions.get(one.symbol)
            defined = defined_values(definition.facts if definition is not None else None)
            in_force = {
                "tick_size": one.tick_size or None,
                "multiplier": (defined | given).get("multiplier", Fraction(1)),
                "lot_size": one.rules.lot,
                "min_quantity": one.rules.min_lots,
                "price_band": one.rules.band,
                "match_algorithm": one.match_algorithm or None,
            }
            said: dict[str, Any] = {
                key: {"value": shown(key, value), "from": _source(key, given, defined)}
                for key, value in in_force.items()
            }
            if definition is not None:
                said["definition"] = {
                    "file": definition.file,
                    "ts_recv": definition.facts.ts_recv,
                    "before_start": definition.before_start,
                }
            described[one.symbol] = said
        return described


def contracts_of(config: RunConfig, info: "StreamInfo") -> Contracts:
    """Bring together what is known of the instruments of a stream; definition files are read.

    What the configuration states overrides what a definition says.

    Raises
    ------
    MissingFileError, FormatError
        If a definition file can't be used.
    NoDataError
        If one defines no instrument of the stream.
    """
    files, definitions = read_chosen(config, info)
    given, account = config.backtest.instruments, config.backtest.account
    ticks_and_multipliers, rules, algorithms = {}, {}, {}
    for symbol in dict.fromkeys([*definitions, *given]):
        facts = definitions[symbol].facts if symbol in definitions else None
        values = defined_values(facts) | given_values(given.get(symbol))
        ticks_and_multipliers[symbol] = (
            values.get("tick_size", 0),
            values.get("multiplier", Fraction(1)) * rate_of(given.get(symbol), account),
        )
        protection = given[symbol].protection if symbol in given else None
        rules[symbol] = OrderRules(
            lot=values.get("lot_size", 1),
            min_lots=values.get("min_quantity", 1),
            band=values.get("price_band"),
            protection=None if protection is None else to_fixed(protection),
        )
        if "match_algorithm" in values:
            algorithms[symbol] = values["match_algorithm"]
    mappings = [(mapping.raw_symbol, mapping.instrument_id) for mapping in info.mappings]
    table = InstrumentTable(mappings, ticks_and_multipliers, rules, algorithms)
    return Contracts(table, definitions, files, algorithms, given)


def given_values(entry: ContractFacts | None) -> dict[str, Any]:
    """What the configuration states, by key; prices in 1e-9."""
    if entry is None:
        return {}
    values = {
        "tick_size": None if entry.tick_size is None else to_fixed(entry.tick_size),
        "multiplier": None if entry.multiplier is None else Fraction(entry.multiplier),
        "lot_size": entry.lot_size,
        "min_quantity": entry.min_quantity,
        "price_band": None if entry.price_band is None else to_fixed(entry.price_band),
        "match_algorithm": entry.match_algorithm,
    }
    return {key: value for key, value in values.items() if value is not None}


def defined_values(facts: DefinedFacts | None) -> dict[str, Any]:
    """What a definition says, by key of the configuration; prices in 1e-9.

    No field of it says what quantities have to be a multiple of.
    """
    if facts is None:
        return {}
    letter = facts.match_algorithm
    values = {
        "tick_size": facts.tick_size,
        "multiplier": facts.multiplier,
        "min_quantity": facts.min_lots,
        "price_band": facts.band,
        "match_algorithm": letter if letter and letter in MATCH_ALGORITHMS else None,
    }
    return {key: value for key, value in values.items() if value is not None}


def _source(key: str, given: Mapping[str, Any], defined: Mapping[str, Any]) -> str:
    return "config" if key in given else "definition" if key in defined else "default"


def shown(key: str, value: Any) -> Any:
    """Return a value as a manifest has it: prices and multipliers are exact, as text."""
    if key in _PRICES and value is not None:
        return _number(Fraction(value, PRICE_UNITS))
    return _number(value) if key == "multiplier" else value


def _number(value: Fraction) -> str:
    """Write a fraction as a decimal where that is exact."""
    text = f"{Decimal(value.numerator) / value.denominator:f}"
    return text if Fraction(text) == value else str(value)
