"""Latencies that follow the feed, and compute time that is drawn: by hand, and by formula."""

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawn import delays, draw, many_orders, of_orders, orders_of
from stories import Log, Played, Tape, ns, play
from tapewire.compiled.draws import key_of
from tapewire.config.loading import make_config
from tapewire.errors import ConfigError
from tapewire.execution.models import Models, built_in
from tapewire.execution.models.latency import LATENCY_MODELS
from tapewire.runs.warnings import count_warnings

# --- from the data --------------------------------------------------------------------------------


def following(**given: int) -> Models:
    parameters = {name: Decimal(value) for name, value in given.items()}
    return Models(latency=built_in("latency", "from_data", **parameters))


def late_tape() -> Any:
    """Events at 0, 1, 100 and 500 µs, captured 7, 7, 20 and 3,000 µs later."""
    tape = Tape(delay_us=7).add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 5).tick(100).tick(500)
    records = tape.tick(9_000).records()
    records["ts_recv"][2] = ns(120)
    records["ts_recv"][3] = ns(3_500)
    return records


def legs_of(played: Played) -> list[tuple[int, int]]:
    """Delay of each order, and of the word of it, in ns."""
    accepted = played.rows.events[played.rows.events["event"] == 4]
    return [
        (int(order["ts_arrived"] - order["ts_sent"]), int(event["ts_known"] - event["ts_event"]))
        for order, event in zip(orders_of(played), accepted, strict=True)
    ]


def test_a_request_takes_what_the_feed_took_when_it_was_sent(tmp_path: Path) -> None:
    log = Log().buy(50, "a", 1, 90).buy(200, "b", 1, 90).buy(4_000, "c", 1, 90)
    models = following(
        order_latency_multiplier=2, order_latency_offset_us=5, response_latency_multiplier=1,
        response_latency_offset_us=1, order_latency_max_us=800,
    )  # fmt: skip
    played = play(tmp_path, late_tape(), log, models=models, event_log=True)
    # 2 x 7 + 5 and 7 + 1; then 2 x 20 + 5 and 20 + 1; then 2 x 3,000 + 5, cut at 800, which
    # holds for responses, too.
    assert legs_of(played) == [(19_000, 8_000), (45_000, 21_000), (800_000, 800_000)]


def test_what_the_feed_took_may_be_measured_from_the_venues_sending_on(tmp_path: Path) -> None:
    records = late_tape()
    records["ts_in_delta"] = [900, 1_000, 2_000, 0, 2**31 - 1]  # ns
    log = Log().buy(50, "a", 1, 90).buy(200, "b", 1, 90).buy(4_000, "c", 1, 90)
    models = following(order_latency_multiplier=2, order_latency_offset_us=5)
    models = Models(latency=built_in(
        "latency", "from_data", **models.latency.parameters | {"measured_by": "ts_in_delta"}
    ))  # fmt: skip
    played = play(tmp_path, records, log, models=models, event_log=True)
    # The event at 500 does not say when it was sent, and the last one not within 2 s: then it is as
    # long as it was before.
    assert legs_of(played) == [(7_000, 7_000), (9_000, 9_000), (9_000, 9_000)]
    assert played.counts["events_without_sending_time"] == 2
    assert any(said.startswith("2 times an event did not say when the venue had sent it")
               for said in count_warnings(played.counts, None))  # fmt: skip


def test_a_field_that_does_not_say_what_the_feed_took_is_refused() -> None:
    with pytest.raises(ConfigError, match="measured_by: expected ts_event or ts_in_delta, found"):
        built_in("latency", "from_data", measured_by="ts_recv")


def test_before_any_event_there_is_the_offset_alone() -> None:
    least = following(order_latency_offset_us=5).latency_bounds()
    assert least["entry"] == (5_000, 100_000_000)
    assert least["feed"] == (0, 0)


def test_an_offset_above_the_largest_delay_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_us of cancel of at least its offset_us, 9, found 8"):
        following(cancel_latency_offset_us=9, order_latency_max_us=8)


# --- compute time ---------------------------------------------------------------------------------

COMPUTE = {"type": "lognormal", "median_us": 5, "sigma": 0.5}


def test_compute_time_is_a_draw_of_its_own_on_top_of_any_model(tmp_path: Path) -> None:
    tape, log = many_orders(400, 1_000)
    fixed = built_in("latency", "fixed", compute=COMPUTE)
    orders = orders_of(play(tmp_path, tape, log, models=Models(latency=fixed), seed=5))
    key = key_of(5, "log", int(orders[0]["publisher_id"]), int(orders[0]["instrument_id"]))
    bits = [draw(draw(key, 17, int(number)), 17, 1) for number in orders["client_order_id"]]
    expected = delays(of_orders("lognormal", median_us=5, sigma="0.5"), bits)
    took = orders["ts_arrived"] - orders["ts_sent"] - 60_000
    assert took.tolist() == expected.tolist()
    # Its median is 5 µs: the median of 400 draws is within 3 standard errors, 1.25 sigma / 20.
    assert abs(np.log(np.median(took) / 5_000)) < 3 * 1.2533 * 0.5 / 20


def test_only_requests_wait_for_computing_and_bounds_say_so() -> None:
    for name in LATENCY_MODELS:
        if name == "recorded":
            continue
        plain = Models(latency=built_in("latency", name)).latency_bounds()
        drawn = Models(latency=built_in("latency", name, compute={**COMPUTE, "max_us": 20}))
        for leg, (low, high) in drawn.latency_bounds().items():
            is_request = leg in ("entry", "cancel", "replace")
            # A lognormal's smallest draw, 2^-37 of them: 5 µs exp(-6.87 / 2) and more than nothing.
            assert 0 <= low - plain[leg][0] <= (1_000 if is_request else 0)
            assert high - plain[leg][1] == (20_000 if is_request else 0)


@pytest.mark.parametrize(
    ("latency", "message"),
    [
        ({"compute": {"median_us": 5}}, "compute.type: expected gamma, lognormal, normal, pareto"),
        ({"compute": {"type": "fixed"}}, "compute.type: expected gamma, lognormal, normal, pareto"),
        (
            {"compute": {"type": "lognormal"}},
            "compute.median_us: expected this key with type",
        ),
        ({"compute": {**COMPUTE, "median": 1}}, "compute.median: unknown key with type lognormal"),
        ({"compute": {**COMPUTE, "sigma": -1}}, "compute.sigma: expected at least 0, found -1"),
        ({"compute": {**COMPUTE, "sigma": "a"}}, "compute.sigma: expected a number, found 'a'"),
        ({"compute": COMPUTE, "compute_us": 1}, "compute: expected none beside compute_us"),
        ({"compute": 5}, "compute: expected a mapping, found 5"),
    ],
)
def test_what_is_wrong_with_a_compute_time_is_said(latency: Any, message: str) -> None:
    configuration = {
        "backtest": {
            "data_source": {"type": "synthetic"},
            "execution": {"latency_model": {"type": "fixed", **latency}},
        },
        "strategy": {"type": "market_maker"},
    }
    with pytest.raises(ConfigError) as caught:
        make_config(configuration)
    assert f"backtest.execution.latency_model.{message}" in str(caught.value)


# --- files ----------------------------------------------------------------------------------------


def test_a_recording_has_its_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "measured.csv"
    text = f"req_ts,exch_ts,resp_ts\n{ns(0)},{ns(10)},{ns(20)}\n"
    path.write_text(text)
    models = Models(latency=built_in("latency", "recorded", file=path))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert models.files == {str(path): (len(text), digest)}
    assert Models().files == {}
