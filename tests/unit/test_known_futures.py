"""Futures without a definition: what the table says of them, and what overrides it."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tapewire.config.loading import make_config
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError
from tapewire.market.definitions import facts_of
from tapewire.market.known_futures import known_future
from tapewire.replay.definitions import read_definitions
from tapewire.runs.contract_warnings import contract_warnings
from tapewire.runs.contracts import contracts_of
from tapewire.wire import StreamInfo, SymbolMapping

INFO = StreamInfo(
    dataset="GLBX.MDP3", schema="mbo", files=(), mappings=(SymbolMapping("ESH4", 7, 0, 0),),
    start_ns=1_000, end_ns=0, batch_records=1, speed=None,
)  # fmt: skip


def configured(stated: dict[str, Any] | None = None, **account: Any) -> RunConfig:
    """A configuration with what it states of ESH4, and its account."""
    backtest: dict[str, Any] = {"data_source": {"type": "databento", "files": ["day.dbn"]}}
    if stated is not None:
        backtest["instruments"] = {"ESH4": stated}
    if account:
        backtest["account"] = account
    return make_config({"backtest": backtest, "strategy": {"type": "market_maker"}})


@pytest.mark.parametrize(
    ("symbol", "tick", "multiplier"),
    [
        ("ESH4", 250_000_000, 50), ("MESU25", 250_000_000, 5), ("CLZ3", 10_000_000, 1000),
        ("ZNM4", 15_625_000, 1000), ("ZTM4", 3_906_250, 2000), ("6JH4", 500, 12_500_000),
        ("M2KH4", 100_000_000, 5), ("MYMH4", 1_000_000_000, Fraction(1, 2)),
        ("ZCH4", 250_000_000, 50),
    ],
)  # fmt: skip
def test_a_tick_is_worth_what_the_venue_says(symbol: str, tick: int, multiplier: Any) -> None:
    known = known_future("GLBX.MDP3", symbol)
    assert known is not None
    assert (known.tick_size, known.multiplier, known.currency) == (tick, multiplier, "USD")


@pytest.mark.parametrize(
    "symbol", ["ESH4-ESM4", "ESH4 C4800", "TWA1", "XX.c.0", "ES.FUT.0", "ES", "7", "ESA4"]
)
def test_what_is_no_outright_is_not_known(symbol: str) -> None:
    assert known_future("GLBX.MDP3", symbol) is None
    assert known_future("DBEQ.BASIC", "ESH4") is None
    assert known_future("DBEQ.BASIC+GLBX.MDP3", "ESH4") is not None


def test_real_definitions_say_the_same(data_file: Callable[[str], Path]) -> None:
    said = 0
    for name in ("definition-glbx-es-fut", "esu4-20240701.definition"):
        for record in read_definitions(str(data_file(f"glbx/{name}.dbn.zst"))).records:
            facts = facts_of(record)
            known = known_future("GLBX.MDP3", facts.raw_symbol)
            if known is not None:
                assert (known.tick_size, known.multiplier) == (facts.tick_size, facts.multiplier)
                said += 1
    assert said >= 2


def test_the_table_is_used_and_said_where_nothing_else_tells() -> None:
    contracts = contracts_of(config := configured(), INFO)
    one = contracts.table.get(7)
    assert (one.tick_size, one.multiplier) == (250_000_000, 50)
    assert contracts.describe([7])["ESH4"]["multiplier"] == {"value": "50", "from": "known_futures"}
    [told] = contract_warnings(config, INFO, contracts)
    assert told.startswith("tick size and multiplier of ESH4 are those of Tapewire's own table")
    contracts = contracts_of(config := configured({"multiplier": 5}), INFO)
    assert (contracts.table.get(7).multiplier, contracts.table.get(7).tick_size) == (5, 250_000_000)
    config = configured({"multiplier": 5, "tick_size": 0.5})
    assert contract_warnings(config, INFO, contracts_of(config, INFO)) == []


def test_its_dollars_are_converted_or_refused() -> None:
    """50 dollars at 0.92 are 46 euros."""
    euro = {"currency": "EUR", "rates": {"USD": 0.92}}
    assert contracts_of(configured(**euro), INFO).table.get(7).multiplier == 46
    # Stated without a currency it is in the account's.
    assert contracts_of(configured({"multiplier": 50}, **euro), INFO).table.get(7).multiplier == 50
    with pytest.raises(
        ConfigError, match=r"account.rates: expected one of USD, in which ESH4 is 50"
    ):
        contracts_of(configured(currency="EUR"), INFO)
    pound = configured({"currency": "GBP"}, currency="EUR", rates={"GBP": 1.2})
    with pytest.raises(ConfigError, match=r"ESH4: expected a multiplier beside currency GBP"):
        contracts_of(pound, INFO)
    bare = replace(INFO, dataset="XNAS.ITCH")
    assert contracts_of(configured(currency="EUR"), bare).table.get(7).multiplier == 1
