"""What a run knows of its instruments: from its configuration, from definitions, or by default."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from tapewire.compiled.units import PRICE_UNITS
from tapewire.config.schema import ConfiguredAccount, ContractFacts, RunConfig, to_fixed
from tapewire.errors import ConfigError
from tapewire.market.definitions import DefinedFacts
from tapewire.market.instruments import MATCH_ALGORITHMS, Expiry, InstrumentTable, OrderRules
from tapewire.market.known_futures import KnownFuture, known_future
from tapewire.market.times import time_text
from tapewire.replay.reused_ids import require_one_symbol
from tapewire.runs.definitions import Definition, read_chosen
from tapewire.runs.expiries import Expiries, expiries_of
from tapewire.runs.rates import RateFile, rate_in, read_rate_file, with_rates_at, worths_of

if TYPE_CHECKING:
    from tapewire.inputs.rolls import Rolls
    from tapewire.replay.definitions import DefinitionFile
    from tapewire.wire import StreamInfo

_PRICES: Final = ("tick_size", "price_band", "price")


@dataclass(frozen=True)
class Contracts:
    """The instruments of a run, and from where each value is.

    Attributes
    ----------
    table
        What the simulation goes by.
    known
        Well-known futures without a definition, by symbol.
    account
        As it was configured, with the rates of the start that a file of rates has.
    rate_file
        That file.
    rates
        By symbol, of whom these rates change: see `tapewire.analytics.rates.Rates`.
    changes
        By currency, whose rates change: rates as `RateFile.between` has them over the data.
    definitions
        By symbol.
    files
        Those with the definitions.
    algorithms
        Letters of match algorithms by symbol, where they are known.
    expiries
        Of those that end while the data last.
    rolls
        What continuous symbols and parents stand for; None: there are none.
    """

    table: InstrumentTable
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    files: "Sequence[DefinitionFile]" = ()
    algorithms: Mapping[str, str] = field(default_factory=dict)
    _given: Mapping[str, ContractFacts] = field(default_factory=dict)
    expiries: Expiries = field(default_factory=Expiries)
    known: Mapping[str, KnownFuture] = field(default_factory=dict)
    account: ConfiguredAccount | None = None
    rate_file: RateFile | None = None
    rates: Mapping[str, Sequence[tuple[int, int, int]]] = field(default_factory=dict)
    changes: Mapping[str, Sequence[tuple[int, Fraction]]] = field(default_factory=dict)
    rolls: "Rolls | None" = None

    def meant(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the symbols of the data that names stand for, as far as they are no wildcards."""
        return tuple(names) if self.rolls is None else self.rolls.meant(names)

    def reach(self, info: "StreamInfo") -> dict[int, list[tuple[int, int]]]:
        """Return ``[start_ns, end_ns)`` of the times that instruments of a stream are meant for.

        By id; instruments that are meant all the time are left out.
        """
        from tapewire.features import until_expiry

        ends_ns = {
            one.instrument_id: self.expiries.known[one.raw_symbol].ts
            for one in info.mappings
            if one.raw_symbol in self.expiries.known
        }
        return until_expiry({} if self.rolls is None else self.rolls.reach(), ends_ns)

    def rolled_out(self) -> set[str]:
        """Return the symbols of the instruments that the run leaves before they end."""
        ends = () if self.rolls is None else self.rolls.ends
        found = (self.table.get(number) for number in ends)
        return {one.symbol for one in found if one.expiry is not None and one.expiry.rolls}

    def rates_of(self, currency: str) -> Sequence[tuple[int, Fraction]]:
        """Return the rates of a currency over the data; none where it is fixed."""
        return self.changes.get(currency, ())

    def describe(self, instrument_ids: Iterable[int]) -> dict[str, Any]:
        """Return each value of these instruments by symbol, and where it is from, for a manifest.

        ``from`` is ``config``, ``definition``, ``known_futures``, which is Tapewire's own table,
        or ``default``; a value of None is unknown, or none.
        """
        described = {}
        for instrument_id in dict.fromkeys(instrument_ids):
            one = self.table.get(instrument_id)
            given = given_values(self._given.get(one.symbol))
            definition = self.definitions.get(one.symbol)
            defined = defined_values(definition.facts if definition is not None else None)
            known = known_values(self.known.get(one.symbol))
            in_force = {
                "tick_size": one.tick_size or None,
                "multiplier": (known | defined | given).get("multiplier", Fraction(1)),
                "lot_size": one.rules.lot,
                "min_quantity": one.rules.min_lots,
                "price_band": one.rules.band,
                "match_algorithm": one.match_algorithm or None,
            }
            said: dict[str, Any] = {
                key: {"value": shown(key, value), "from": _source(key, given, defined, known)}
                for key, value in in_force.items()
            }
            if one.expiry is not None and one.expiry.rolls:
                said["rolled_out"] = {"value": time_text(one.expiry.ts), "from": "rolls"}
            elif one.expiry is not None:
                sources = self.expiries.sources[one.symbol]
                price = one.expiry.price
                for key, value in (
                    ("expiration", time_text(one.expiry.ts)),
                    ("settlement_price", None if price is None else shown("price", price)),
                ):
                    said[key] = {"value": value, "from": sources[key]}
            if definition is not None:
                said["definition"] = {
                    "file": definition.file,
                    "ts_recv": definition.facts.ts_recv,
                    "before_start": definition.before_start,
                }
            described[one.symbol] = said
        return described


