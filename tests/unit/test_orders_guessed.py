"""Places in queues that are guessed from the sizes of levels, worked out by hand.

Latency is 50 µs each way, the feed is 1 µs behind the exchange. ``mine`` is sent at 10 and joins
before the event at 70.
"""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stories import PUBLISHER, Log, Number, Tape, configure, play, run
from tapewire.config.loading import make_config
from tapewire.errors import ConfigError
from tapewire.execution.models import REGISTRIES, Model, built_in
from tapewire.router import Simulation
from tapewire.runs.warnings import guess_warnings

MODELS = [name for name, model in REGISTRIES["queue"].items() if model.estimate is not None]


def guess(name: str, **parameters: Any) -> Model:
    return built_in("queue", name, **parameters)


def quoted(lots: int, price: Number = 100) -> Tape:
    """A top-of-book publisher's bid, and an ask far off."""
    return Tape().quote(0, "A", 110, 50).quote(1, "B", price, lots).tick(70)


def told(steps: list[tuple[str, int]]) -> Tape:
    """Sizes of the bid at 100 ("L"), the first of them joined, and trades there ("T")."""
    tape = quoted(steps[0][1])
    for k, (what, lots) in enumerate(steps[1:]):
        at = 100 + 10 * k
        if what == "T":
            tape.event(at, tape.t("A", 100, lots))
        else:
            tape.quote(at, "B", 100 if lots else None, lots)
    return tape.tick(1_000)


def filled(
    folder: Path, steps: list[tuple[str, int]], lots: int = 30, **settings: Any
) -> list[int]:
    """Lots that ours of 30 at 100 is filled with at each of the steps."""
    played = play(folder, told(steps), Log().buy(10, "mine", lots, 100), **settings)
    got = [0] * len(steps)
    for fill in played.fills:
        got[1 + round((fill.at - 100) / 10)] += fill.lots
    return got


# --- the models -----------------------------------------------------------------------------------

#: 10 ahead, 20 come behind, 15 of the 30 leave without a trade: what is ahead of ours then.
SHRUNK = [("L", 10), ("L", 30), ("L", 15)]


@pytest.mark.parametrize(
    ("model", "ahead"),
    [
        (guess("risk_adverse_queue_model"), "10"),  # all 15 of the 20 behind
        # p = ln 21 / (ln 21 + ln 11) = 0.5594: 10 - 0.4406 x 15 = 3.39
        (guess("log_prob_queue_model"), "3"),
        # p = ln 21 / ln 31 = 0.8866: 10 - 0.1134 x 15 = 8.30
        (guess("log_prob_queue_model2"), "8"),
        # p = 8000 / 9000: 10 - 15 / 9 = 8.33
        (guess("power_prob_queue_model"), "8"),
        # p = 20 / 30: 10 - 15 / 3 = 5
        (guess("power_prob_queue_model", n=1), "5"),
        # p = (2 / 3)^3 = 0.2963: 10 - 0.7037 x 15 is below 0
        (guess("power_prob_queue_model2"), "0"),
        (guess("power_prob_queue_model2", n=1), "5"),
        # p = 1 - (1 / 3)^3 = 0.9630: 10 - 0.0370 x 15 = 9.44
        (guess("power_prob_queue_model3"), "9"),
        # p = 1 - (1 / 3)^0.5 = 0.4226: 10 - 0.5774 x 15 = 1.34
        (guess("power_prob_queue_model3", n=Decimal("0.5")), "1"),
        # p = 1 - 1: all 15 of the 10 ahead, and what they have not is of the 20 behind: below 0
        (guess("power_prob_queue_model3", n=0), "0"),
    ],
)
def test_what_leaves_a_level_leaves_ahead_and_behind(
    tmp_path: Path, model: Model, ahead: str
) -> None:
    # Whole lots ahead, to the nearest: of 12 sold then, ours has the rest.
    assert filled(tmp_path, [*SHRUNK, ("T", 12)], queue=model) == [0, 0, 0, 12 - int(ahead)]
    log = Log().buy(10, "mine", 30, 100).write(tmp_path / "log.csv")
    simulation = Simulation(configure(log, queue=model))
    simulation.feed(told(SHRUNK).records())
    assert [order.ahead for order in simulation.look().orders()] == [int(ahead)]


