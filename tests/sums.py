"""Sums of two backtests held against each other."""

from typing import Any

import pytest


def same_sums(found: Any, wanted: Any) -> None:
    """To the last bit, but for a ratio that is rounded at each of its highs."""
    for name in wanted.dtype.names:
        if name == "max_drawdown_share":
            assert found[name] == pytest.approx(wanted[name], rel=1e-12), name
        else:
            assert found[name] == wanted[name], name
