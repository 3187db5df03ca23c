"""Alerts of a session: posted in order, never in its way, and what is lost is counted."""

import time
from collections.abc import Iterator

import pytest

from alert_taker import Taker, taking
from tapewire.errors import ConfigError
from tapewire.runs.alerts import WAITING_MAX, Alerts

VARIABLE = "TAPEWIRE_TEST_ALERTS"


@pytest.fixture
def taker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Taker]:
    with taking() as one:
        monkeypatch.setenv(VARIABLE, one.url)
        yield one


def texts(taker: Taker) -> list[str]:
    return [one["text"] for one in taker.taken]


def test_alerts_come_in_order_and_say_whose_they_are(taker: Taker) -> None:
    with Alerts(VARIABLE, "monday") as alerts:
        for number in range(20):
            alerts.tell(f"n{number}")
        assert alerts.close() == ""
    assert texts(taker) == [f"n{number}" for number in range(20)]
    assert {one["session"] for one in taker.taken} == {"monday"}
    assert (alerts.posted, alerts.lost) == (20, 0)


def test_what_is_refused_is_tried_again_and_then_counted(taker: Taker) -> None:
    """The first is taken at the second try, the next at none; no redirection is followed."""
    taker.answers = [503, 204, 500, 302, 404, 204]
    alerts = Alerts(VARIABLE, "monday")
    for text in "abc":
        alerts.tell(text)
    left = alerts.close()
    assert left == f"1 alert could not be posted to the address in {VARIABLE}"
    assert texts(taker) == ["a", "c"]


def test_a_taker_that_hangs_holds_nobody_up(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapewire.runs.alerts._LAST_S", 0.3)
    taker.holds.clear()
    alerts = Alerts(VARIABLE, "monday")
    began_s = time.monotonic()
    for number in range(WAITING_MAX + 50):
        alerts.tell(str(number))
    assert time.monotonic() - began_s < 5
    assert "could not be posted" in alerts.close()
    assert alerts.lost >= 49


@pytest.mark.parametrize("found", ["", "ftp://x", "no address", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused_and_not_shown(
    found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, found)
    with pytest.raises(ConfigError, match=f"http or https address in .* {VARIABLE}, found") as told:
        Alerts(VARIABLE, "monday")
    assert not found or found not in str(told.value).replace("http or https", "")
