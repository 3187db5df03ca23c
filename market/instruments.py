"""What is known of the instruments in a stream: symbol, tick size, contract multiplier."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

#: How venues share volume out among the orders at a price: letters of an instrument definition's
#: ``match_algorithm`` in DBN and of FIX tag 1142, with CME's A (allocation). F FIFO, K split FIFO
#: and pro rata, C pro rata, T FIFO with lead market makers, S the same with top order, O pro rata
#: with top order, Q the same with lead market makers, Y Eurodollar futures, P time pro rata,
#: V institutional prioritization.
MATCH_ALGORITHMS: Final = "FKCTSOQAYPV"
_INSTRUMENT_IDS: Final = 1 << 32
_ID_DIGITS_MAX: Final = 10


def instrument_id_of(name: str) -> int | None:
    """Return the id that a name stands for where no symbol does: its number, or None.

    A capture need not say which symbols it holds (a live one often does not); its instruments go
    by their ids then, written in decimal digits.
    """
    if not (name.isascii() and name.isdigit()) or len(name) > _ID_DIGITS_MAX:
        return None
    number = int(name)
    return number if number < _INSTRUMENT_IDS and str(number) == name else None


def algorithm_number(letter: str) -> int:
    """The number of a match algorithm in kernels; 0 where there is none."""
    return MATCH_ALGORITHMS.index(letter) + 1 if letter else 0


@dataclass(frozen=True)
class OrderRules:
    """What a venue asks of orders in an instrument.

    Attributes
    ----------
    lot, min_lots : int
        Quantities are multiples of ``lot``, and ``min_lots`` at least.
    band : int or None
        In 1e-9: how far past the last trade a limit may reach; None: any distance.
    protection : int or None
        In 1e-9: how far past the best price a market order may take, past its trigger a stop
        order; None: any distance.
    """

    lot: int = 1
    min_lots: int = 1
    band: int | None = None
    protection: int | None = None


@dataclass(frozen=True)
class Expiry:
    """The end of an instrument.

    Attributes
    ----------
    ts : int
        When it can no longer be traded, exchange time, ns since the epoch.
    price : int or None
        1e-9: what is still held is settled at; None: not known.
    rolls : bool
        The run leaves it, which does not expire: what is held is closed as the book stands.
    """

    ts: int
    price: int | None = None
    rolls: bool = False


@dataclass(frozen=True)
class Instrument:
    """One instrument.

    Attributes
    ----------
    instrument_id : int
    symbol : str
    tick_size : int
        In 1e-9; 0 where unknown: prices are then not checked against it.
    multiplier_num, multiplier_den : int
        Contract multiplier as an exact fraction: currency per price unit and lot.
    rules : OrderRules
    match_algorithm : str
        A letter of `MATCH_ALGORITHMS`; empty where unknown.
    expiry : Expiry or None
        Its end; None: not known, or none.
    """

    instrument_id: int
    symbol: str
    tick_size: int = 0
    multiplier_num: int = 1
    multiplier_den: int = 1
    rules: OrderRules = OrderRules()
    match_algorithm: str = ""
    expiry: Expiry | None = None

    @property
    def multiplier(self) -> Fraction:
        """The multiplier as one number."""
        return Fraction(self.multiplier_num, self.multiplier_den)


class InstrumentTable:
    """Instruments by id and by symbol.

    DBN metadata carries only symbols; tick size and multiplier come from the configuration.

    Parameters
    ----------
    mappings : iterable of (symbol, instrument_id)
        From the metadata of the files; the first symbol of an id names it.
    overrides : mapping of symbol to (tick_size, multiplier), optional
        tick_size in 1e-9 (0: unknown), multiplier as an exact fraction. An instrument without a
        symbol goes by its id in digits, here and everywhere.
    rules : mapping of symbol to OrderRules, optional
    match_algorithms : mapping of symbol to str, optional
        Letters of `MATCH_ALGORITHMS`, where they are known.
    expiries : mapping of symbol to Expiry, optional
        Of the instruments that end.
    ends : mapping of id to Expiry, optional
        When the run leaves instruments; one that expires before, does.
    """

    def __init__(
        self,
        mappings: Iterable[tuple[str, int]],
        overrides: Mapping[str, tuple[int, Fraction]] | None = None,
        rules: Mapping[str, OrderRules] | None = None,
        match_algorithms: Mapping[str, str] | None = None,
        expiries: Mapping[str, Expiry] | None = None,
        ends: Mapping[int, Expiry] | None = None,
    ) -> None:
        self.overrides = dict(overrides or {})
        self._rules = dict(rules or {})
        self._match_algorithms = dict(match_algorithms or {})
        self._expiries = dict(expiries or {})
        self._ends = dict(ends or {})
        self._by_id: dict[int, Instrument] = {}
        self._by_symbol: dict[str, list[int]] = {}
        for symbol, instrument_id in mappings:
            ids = self._by_symbol.setdefault(symbol, [])
            if instrument_id not in ids:
                ids.append(instrument_id)
            if instrument_id not in self._by_id:
                self._by_id[instrument_id] = self._make(instrument_id, symbol)

    def _make(self, instrument_id: int, symbol: str) -> Instrument:
        known = (self._expiries.get(symbol), self._ends.get(instrument_id))
        expiry = min((one for one in known if one is not None), key=lambda x: x.ts, default=None)
        tick_size, multiplier = self.overrides.get(symbol, (0, Fraction(1)))
        return Instrument(
            instrument_id, symbol, tick_size, multiplier.numerator, multiplier.denominator,
            self._rules.get(symbol, OrderRules()), self._match_algorithms.get(symbol, ""),
            expiry,
        )  # fmt: skip

    def get(self, instrument_id: int) -> Instrument:
        """The instrument of an id; one the metadata does not name goes by its number."""
        if instrument_id not in self._by_id:
            self._by_id[instrument_id] = self._make(instrument_id, str(instrument_id))
        return self._by_id[instrument_id]

    def ids_of(self, symbol: str) -> list[int]:
        """Instrument ids a symbol stood for, in order of appearance; empty if unknown.

        The number of an instrument without a symbol stands for itself.
        """
        if symbol in self._by_symbol:
            return list(self._by_symbol[symbol])
        number = instrument_id_of(symbol)
        return [number] if number is not None and self.get(number).symbol == symbol else []

    @property
    def symbols(self) -> list[str]:
        """All symbols named by the metadata."""
        return list(self._by_symbol)


def publishers_of(dataset: str) -> list[int]:
    """Publisher ids of a dataset, from Databento's own table; empty if it is not listed there."""
    from databento.common.publishers import Publisher

    return [int(p.to_int()) for p in Publisher if str(p.dataset) == dataset]
