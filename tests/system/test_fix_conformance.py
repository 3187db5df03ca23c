"""The adapter over FIX 4.4 does what any adapter promises, against an exchange on this host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import fix_exchange as fx
import fix_tables
from fix_venue import VARIABLE, FixVenue
from tapewire.live.brokers.conformance import CASES, Case, run_case


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[fx.Exchange]:
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)
    with fx.exchanging() as exchange:
        yield exchange
        assert exchange.broken == []
        assert [
            told for one in (*exchange.received, *exchange.said) for told in fix_tables.broken(one)
        ] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_conforms(case: Case, exchange: fx.Exchange, tmp_path: Path) -> None:
    run_case(case, FixVenue(exchange, tmp_path))


def test_there_are_cases() -> None:
    assert len(CASES) >= 16