def test_only_trades_advance_an_order_by_the_careful_guess(tmp_path: Path) -> None:
    # 10 ahead. 4 of 30 trade, 6 left; 20 leave without a trade: all behind, but for 6 no room is
    # left by a level of 5. Of 7 sold then, 5 were ahead.
    steps = [("L", 10), ("L", 30), ("T", 4), ("L", 26), ("L", 5), ("T", 7)]
    assert filled(tmp_path, steps) == [0, 0, 0, 0, 0, 2]


def test_what_traded_is_no_loss_of_the_level(tmp_path: Path) -> None:
    # 20 ahead, 20 behind. 8 trade: 12 ahead, and the level's 8 less are these: nobody else left.
    # Then 12 more would all have been ahead of ours.
    steps = [("L", 20), ("L", 40), ("T", 8), ("L", 32), ("T", 13)]
    for name in MODELS:
        assert filled(tmp_path, steps, queue=guess(name)) == [0, 0, 0, 0, 1], name


def test_half_a_lot_ahead_is_nobody(tmp_path: Path) -> None:
    # n = 1: of 4 ahead and 4 behind, one leaves: 3.5 ahead. Of 3 sold 3 are ahead of ours; the half
    # lot that is left counts as none, so that ours has all of the next 1.
    steps = [("L", 4), ("L", 8), ("L", 7), ("T", 3), ("L", 4), ("T", 1)]
    model = guess("power_prob_queue_model", n=1)
    assert filled(tmp_path, steps, queue=model) == [0, 0, 0, 0, 0, 1]


#: As hftbacktest 2.4.4 fills them (``partial_fill_exchange``, an order of 30 lots).
RIVALS: list[tuple[Model, list[tuple[str, int]], list[int]]] = [
    (
        guess("risk_adverse_queue_model"),
        [("L", 22), ("L", 37), ("L", 36), ("L", 41), ("L", 51), ("T", 34), ("L", 17), ("T", 12),
         ("L", 5), ("T", 5), ("L", 0), ("L", 15), ("T", 11), ("L", 4)],
        [0, 0, 0, 0, 0, 12, 0, 12, 0, 5, 0, 0, 1, 0],
    ),
    (
        guess("log_prob_queue_model"),
        [("L", 17), ("L", 27), ("T", 23), ("L", 4), ("T", 3), ("L", 1), ("L", 15), ("T", 11),
         ("L", 4), ("L", 19), ("L", 26), ("T", 18), ("L", 8)],
        [0, 0, 6, 0, 3, 0, 0, 11, 0, 0, 0, 10, 0],
    ),
    (
        guess("log_prob_queue_model2"),
        [("L", 10), ("L", 23), ("L", 15), ("T", 10), ("L", 5), ("T", 1), ("L", 4), ("L", 15),
         ("L", 3), ("T", 1), ("L", 2), ("T", 2), ("L", 0), ("L", 5)],
        [0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 2, 0, 0],
    ),
    (
        guess("power_prob_queue_model"),
        [("L", 30), ("L", 45), ("L", 42), ("L", 39), ("L", 41), ("L", 45), ("T", 34), ("L", 11),
         ("T", 9), ("L", 2), ("T", 2), ("L", 0), ("L", 6)],
        [0, 0, 0, 0, 0, 0, 9, 0, 9, 0, 2, 0, 0],
    ),
    (
        guess("power_prob_queue_model", n=Decimal("1.5")),
        [("L", 12), ("L", 19), ("T", 14), ("L", 5), ("T", 3), ("L", 2), ("T", 1), ("L", 1),
         ("L", 8), ("L", 0), ("L", 12), ("T", 10), ("L", 2), ("T", 1), ("L", 1)],
        [0, 0, 2, 0, 3, 0, 1, 0, 0, 0, 0, 10, 0, 1, 0],
    ),
    (
        guess("power_prob_queue_model2"),
        [("L", 9), ("T", 2), ("L", 7), ("L", 16), ("L", 13), ("T", 9), ("L", 4), ("T", 4),
         ("L", 0), ("L", 15), ("T", 2), ("L", 13), ("L", 23)],
        [0, 0, 0, 0, 0, 4, 0, 4, 0, 0, 2, 0, 0],
    ),
    (
        guess("power_prob_queue_model3"),
        [("L", 17), ("L", 6), ("L", 12), ("L", 26), ("L", 27), ("T", 18), ("L", 9), ("L", 13),
         ("T", 13), ("L", 0), ("L", 15), ("L", 7), ("T", 6), ("L", 1), ("L", 0)],
        [0, 0, 0, 0, 0, 12, 0, 0, 13, 0, 0, 0, 5, 0, 0],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("model", "steps", "lots"), RIVALS)
def test_fills_are_those_of_hftbacktest(
    tmp_path: Path, model: Model, steps: list[tuple[str, int]], lots: list[int]
) -> None:
    assert filled(tmp_path, steps, queue=model) == lots


# --- books of sizes -------------------------------------------------------------------------------


def test_an_order_that_betters_the_quote_has_nobody_ahead(tmp_path: Path) -> None:
    tape = quoted(5).event(100, Tape().t("N", 101, 3)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 101))
    assert played.brief() == [("mine", 101, 3, "QUEUE", 100)]


