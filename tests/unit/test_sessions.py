"""When sessions close, as a configuration says it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapewire as tw
from tapewire.config.schema import SessionHours
from tapewire.config.sessions import session_closes
from tapewire.errors import ConfigError


def ns(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(int))


def test_closes_follow_the_clocks_of_their_place() -> None:
    hours = SessionHours(close="16:00", timezone="America/Chicago")
    closes = session_closes(hours, ns("2024-03-08T12:00"))
    # Clocks there go forward on the 10th.
    assert closes[:4] == (
        ns("2024-03-08T22:00"), ns("2024-03-09T22:00"), ns("2024-03-10T21:00"),
        ns("2024-03-11T21:00"),
    )  # fmt: skip
    # Of data that go on for years.
    assert closes[-1] > ns("2043-01-01")
    assert len(closes) < 10_000


def test_a_close_that_has_passed_is_not_one_of_them() -> None:
    hours = SessionHours(close="16:00:30")
    assert session_closes(hours, ns("2024-03-08T16:00:30"))[0] == ns("2024-03-09T16:00:30")
    assert session_closes(hours, 0)[0] == ns("2000-01-01T16:00:30")
    assert session_closes(None, 0) == ()


@pytest.mark.parametrize(
    ("session", "message"),
    [
        ({"close": 960}, "expected a time of day in quotes, like '16:00' or '13:30:00', found 960"),
        ({"close": "25:00"}, "expected a time of day"),
        ({"close": "16:00", "timezone": "Chicago"}, "expected a time zone like America/Chicago"),
        ({"timezone": "UTC"}, "session.close"),
    ],
)
def test_wrong_hours_are_refused(session: dict[str, Any], message: str) -> None:
    raw = {
        "backtest": {"data_source": {"type": "synthetic"}, "session": session},
        "strategy": {"type": "market_maker"},
    }
    with pytest.raises(ConfigError) as caught:
        tw.make_config(raw)
    assert message in str(caught.value)


class Closing(tw.Strategy):
    """Flattens where the session closes, and says so."""

    wants = tw.Wants(session=True, features=("time_to_close",))

    def on_trade(self, trade: Any, context: Any) -> None:
        if context.position == 0 and not context.orders:
            context.buy(1)
            context.record("to_close", context.features["time_to_close"])

    def on_session_close(self, context: Any) -> None:
        context.record("closed", context.market.session.volume)
        if context.position > 0:
            context.sell(context.position)


def test_a_run_tells_its_strategies_of_the_close(synthetic_file: Path, tmp_path: Path) -> None:
    first = tw.run(synthetic_file, strategies=[Closing], output=tmp_path / "whole")
    start = np.datetime64(first.to_arrow("fills")["ts_event"][0].value, "ns")
    close = str((start + np.timedelta64(20, "s")).astype("datetime64[s]"))[11:]
    result = tw.run(
        synthetic_file, strategies=[Closing], output=tmp_path / "closing",
        overrides={"backtest.session": {"close": close}},
    )  # fmt: skip
    series = result.to_pandas("series")
    closed = series[series["name"] == "closed"]
    assert len(closed) == 1
    assert str(closed["ts"].iloc[0])[11:19] == close
    assert closed["value"].iloc[0] > 0
    to_close = series[series["name"] == "to_close"]["value"]
    assert 0 <= to_close.iloc[0] <= 21
    assert "close: " in (result.path / "config.yaml").read_text()
