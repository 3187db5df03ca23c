"""Symbols by name and by wildcard: which books a strategy trades."""

from dataclasses import replace

import numpy as np
import pytest

from markets import session, spec
from tapewire.config.loading import make_config
from tapewire.errors import ConfigError, NoDataError
from tapewire.market.instruments import InstrumentTable
from tapewire.market.symbols import is_named
from tapewire.router import Simulation, SimulationConfig
from tapewire.strategies import Wants

SYMBOLS = ("ESH4", "ESM4", "ES", "GOOG", "GOOGL", "X[1]", "NQH4")


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (("ES*",), {"ESH4", "ESM4", "ES"}),
        (("ES?4",), {"ESH4", "ESM4"}),
        (("ES?",), set()),
        (("ES??",), {"ESH4", "ESM4"}),
        (("GOOG?",), {"GOOGL"}),
        (("GOOG*", "NQH4"), {"GOOG", "GOOGL", "NQH4"}),
        (("X[1]",), {"X[1]"}),
        (("X[1]*",), {"X[1]"}),
        (("es*",), set()),
        (("*",), set(SYMBOLS)),
        ((), set()),
    ],
)
def test_which_symbols_names_stand_for(names: tuple[str, ...], meant: set[str]) -> None:
    assert {symbol for symbol in SYMBOLS if is_named(symbol, names)} == meant


def traded(*names: str, wants: tuple[str, ...] = (), mapped: bool = True) -> set[str]:
    records = session(2_000, len(SYMBOLS), 3)
    ids = [int(number) for number in np.unique(records["instrument_id"])]
    assert len(ids) == len(SYMBOLS)
    maker = replace(spec("maker", "market_maker"), symbols=names)
    maker = replace(maker, definition=replace(maker.definition, wants=Wants(symbols=wants)))
    table = InstrumentTable(zip(SYMBOLS, ids, strict=True) if mapped else ())
    simulation = Simulation(SimulationConfig(table, (maker,)))
    simulation.feed(records)
    simulation.finish()
    return {leg.symbol for leg in simulation.legs}


def test_a_strategy_trades_what_its_wildcards_stand_for() -> None:
    assert traded() == set(SYMBOLS)
    assert traded("ES*") == {"ESH4", "ESM4", "ES"}
    assert traded("GOOG?", "NQH4") == {"GOOGL", "NQH4"}


def test_what_it_wants_holds_where_the_configuration_does_not_say() -> None:
    assert traded(wants=("ES??",)) == {"ESH4", "ESM4"}
    assert traded("GOOG", wants=("ES??",)) == {"GOOG"}


def test_a_wildcard_that_stands_for_nothing_is_an_unknown_symbol() -> None:
    for names, wants in ((("CL*",), ()), (("ES*", "CL?"), ()), ((), ("CL*",))):
        with pytest.raises(NoDataError, match=r"maker: expected a symbol of the data, found 'CL"):
            traded(*names, wants=wants)


def test_without_symbols_wildcards_are_of_numbers() -> None:
    assert len(traded("*", mapped=False)) == len(SYMBOLS)
    assert traded("no*", mapped=False) == set()


def test_a_configuration_knows_the_symbols_of_its_data() -> None:
    source = {"type": "databento", "files": ["a.dbn"], "symbols": ["ESH4", "ESM4"]}
    for name in ("ES*", "ESH?"):
        strategy = {"type": "market_maker", "symbols": [name]}
        assert make_config({"backtest": {"data_source": source}, "strategy": strategy})
    strategy = {"type": "market_maker", "symbols": ["NQ*"]}
    with pytest.raises(ConfigError, match=r"NQ\* is not among the symbols of data_source"):
        make_config({"backtest": {"data_source": source}, "strategy": strategy})