def test_what_is_out_of_sight_is_ahead_when_it_shows(tmp_path: Path) -> None:
    """The bid is at 101 when ours joins at 100: of that level nothing is known."""
    tape = quoted(5, 101).event(100, Tape().t("A", 100, 9))
    tape.quote(110, "B", 100, 4).event(120, Tape().t("A", 100, 6)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 120)]


def test_a_level_out_of_sight_keeps_its_guess(tmp_path: Path) -> None:
    # 5 ahead; the bid goes up and comes back with 3: two of the five are gone at least.
    tape = quoted(5).quote(100, "B", 101, 9).quote(110, "B", 100, 3)
    tape.event(120, tape.t("A", 100, 4)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100))
    assert played.brief() == [("mine", 100, 1, "QUEUE", 120)]
    # When it falls below ours, nobody is left there.
    tape = quoted(5).quote(100, "B", 99, 9).event(120, Tape().t("N", 100, 4)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100))
    assert played.brief() == [("mine", 100, 4, "QUEUE", 120)]


def test_trades_of_who_bought_are_no_volume_of_bids(tmp_path: Path) -> None:
    tape = quoted(2)
    tape.event(100, tape.t("B", 100, 9)).event(110, tape.t("A", None, 9)).tick(300)
    assert play(tmp_path, tape, Log().buy(10, "mine", 9, 100)).fills == []


def test_trades_past_the_price_fill_whatever_is_ahead(tmp_path: Path) -> None:
    for policy in ("ignore", "fill_through"):  # it is no volume without a level here
        tape = quoted(50).event(100, Tape().t("N", 99, 4)).tick(300)
        played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100), unseen_trades=policy)
        assert played.brief() == [("mine", 100, 4, "TRADE_THROUGH", 100)]


def test_lots_that_trade_fill_one_order_only(tmp_path: Path) -> None:
    # 2 ahead of both. Of 7, the first has its 3; what was behind the second has 5, less those.
    tape = quoted(2).event(100, Tape().t("A", 100, 7)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "one", 3, 100).buy(11, "two", 9, 100))
    assert played.brief() == [("one", 100, 3, "QUEUE", 100), ("two", 100, 2, "QUEUE", 100)]


def test_less_keeps_the_place_and_more_loses_it(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 9, 100)
    steps = [("L", 4), ("T", 3), ("L", 8), ("T", 3)]
    assert filled(tmp_path, steps) == [0, 0, 0, 2]
    tape = told(steps)
    less = play(tmp_path, tape, log.replace(60, "mine", 5, 100))
    assert [fill.lots for fill in less.fills] == [2]
    more = play(tmp_path, tape, Log().buy(10, "mine", 9, 100).replace(60, "mine", 12, 100))
    assert more.fills == []


def test_bounds_hold_where_places_are_guessed(tmp_path: Path) -> None:
    steps = [("L", 10), ("L", 30), ("T", 12), ("L", 15), ("T", 4)]
    worst = filled(tmp_path, steps, fill=built_in("fill", "pessimistic"))
    best = filled(tmp_path, steps, fill=built_in("fill", "optimistic"))
    assert worst == [0, 0, 0, 0, 0]
    assert best == [0, 0, 12, 0, 4]
    for name in MODELS:
        lots = filled(tmp_path, steps, queue=guess(name))
        assert 0 < sum(lots) <= sum(best)


def test_models_of_queues_of_orders_have_none_here(tmp_path: Path) -> None:
    """There is nothing to share out by size: the careful guess is in their place."""
    steps = [("L", 10), ("L", 30), ("T", 12)]
    for name in ("fifo", "pro_rata", "size_weighted", "venue"):
        assert filled(tmp_path, steps, queue=guess(name)) == [0, 0, 2], name


