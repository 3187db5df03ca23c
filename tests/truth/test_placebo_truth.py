"""What the captures' own orders come to, sent again: at least 99 % of orders and of lots."""

from collections.abc import Callable
from pathlib import Path

import pytest

import tapewire as tw

WHOLE_PERCENT = 99
FILES = {
    "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst": (17_000, 9_500),
    "dbeq/dbeq-basic-20240403.mbo.dbn.zst": (18_000, 6_500),
    "truth/xnas-arl-20250717/mbo.dbn.zst": (2_900, 231),
}  #: With the orders and the lots that there are at least.


@pytest.mark.parametrize("name", FILES)
def test_real_orders_sent_again_fill_as_they_did(
    name: str, data_file: Callable[[str], Path]
) -> None:
    report = tw.validate_placebo(data_file(name))
    orders, lots = FILES[name]
    assert report.counts.orders > orders
    assert report.counts.lots >= lots
    assert report.falls_short(WHOLE_PERCENT) == []
    assert "unexplained" not in {**report.counts.classes, **report.counts.taker_classes}