def contracts_of(config: RunConfig, info: "StreamInfo", rolls: "Rolls | None" = None) -> Contracts:
    """Bring together what is known of the instruments of a stream; definition files are read.

    What the configuration states overrides what a definition says. ``rolls`` is what continuous
    symbols stand for.

    Raises
    ------
    MissingFileError, FormatError
        If a definition file can't be used.
    NoDataError
        If one defines no instrument of the stream.
    InputError
        If an instrument id is of one symbol first, of another later.
    ConfigError
        If an expiration is stated of a symbol that stands for several instruments, or there is no
        rate of the currency of a well-known future.
    """
    require_one_symbol(info)
    files, definitions = read_chosen(config, info)
    given = config.backtest.instruments
    rate_file = read_rate_file(config.backtest.money)
    start_ns = info.warmup_until_ns or info.start_ns
    account = with_rates_at(config.backtest.money, rate_file, start_ns)
    ticks_and_multipliers, rules, algorithms, rates, changes = {}, {}, {}, {}, {}
    known = _known_futures(info, definitions)
    for symbol in dict.fromkeys([*definitions, *given, *known]):
        facts = definitions[symbol].facts if symbol in definitions else None
        values = defined_values(facts) | given_values(given.get(symbol))
        currency = given[symbol].currency if symbol in given else None
        if symbol in known:
            if "multiplier" not in values:
                currency = _currency_of_known(symbol, known[symbol], currency, account)
            values = known_values(known[symbol]) | values
        multiplier = values.get("multiplier", Fraction(1))
        if rate_file is not None and currency in rate_file.rates:
            changes[currency] = rate_file.between(currency, start_ns, info.end_ns)
            rates[symbol] = worths_of(rate_file, currency, multiplier, start_ns, info.end_ns)
        ticks_and_multipliers[symbol] = (
            values.get("tick_size", 0),
            multiplier * rate_in(currency, symbol, account),
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
    expiries = expiries_of(config, info, definitions)
    mappings = [(mapping.raw_symbol, mapping.instrument_id) for mapping in info.mappings]
    ends = {} if rolls is None else {n: Expiry(ts, rolls=True) for n, ts in rolls.ends.items()}
    table = InstrumentTable(
        mappings, ticks_and_multipliers, rules, algorithms, expiries.known, ends
    )
    return Contracts(
        table, definitions, files, algorithms, given, expiries, known, account, rate_file, rates,
        changes, rolls,
    )  # fmt: skip


def _known_futures(
    info: "StreamInfo", definitions: Mapping[str, Definition]
) -> dict[str, KnownFuture]:
    """Look up the futures of a stream that no file defines."""
    found = {}
    for symbol in dict.fromkeys(mapping.raw_symbol for mapping in info.mappings):
        one = None if symbol in definitions else known_future(info.dataset, symbol)
        if one is not None:
            found[symbol] = one
    return found


def _currency_of_known(
    symbol: str, known: KnownFuture, stated: str | None, account: ConfiguredAccount | None
) -> str | None:
    """Return the currency of a future's known multiplier, where there is an account."""
    if account is None or known.currency == account.currency:
        return None
    if stated not in (None, known.currency):
        raise ConfigError(
            f"backtest.instruments.{symbol}: expected a multiplier beside currency {stated}, found "
            f"none, and the one that is known, {known.multiplier}, is in {known.currency}"
        )
    if known.currency not in account.rates:
        raise ConfigError(
            f"backtest.account.rates: expected one of {known.currency}, in which {symbol} is "
            f"{known.multiplier} per point, found none (or set its multiplier, in "
            f"{account.currency})"
        )
    return known.currency


def known_values(known: KnownFuture | None) -> dict[str, Any]:
    """What is known of a future without its definition, by key of the configuration."""
    if known is None:
        return {}
    return {"tick_size": known.tick_size, "multiplier": known.multiplier}


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


def _source(
    key: str, given: Mapping[str, Any], defined: Mapping[str, Any], known: Mapping[str, Any]
) -> str:
    places = (("config", given), ("definition", defined), ("known_futures", known))
    return next((place for place, values in places if key in values), "default")


def shown(key: str, value: Any) -> Any:
    """Return a value as a manifest has it: prices and multipliers are exact, as text."""
    if key in _PRICES and value is not None:
        return _number(Fraction(value, PRICE_UNITS))
    return _number(value) if key == "multiplier" else value


def _number(value: Fraction) -> str:
    """Write a fraction as a decimal where that is exact."""
    text = f"{Decimal(value.numerator) / value.denominator:f}"
    return text if Fraction(text) == value else str(value)