# --- books of orders ------------------------------------------------------------------------------


def test_a_guess_beside_the_truth(tmp_path: Path) -> None:
    """10 ahead; 20 behind; who stood ahead leaves. Of 6 sold ours has all, as the data know."""
    tape = Tape().add(0, 99, "A", 110, 50).add(1, 1, "B", 100, 10).tick(70)
    tape.add(80, 2, "B", 100, 20).cancel(90, 1).trade(100, (2, 6)).tick(300)
    log = Log().buy(10, "mine", 9, 100)
    assert play(tmp_path, tape, log).brief() == [("mine", 100, 6, "QUEUE", 100)]
    for name, lots in (
        ("risk_adverse_queue_model", 0),  # 10 of the 20 left are ahead
        ("log_prob_queue_model", 0),  # 10 - 0.4406 x 10 = 5.6
        ("power_prob_queue_model2", 3),  # 10 - 0.7037 x 10 = 3.0
    ):
        got = play(tmp_path, tape, log, queue=guess(name)).fills
        assert sum(fill.lots for fill in got) == lots, name


def test_a_trade_and_its_effect_are_one_event(tmp_path: Path) -> None:
    # 10 ahead and 10 behind. 4 trade and their order leaves in one event: 6 ahead, and as the level
    # lost no others, none of them by a guess.
    tape = Tape().add(0, 99, "A", 110, 50).add(1, 1, "B", 100, 4).add(2, 2, "B", 100, 6).tick(70)
    tape.add(80, 3, "B", 100, 10).trade(100, (1, 4)).trade(110, (2, 6), (3, 1)).tick(300)
    for name in MODELS:
        played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100), queue=guess(name))
        assert played.brief() == [("mine", 100, 1, "QUEUE", 110)], name


# --- what is said of it ---------------------------------------------------------------------------


def said_of(config: Any, tape: Tape) -> tuple[list[dict[str, Any]], list[str]]:
    simulation: Simulation = run(config, tape.records())[0]
    guessed = simulation.guessed_queues()
    return [one.to_dict() for one in guessed], guess_warnings(guessed)


def test_a_run_says_where_places_were_guessed(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 9, 100).write(tmp_path / "log.csv")
    book = {"publisher_id": PUBLISHER, "instrument_id": 7, "symbol": "TWX"}
    queues, warnings = said_of(configure(log), quoted(5).tick(100))
    assert queues == [
        {"queue": "estimated", **book, "model": "risk_adverse_queue_model", "has_orders": False}
    ]
    [warning] = warnings
    assert warning == (
        "queue estimated: places of orders in TWX (1) are guessed from the sizes of levels by "
        "risk_adverse_queue_model (the data have no orders there): fills there are no more certain "
        "than the guess"
    )
    tape = Tape().add(0, 99, "A", 110, 50).tick(70)
    assert said_of(configure(log), tape) == ([], [])
    queues, warnings = said_of(configure(log, queue=guess("log_prob_queue_model")), tape)
    assert [(one["model"], one["has_orders"]) for one in queues] == [("log_prob_queue_model", True)]
    assert "as was asked for; the data have the orders" in warnings[0]


def test_many_books_are_told_of_by_number() -> None:
    guessed: Any = [
        SimpleNamespace(symbol=f"S{k}", publisher_id=40, model="m", has_orders=False)
        for k in range(1_007)
    ]
    assert (
        "in S0 (40), S1 (40), S2 (40), S3 (40), S4 (40) and 1,002 more"
        in (guess_warnings(guessed)[0])
    )


def test_a_power_out_of_bounds_is_refused_by_key() -> None:
    def chosen(**model: Any) -> None:
        make_config(
            {
                "backtest": {
                    "data_source": {"type": "synthetic"},
                    "execution": {"fill_model": model},
                },
                "strategy": {"type": "market_maker"},
            }
        )

    chosen(queue_position_model="power_prob_queue_model3", n=2)
    for model, why in (
        ({"queue_position_model": "power_prob_queue_model", "n": -1}, "at least 0"),
        ({"queue_position_model": "power_prob_queue_model", "n": 17}, "at most 16"),
        ({"queue_position_model": "log_prob_queue_model", "n": 2}, "n"),
        ({"queue_position_model": "log_prob_queue"}, "log_prob_queue_model"),
    ):
        with pytest.raises(ConfigError, match=why):
            chosen(**model)
