"""The bench of strategies made by rule: a few bars, and every target finds its row."""

import pytest

from tapewire.bench import factory
from tapewire.bench.measure import Scale
from tapewire.bench.targets import judge


def test_every_target_of_the_factory_finds_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BARS_QUICK", 3_000), ("TRADED_QUICK", 12), ("POPULATION_QUICK", 8)):
        monkeypatch.setattr(factory, name, value)
    monkeypatch.setattr(factory, "DRAWN", 20)
    rows = list(factory.factory_rows(Scale(5_000, 1, 3, quick=True)))
    assert [row.name for row in rows] == list(factory.NAMES)
    drawn, traded, bred = rows
    assert drawn.events == 20
    assert traded.events == 3_000 * 12
    # Eight at first, then three of each generation: the fittest five stay.
    assert bred.events == 3_000 * (8 + 2 * 3)
    assert all(row.figures["trades_each"] > 0 for row in (traded, bred))
    found = [one for one in judge(rows) if one.median is not None]
    assert len(found) == 5
