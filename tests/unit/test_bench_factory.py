"""The bench of strategies made by rule: a few bars, and every target finds its row."""

import pytest

from tapewire.bench import factory
from tapewire.bench.measure import Scale
from tapewire.bench.targets import judge

#: Of a minute: sessions enough for the folds.
BARS = 20_000


@pytest.mark.long
def test_every_target_of_the_factory_finds_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BARS_QUICK", BARS), ("TRADED_QUICK", 12), ("POPULATION_QUICK", 8)):
        monkeypatch.setattr(factory, name, value)
    monkeypatch.setattr(factory, "DRAWN", 20)
    rows = list(factory.factory_rows(Scale(5_000, 1, 3, quick=True)))
    assert [row.name for row in rows] == list(factory.NAMES)
    drawn, traded, judged, bred = rows
    assert drawn.events == 20
    assert traded.events == BARS * 12
    assert judged.events == BARS * 12
    assert judged.figures["peak_mb"] > 20
    # Eight at first, then three of each generation: the fittest five stay.
    assert bred.events == BARS * (8 + 2 * 3)
    assert all(row.figures["trades_each"] > 0 for row in (traded, bred))
    found = [one for one in judge(rows) if one.median is not None]
    assert len(found) == 6
