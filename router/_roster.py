"""Who takes part: strategies bound to the run, their instances, and each one's legs on books."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.draws import key_of
from tapewire.compiled.memory import Block
from tapewire.errors import ConfigError, NoDataError
from tapewire.execution.codes import SelfTrade
from tapewire.execution.layout import ALWAYS, HEDGES, NEVER, STANDING_MAX, WORTH
from tapewire.execution.models import Models
from tapewire.execution.models.latency.legs import REQUESTS
from tapewire.execution.models.queue.estimate import EXACT
from tapewire.execution.models.record import VARIES
from tapewire.features.layout import WORD
from tapewire.features.sets import FeatureSet, FeatureState
from tapewire.market.instruments import Instrument, algorithm_number
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.market.symbols import is_named, is_wildcard
from tapewire.router._abroad import ABROAD_NS
from tapewire.router._bounds import Bounds
from tapewire.router._memory import Memory
from tapewire.router._series import Series
from tapewire.router.config import SimulationConfig, StrategySpec
from tapewire.router.results import LegInfo
from tapewire.strategies.binding import Bound
from tapewire.strategies.definition import StrategyDefinition
from tapewire.strategies.layout import (
    CALLED_FOR_DEPTH,
    HOOK_BOOK,
    HOOK_EVENT,
    HOOK_N,
    HOOK_TRADE,
    ON_BOOK,
    ON_DEPTH,
    ON_EVENT,
    ON_FEATURES,
    ON_PRICE,
    ON_QUEUE,
    ON_TRADE,
    ON_VIEW,
)
from tapewire.strategies.place import Place, PlacedBook, ViewMemory
from tapewire.strategies.wants import TRADES_UNSHOWN_MAX

ORDERS_PER_SECOND_MAX: Final = 1_000_000
_NO_SYMBOLS: Final = "none: name instruments by their numbers (instrument_id)"


def _symbols_of(spec: StrategySpec) -> tuple[str, ...]:
    """What a strategy trades, by names and wildcards; the configuration's word comes first."""
    return spec.symbols or spec.definition.wants.symbols


class Roster:
    """Strategies, instances and legs of a simulation, and their records.

    Raises
    ------
    ConfigError, InputError
        If a strategy's symbols, or the books it names, don't fit the instruments.
    """

    def __init__(self, config: SimulationConfig, memory: Memory) -> None:
        self.legs: list[LegInfo] = []
        self.instance_n = 0
        self._config = config
        self._memory = memory
        self._bounds = Bounds(config, memory)
        self._states: list[npt.NDArray[Any]] = []
        self._specs: list[StrategySpec] = []  # of each instance
        self._names = {_symbols_of(spec) for spec in config.strategies}
        self._check_specs()
        self._models = [config.models]  # each set once, as often as strategies have it
        self._models_of = {
            spec.strategy_id: self._number_of(spec.models) for spec in config.strategies
        }
        if len(self._models) > memory.models.capacity:
            memory.models.grow(len(self._models))
        # Kernels have addresses within them: they live as long as the simulation.
        self._kept = [
            models.write(memory.models.records[k]) for k, models in enumerate(self._models)
        ]
        if config.abroad:
            for leg in REQUESTS:
                memory.models.records["delay_ns"][: len(self._models), leg] = ABROAD_NS
        if any(record["whole_level"] for record in memory.models.records[: len(self._models)]):
            memory.standing.grow(STANDING_MAX)
        self._window_ns = [models.window_ns for models in self._models]
        self._moves_marks = [models.remembers_pushes for models in self._models]
        self._feed_ns = [models.latency_bounds()["feed"] for models in self._models]
        self.calls: list[Callable[[], None] | None] = []  # by instance and hook
        self.series = Series(memory.places)
        self._houses: dict[tuple[int, str], int] = {}  # first leg of each shared book
        self._together: dict[str, int] = {}  # instance of a strategy that has one over its books
        wants = [spec.definition.wants for spec in config.strategies]
        self._depth = max((want.depth for want in wants), default=0)
        names = dict.fromkeys(name for want in wants for name in want.features)
        self._features = FeatureSet(names, closes_ns=config.session_closes) if names else None
        self._worths: dict[str, Block] = {}
        self._columns: dict[tuple[str, ...], Block] = {}
        self._opened: set[int] = set()  # keys of books known to be open
        self._trades = max((_trades_kept(spec.definition) for spec in config.strategies), default=0)
        self._bound: list[Bound] = [
            spec.definition.bind(spec.parameters) for spec in config.strategies
        ]

    def _check_specs(self) -> None:
        houses: dict[str, tuple[StrategySpec, Models]] = {}
        names = Counter(spec.strategy_id for spec in self._config.strategies)
        for name, count in names.items():
            if count > 1:
                raise ConfigError(f"strategy name {name!r} is used twice; names must differ")
        for spec in self._config.strategies:
            for symbol in _symbols_of(spec):
                if not self._is_in_the_data(symbol):
                    raise NoDataError(
                        f"strategy {spec.strategy_id}: expected a symbol of the data, found "
                        f"{symbol!r}; the data has {self._known_symbols()}"
                    )
            own = spec.models or self._config.models
            first = (spec, own)
            if spec.shared_book:
                first = houses.setdefault(spec.shared_book, first)
            if (own.fill, own.queue) != (first[1].fill, first[1].queue):
                raise ConfigError(
                    f"strategy {spec.strategy_id}: expected the fill model of "
                    f"{first[0].strategy_id}, with which it shares the book {spec.shared_book!r}"
                )
            if spec.limits.max_orders_per_second > ORDERS_PER_SECOND_MAX:
                raise ConfigError(
                    f"strategy {spec.strategy_id}: max_orders_per_second: expected at most "
                    f"{ORDERS_PER_SECOND_MAX:,}, found {spec.limits.max_orders_per_second:,}"
                )

    def _number_of(self, models: Models | None) -> int:
        """Position of a set of models among those of the simulation."""
        if models is None:
            return 0
        for number, known in enumerate(self._models):
            if known is models or known == models:
                return number
        self._models.append(models)
        return len(self._models) - 1

    @property
    def feed_max_ns(self) -> int:
        """Largest feed latency that anybody may have."""
        return max(most_ns for _, most_ns in self._feed_ns)

    def _is_in_the_data(self, name: str) -> bool:
        instruments = self._config.instruments
        if not is_wildcard(name):
            return bool(instruments.ids_of(name))
        known = instruments.symbols  # without any, instruments turn up with their records
        return not known or any(is_named(symbol, (name,)) for symbol in known)

    def _known_symbols(self) -> str:
        return ", ".join(self._config.instruments.symbols[:10]) or _NO_SYMBOLS

    # --- books ------------------------------------------------------------------------------------

    def open_named_books(self) -> None:
        """Open the books that strategies name, so that they have their places from the start."""
        for spec, bound in zip(self._config.strategies, self._bound, strict=True):
            if bound.names_its_books:
                instance = self._add_instance(spec, bound)
                places: dict[int, int] = {}  # leg on each of its books
                legs = []
                for symbol, publisher_id in bound.books:
                    key = self._key_of(bound, symbol, publisher_id)
                    book = self._book_index(key)
                    if book == NIL:
                        book = self.open_book(key)
                    if book not in places:
                        places[book] = self._add_leg(spec, bound, instance, book, key)
                    legs.append(places[book])
                bound.place(legs)

    def _key_of(self, bound: Bound, symbol: str, publisher_id: int | None) -> int:
        """Key of the one book that a strategy means."""
        ids = self._config.instruments.ids_of(symbol)
        if not ids:
            raise NoDataError(
                f"{bound.source}: expected symbols of the data, found {symbol!r}; the data has "
                f"{self._known_symbols()}"
            )
        if publisher_id is None:
            publishers = self._config.publishers
            if len(publishers) != 1:
                listed = ", ".join(map(str, publishers)) or "unknown"
                raise ConfigError(
                    f"{bound.source}: {symbol} is traded on several publishers ({listed}); "
                    f"{bound.publisher_hint}"
                )
            publisher_id = publishers[0]
        elif self._config.publishers == (0,) and publisher_id != 0:
            raise ConfigError(
                f"{bound.source}: expected no publisher_id, found {publisher_id}: books of "
                "consolidated data are of all publishers together (0): leave the column out"
            )
        if len(ids) > 1:
            raise ConfigError(
                f"{bound.source}: {symbol} stands for {len(ids)} instruments in this data; replay "
                f"the days one by one"
            )
        return publisher_id << 32 | ids[0]

    def _book_index(self, key: int) -> int:
        market = self._memory.market
        n = int(market.state[0]["book_n"])
        found = np.flatnonzero(market.books.records["key"][:n] == key)
        return int(found[0]) if found.size else NIL

    def open_book(self, key: int) -> int:
        """Open a book, with its watch and the strategies that trade it; returns its index."""
        memory = self._memory
        book = memory.market.open_book(key)
        if memory.watches.capacity < memory.market.books.capacity:
            memory.watches.grow(memory.market.books.capacity)
        watch = memory.watches.records[book]
        watch["due"] = watch["local_due"] = NEVER
        watch["own_bid"] = watch["wake"] = ALWAYS
        watch["stop_sell"] = ALWAYS
        for bound_name in ("own_ask", "own_bid_stamp", "own_ask_stamp", "stop_buy", "expiry_ns"):
            watch[bound_name] = NEVER
        for name in ("legs", "traces", "traces_tail", "unseen"):
            watch[name] = NIL
        for name in ("bid", "ask", "mark", "trade_price", "settle_price"):
            watch[name] = UNDEF_PRICE
        watch["gapless"] = 1
        watch["transition"] = memory.first_transitions.get(key, NIL)
        publisher_id, instrument_id = key >> 32, key & 0xFFFFFFFF
        instrument = self._config.instruments.get(instrument_id)
        if (expiry := instrument.expiry) is not None:
            watch["expiry_ns"] = expiry.ts
            watch["rolls"] = expiry.rolls
            watch["settle_price"] = UNDEF_PRICE if expiry.price is None else expiry.price
        symbol = instrument.symbol
        meant = {names: is_named(symbol, names) for names in self._names if names}
        for spec, bound in zip(self._config.strategies, self._bound, strict=True):
            if bound.names_its_books:
                continue
            if not meant.get(_symbols_of(spec), True):
                continue
            if spec.publishers and publisher_id not in spec.publishers:
                continue
            instance = self._together.get(spec.strategy_id, NIL)
            if instance == NIL:
                instance = self._add_instance(spec, bound)
                if spec.definition.wants.together:
                    self._together[spec.strategy_id] = instance
            self._add_leg(spec, bound, instance, book, key)
        return book

    def open_missing(self, keys: Sequence[int]) -> bool:
        """Open the books that are not open yet; whether there were any."""
        missing = [key for key in keys if key not in self._opened]
        for key in missing:
            if self._book_index(key) == NIL:
                self.open_book(key)
            self._opened.add(key)
        return bool(missing)

    # --- instances and legs -----------------------------------------------------------------------

    def _add_instance(self, spec: StrategySpec, bound: Bound) -> int:
        memory, index = self._memory, self.instance_n
        if index == memory.instances.capacity:
            for block in (memory.instances, memory.contexts, memory.limits):
                block.grow(2 * index)
        self.instance_n += 1
        self._states.append(bound.new_state())
        self._specs.append(spec)
        instance = memory.instances.records[index]
        hooks = spec.definition.addresses()
        instance["hooks"] = hooks
        instance["state"] = self._states[-1].ctypes.data
        wants = spec.definition.wants
        mask = 0
        mask |= ON_EVENT if hooks[HOOK_EVENT] else 0
        mask |= ON_TRADE if hooks[HOOK_TRADE] else 0
        mask |= ON_DEPTH if wants.depth else 0
        mask |= ON_VIEW if wants.session or _trades_kept(spec.definition) else 0
        mask |= ON_QUEUE if wants.queue_places else 0
        mask |= ON_FEATURES if wants.features else 0
        if hooks[HOOK_BOOK]:
            mask |= {"price": ON_PRICE, "bbo": ON_BOOK, "depth": CALLED_FOR_DEPTH}[wants.book]
        instance["mask"] = mask
        instance["depth"] = wants.depth
        if wants.features and self._features is not None:
            columns = self._feature_columns(wants.features)
            instance["feature_columns"], instance["feature_n"] = (
                columns.address,
                len(wants.features),
            )
        instance["local_due"] = NEVER
        least_ns, most_ns = self._feed_ns[self._models_of[spec.strategy_id]]
        instance["feed_ns"] = least_ns if least_ns == most_ns else VARIES
        instance["feed_max_ns"] = most_ns
        instance["moves_marks"] = self._moves_marks[self._models_of[spec.strategy_id]]
        for name in ("inbox_head", "inbox_tail", "legs", "shown_leg"):
            instance[name] = NIL
        outside = not spec.definition.compiled
        if outside or wants.together:
            memory.places[index] = Place(spec.strategy_id, bound.parameters, self._key(spec))
        context = self._context(index)
        context["leg"] = NIL  # until the first callback
        context["trade_price"] = UNDEF_PRICE
        context["open_head"] = context["open_tail"] = NIL
        context["execution"] = memory.execution_address
        self._bounds.add(index, spec.limits, spec.gateway)
        memory.publish(self.instance_n)
        self.calls += self._calls(index, spec) if outside else [None] * HOOK_N
        return index

    def _context(self, index: int) -> Any:
        """The CONTEXT record of an instance."""
        place = self._memory.places.get(index)
        block = self._memory.contexts if place is None else place.context
        return block.records[index if place is None else 0]

    def _beyond(self, spec: StrategySpec, instrument: Instrument) -> int:
        """Price units from an order's price on that volume is beyond it, for its fill model."""
        models = self._models[self._models_of[spec.strategy_id]]
        if models.beyond_ticks == 1:
            return 1  # a tick or more, whatever it is
        if instrument.tick_size == 0:
            raise ConfigError(
                f"strategy {spec.strategy_id}: fill model {models.fill.definition.name}: expected "
                f"to know the tick size of {instrument.symbol} for {models.beyond_ticks} ticks "
                "beyond a price; give it as tick_size of the instrument"
            )
        return models.beyond_ticks * instrument.tick_size

    def _key(self, spec: StrategySpec) -> int:
        """What a strategy's own random draws hang on; not on its books, or who else runs."""
        return key_of(self._seed(spec), spec.strategy_id, 0, 0)

    def _seed(self, spec: StrategySpec) -> int:
        return self._config.seed if spec.seed is None else spec.seed

    def _calls(self, index: int, spec: StrategySpec) -> list[Callable[[], None] | None]:
        """What is called for each hook of an instance that is not compiled."""
        definition, place = spec.definition, self._memory.places[index]
        if definition.outside is not None:
            return list(definition.outside(place))
        context = place.context.records.view(np.recarray)[0]
        state = self.state_of(index)
        return [
            None if hook is None else partial(hook, context, state) for hook in definition.hooks
        ]

    def _add_leg(self, spec: StrategySpec, bound: Bound, instance: int, book: int, key: int) -> int:
        memory, index = self._memory, len(self.legs)
        publisher_id, instrument_id = key >> 32, key & 0xFFFFFFFF
        instrument = self._config.instruments.get(instrument_id)
        if index == memory.legs.capacity:
            for block in (
                memory.legs, memory.parties, memory.rules, memory.tallies, memory.accounts,
            ):  # fmt: skip
                block.grow(2 * index)
        leg = memory.legs.records[index]
        leg["arrival_due"] = memory.watches.records[book]["expiry_ns"]
        leg["instance"] = instance
        leg["book"] = book
        leg["arrival_head"] = leg["arrival_tail"] = NIL
        leg["tick_size"] = instrument.tick_size
        owner = memory.instances.records[instance]
        watch = memory.watches.records[book]
        leg["next_of_instance"] = owner["legs"]
        owner["legs"] = index
        owner["leg_n"] += 1
        leg["next_of_book"] = watch["legs"]
        watch["legs"] = index
        watch["subscriptions"] |= owner["mask"]
        watch["wake"] = ALWAYS
        watch["due"] = ALWAYS  # so that the next event starts it
        party = memory.parties.records[index]
        party["book"] = book
        party["owner"] = index
        if spec.shared_book:
            party["owner"] = self._houses.setdefault((book, spec.shared_book), index)
        if spec.shared_book or self._config.portfolio is not None:
            leg["shared"] = 1 + self._config.strategies.index(spec)
        party["buys"] = party["sells"] = party["waiting"] = NIL
        party["publisher_id"] = publisher_id
        party["instrument_id"] = instrument_id
        party["models"] = self._models_of[spec.strategy_id]
        if memory.models.records[party["models"]]["queue_estimate"] != EXACT:
            watch["estimates"] = 1
        party["key"] = key_of(self._seed(spec), spec.strategy_id, publisher_id, instrument_id)
        rules = memory.rules.records[index]
        rules["expire_due"] = leg["arrival_due"]
        rules["tick_size"] = instrument.tick_size
        asked = instrument.rules
        rules["protection"] = NIL if asked.protection is None else asked.protection
        rules["band"] = NIL if asked.band is None else asked.band
        rules["lot"], rules["min_lots"] = asked.lot, asked.min_lots
        rules["self_trade"] = (
            SelfTrade[spec.self_trade.upper()]
            if spec.self_trade != "none"
            else (SelfTrade.OTHERS if spec.shared_book else SelfTrade.ALONE)
        )
        rules["stop_buys"] = rules["stop_sells"] = NIL
        tally = memory.tallies.records[index]
        tally["house"] = party["owner"]
        tally["window_ns"] = self._window_ns[party["models"]]
        tally["beyond"] = self._beyond(spec, instrument)
        tally["algorithm"] = algorithm_number(instrument.match_algorithm)
        if watch["window_due"] == 0:
            watch["window_due"] = NEVER
        if self._window_ns[party["models"]]:
            watch["window_due"] = ALWAYS
        account = memory.accounts.records[index]
        account["mark"] = UNDEF_PRICE
        if steps := self._config.rates.get(instrument.symbol):
            for record in (account, tally):
                record["worths"] = self._worths_of(instrument.symbol, steps)
                record["worth_n"] = 1  # as many as the instrument's multiplier tells of
        if spec.hedges:
            rules["reduces"] = HEDGES
            memory.execution["contingent"] = 1
        for record in (party, account):
            record["multiplier_num"] = instrument.multiplier_num
            record["multiplier_den"] = instrument.multiplier_den
        memory.router["leg_n"] = index + 1
        view = self._view(spec, book)
        if spec.definition.wants.features:
            self._add_features(book)
        if instance in memory.places:
            place = memory.places[instance]
            place.add_book(
                PlacedBook(
                    index,
                    instrument.symbol,
                    publisher_id,
                    instrument_id,
                    instrument.tick_size,
                    view,
                    **self._feature_place(spec, book),
                )
            )
        self.legs.append(
            LegInfo(
                index, spec.strategy_id, publisher_id, instrument_id, instrument.symbol,
                instrument.tick_size, instrument.multiplier_num, instrument.multiplier_den,
                bound.labels,
                spec.limits.max_position if spec.limits.max_position > 0 else None,
            )
        )  # fmt: skip
        memory.publish(self.instance_n)
        return index

    def _worths_of(self, symbol: str, steps: Sequence[tuple[int, int, int]]) -> int:
        """Address of what a price point of an instrument is worth, over time."""
        if symbol not in self._worths:
            block = Block(WORTH, len(steps) + 1)
            block.records[:-1] = steps
            block.records[-1] = NEVER, 1, 1
            self._worths[symbol] = block
        return self._worths[symbol].address

    def _view(self, spec: StrategySpec, book: int) -> ViewMemory | None:
        """The view of a book, if a strategy wants one; the same for all who do."""
        memory = self._memory
        wants = spec.definition.wants
        if not (wants.has_view or _trades_kept(spec.definition)):
            return None
        if book not in memory.view_memory:
            memory.view_memory[book] = ViewMemory(self._depth, self._trades)
            memory.watches.records[book]["seen_view"] = memory.view_memory[book].address
        return memory.view_memory[book]

    def _feature_columns(self, names: tuple[str, ...]) -> Block:
        """Where a strategy's features are among those of the run."""
        if names not in self._columns:
            assert self._features is not None
            block = Block(WORD, len(names))
            block.records["value"] = [self._features.position(name) for name in names]
            self._columns[names] = block
        return self._columns[names]

    def _feature_place(self, spec: StrategySpec, book: int) -> dict[str, Any]:
        """Where a strategy finds the features that it wants: not what they are made of."""
        names = spec.definition.wants.features
        if not names or self._features is None:
            return {}
        return {
            "features_address": self._memory.feature_states[book].address,
            "feature_columns": {name: self._features.position(name) for name in names},
        }

    def _add_features(self, book: int) -> None:
        """Keep features of a book: those of all strategies, each as if it were alone."""
        memory = self._memory
        if book not in memory.feature_states and self._features is not None:
            memory.feature_states[book] = FeatureState(self._features)
            memory.watches.records[book]["features"] = memory.feature_states[book].address

    # --- who is who -------------------------------------------------------------------------------

    def spec_of(self, instance: int) -> StrategySpec:
        """The strategy that an instance is one of."""
        return self._specs[instance]

    def models_of(self, strategy_id: str) -> Models:
        """The models of a strategy."""
        return self._models[self._models_of[strategy_id]]

    def together_of(self, strategy_id: str) -> int | None:
        """The one instance of a strategy that has its books together; None before the first."""
        return self._together.get(strategy_id)

    def state_of(self, instance: int) -> Any:
        """The state record of an instance, its fields as attributes."""
        return self._states[instance].view(np.recarray)[0]

    def legs_of(self, instance: int) -> list[LegInfo]:
        """The legs of an instance."""
        return [x for x in self.legs if self._memory.legs.records[x.leg]["instance"] == instance]

    def counts(self, first_ns: int) -> dict[str, int]:
        """What strategies themselves report, summed by name; the data begins at ``first_ns``."""
        total: dict[str, int] = {}
        for spec, bound in zip(self._config.strategies, self._bound, strict=True):
            feed_ns, _ = self._feed_ns[self._models_of[spec.strategy_id]]
            for name, n in bound.counts(first_ns + feed_ns).items():
                total[name] = total.get(name, 0) + n
        return total


def _trades_kept(definition: StrategyDefinition) -> int:
    """Trades that are kept of each book for a strategy: a power of two, or 0."""
    kept = definition.wants.trades_kept
    if definition.on_trades is not None:
        kept = max(kept, 2 * TRADES_UNSHOWN_MAX)
    return 1 << (kept - 1).bit_length() if kept else 0
