"""Fill models, worked out by hand: what reaches a resting order beside the exact queue of the data.

Latency is 50 µs each way and the feed is 1 µs behind the exchange.
"""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from drawn import draw_for
from markets import market, spec
from stories import INSTRUMENT, PUBLISHER, Line, Log, Played, Tape, configure, play, px, run
from tapewire.compiled.draws import key_of
from tapewire.config.loading import load_config
from tapewire.config.models import chosen_models
from tapewire.errors import ConfigError
from tapewire.execution.models import Model, Models, built_in
from tapewire.execution.models.latency.legs import LEGS

PESSIMISTIC = built_in("fill", "pessimistic")
OPTIMISTIC = built_in("fill", "optimistic")


def probabilistic(p: str) -> Model:
    return built_in("fill", "probabilistic", fill_probability_at_touch=Decimal(p))


def quiet_book() -> Tape:
    """Bids 100: order 1 x 5, order 2 x 4; 99: order 3 x 3; 98: order 4 x 6. Ask 102: 9 x 10."""
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 3, "B", 99, 3)
    return tape.add(3, 4, "B", 98, 6).add(4, 9, "A", 102, 10)


def filled(played: Played) -> dict[str, int]:
    """Lots filled of each order that filled."""
    found: dict[str, int] = {}
    for fill in played.fills:
        found[fill.order] = found.get(fill.order, 0) + fill.lots
    return found


# --- first and last in the queue ------------------------------------------------------------------


def test_who_is_first_gets_what_traded_ahead_of_it(tmp_path: Path) -> None:
    # 5 + 2 lots trade at 100, all of them ahead of ours: as the first we would have had them.
    tape = quiet_book().tick(70).trade(100, (1, 5), (2, 2)).tick(200)
    log = Log().buy(10, "mine", 9, 100)
    assert play(tmp_path, tape, log).fills == []
    played = play(tmp_path, tape, log, fill=OPTIMISTIC)
    assert played.brief() == [("mine", 100, 7, "QUEUE", 100)]


def test_who_is_last_gets_nothing_at_its_own_price(tmp_path: Path) -> None:
    # Order 5 came behind ours, and 2 lots of it trade: the exact queue gives us those.
    tape = quiet_book().tick(70).add(80, 5, "B", 100, 6).trade(100, (1, 5), (2, 4), (5, 2))
    log = Log().buy(10, "mine", 9, 100)
    tape.tick(200)
    assert filled(play(tmp_path, tape, log)) == {"mine": 2}
    assert play(tmp_path, tape, log, fill=PESSIMISTIC).fills == []


def test_who_is_last_gets_what_traded_beyond_its_price(tmp_path: Path) -> None:
    # A sweep: 2 lots behind ours at 100, 3 at 99. Only the 3 are proof that 100 was through.
    tape = quiet_book().tick(70).add(80, 5, "B", 100, 2)
    tape.trade(100, (1, 5), (2, 4), (5, 2), (3, 3)).tick(200)
    log = Log().buy(10, "mine", 9, 100)
    assert filled(play(tmp_path, tape, log)) == {"mine": 5}
    played = play(tmp_path, tape, log, fill=PESSIMISTIC)
    assert played.brief() == [("mine", 100, 3, "TRADE_THROUGH", 100)]


def test_lots_beyond_the_price_fill_one_of_our_orders_and_not_two(tmp_path: Path) -> None:
    # 3 lots trade at 99. Our two bids at 100 want 2 each: 2 + 1.
    tape = quiet_book().tick(70).trade(100, (1, 5), (2, 4), (3, 3)).tick(200)
    log = Log().buy(10, "first", 2, 100).buy(11, "second", 2, 100)
    assert filled(play(tmp_path, tape, log, fill=PESSIMISTIC)) == {"first": 2, "second": 1}


def test_lots_at_the_price_fill_one_of_our_orders_and_not_two(tmp_path: Path) -> None:
    # 7 lots trade at 100. Our two bids want 5 each: 5 + 2, whoever stood ahead.
    tape = quiet_book().tick(70).trade(100, (1, 5), (2, 2)).tick(200)
    log = Log().buy(10, "first", 5, 100).buy(11, "second", 5, 100)
    assert filled(play(tmp_path, tape, log, fill=OPTIMISTIC)) == {"first": 5, "second": 2}


def incoming(limit: float) -> Tape:
    """A seller of 4 comes in across our bid at 101, and then rests at its limit."""
    return quiet_book().tick(70).event(100, Line("A", "A", 50, px(limit), 4)).tick(200)


def test_an_order_that_comes_in_at_our_price_is_at_the_touch(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 3, 101)
    assert play(tmp_path, incoming(101), log, fill=PESSIMISTIC).fills == []
    for model in (OPTIMISTIC, built_in("fill", "mbo_queue")):
        played = play(tmp_path, incoming(101), log, fill=model)
        assert played.brief() == [("mine", 101, 3, "CROSSED", 100)]


def test_an_order_that_comes_in_past_our_price_is_beyond_it(tmp_path: Path) -> None:
    played = play(tmp_path, incoming(100.5), Log().buy(10, "mine", 3, 101), fill=PESSIMISTIC)
    assert played.brief() == [("mine", 101, 3, "CROSSED", 100)]


# --- some ticks beyond ----------------------------------------------------------------------------


def through(ticks: int) -> dict[str, Any]:
    return {"fill": built_in("fill", "trade_through", ticks=ticks), "tick": 1}


@pytest.mark.parametrize(("ticks", "lots"), [(1, 3 + 6), (2, 6), (3, 0)])
def test_only_lots_that_many_ticks_beyond_count(tmp_path: Path, ticks: int, lots: int) -> None:
    # Ours bids 100. The sweep takes 9 there, 3 at 99, 6 at 98.
    tape = quiet_book().tick(70).trade(100, (1, 5), (2, 4), (3, 3), (4, 6)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 20, 100), **through(ticks))
    assert [(f.lots, f.reason) for f in played.fills] == [(lots, "TRADE_THROUGH")] * (lots > 0)


def test_the_same_for_a_sale(tmp_path: Path) -> None:
    # Ours offers 101, 2 lots trade at 102 and 4 at 103.
    tape = quiet_book().add(5, 10, "A", 103, 4).tick(70).trade(100, (9, 10), (10, 4)).tick(200)
    log = Log().sell(10, "mine", 20, 101)
    assert filled(play(tmp_path, tape, log, **through(1))) == {"mine": 14}
    assert filled(play(tmp_path, tape, log, **through(2))) == {"mine": 4}


def test_ticks_need_a_tick_size(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 1, 100)
    with pytest.raises(ConfigError, match=r"trade_through: expected to know the tick size of TWX"):
        play(tmp_path, quiet_book(), log, fill=through(2)["fill"])
    play(tmp_path, quiet_book(), log, fill=through(1)["fill"])  # any worse price is a tick or more


# --- by chance ------------------------------------------------------------------------------------


def chances(n: int) -> tuple[Tape, Log]:
    """One lot after another trades behind an order of ours, each in an event of its own."""
    tape = Tape().add(0, 9, "A", 101, 50).add(1, 1, "B", 99, 5)
    log = Log()
    for k in range(n):
        log.buy(100 + 1_000 * k, f"o{k}", 1, 100)
        tape.add(500 + 1_000 * k, 100 + k, "B", 100, 1)
        tape.trade(800 + 1_000 * k, (100 + k, 1))
        log.cancel(900 + 1_000 * k, f"o{k}")
    return tape.tick(2_000 + 1_000 * n), log


def test_a_draw_for_each_order_and_event_decides(tmp_path: Path) -> None:
    tape, log = chances(60)
    played = play(tmp_path, tape, log, fill=probabilistic("0.25"), seed=5)
    key = key_of(5, "log", PUBLISHER, INSTRUMENT)
    hit = set()
    for k in range(60):
        event = 2 + 2 * k + 2  # two adds before, and then an add and a trade for each
        bits = draw_for(key, k + 1, len(LEGS), event)
        if (bits >> 1) / 2**62 < 0.25:
            hit.add(f"o{k}")
    assert 5 < len(hit) < 30
    assert set(filled(played)) == hit


@pytest.mark.parametrize("p", ["0.1", "0.5", "0.9"])
def test_that_many_fill(tmp_path: Path, p: str) -> None:
    tape, log = chances(400)
    n = len(play(tmp_path, tape, log, fill=probabilistic(p), seed=1).fills)
    deviation = (400 * float(p) * (1 - float(p))) ** 0.5
    assert abs(n - 400 * float(p)) < 3 * deviation


def test_volume_beyond_the_price_needs_no_luck(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).trade(100, (1, 5), (2, 4), (3, 3)).tick(200)
    for p in ("0", "0.5", "1"):
        played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100), fill=probabilistic(p))
        assert played.brief() == [("mine", 100, 3, "TRADE_THROUGH", 100)]


def test_certainty_is_the_exact_queue_and_no_chance_is_trade_through() -> None:
    def digest(fill: Model) -> str:
        config = replace(configure(None, models=Models(fill=fill)), strategies=(MAKER,))
        simulation, rows = run(config, market(10_000), 10_000)
        assert rows.fills.size
        return simulation.digests()["maker"]

    found = {p: digest(probabilistic(p)) for p in ("0", "0.5", "1")}
    assert found["1"] == digest(built_in("fill", "mbo_queue"))
    assert found["0"] == digest(PESSIMISTIC) == digest(built_in("fill", "trade_through"))
    assert len(set(found.values())) == 3


MAKER = spec("maker", "market_maker")


# --- volume without a resting order ---------------------------------------------------------------


def hidden(price: float, lots: int) -> Tape:
    """A seller meets orders that the data don't show."""
    tape = quiet_book().tick(70)
    return tape.event(100, Line("T", "A", 0, px(price), lots)).tick(200)


def unseen(folder: Path, tape: Tape, log: Log, policy: str) -> dict[str, int]:
    played = play(folder, tape, log, unseen_trades=policy)
    assert {fill.reason for fill in played.fills} <= {"UNSEEN_TRADE"}
    return filled(played)


def test_hidden_volume_at_our_price_by_policy(tmp_path: Path) -> None:
    # 12 hidden lots at 100, where 9 real ones stand and 3 of ours: 12 x 3 / (9 + 3) = 3 of 12.
    log = Log().buy(10, "mine", 3, 100)
    for policy, lots in (("ignore", 0), ("fill_through", 0), ("pro_rata", 3), ("fill", 3)):
        assert unseen(tmp_path, hidden(100, 12), log, policy).get("mine", 0) == lots, policy
    # Of 7 it is 7 x 3 / 12 = 1.75, rounded down.
    for policy, lots in (("pro_rata", 1), ("fill", 3)):
        assert unseen(tmp_path, hidden(100, 7), log, policy) == {"mine": lots}, policy


def test_hidden_volume_past_our_price_by_policy(tmp_path: Path) -> None:
    # 4 hidden lots at 99; ours, 3 at 100, has a quarter of all that stands there.
    log = Log().buy(10, "mine", 3, 100)
    for policy, lots in (("ignore", 0), ("fill_through", 3), ("pro_rata", 1), ("fill", 3)):
        assert unseen(tmp_path, hidden(99, 4), log, policy).get("mine", 0) == lots, policy


def test_hidden_lots_fill_one_of_our_orders_and_not_two(tmp_path: Path) -> None:
    log = Log().buy(10, "first", 3, 100).buy(11, "second", 3, 100)
    assert unseen(tmp_path, hidden(100, 4), log, "fill") == {"first": 3, "second": 1}
    # 10 x 3 / 15 = 2 for the first. The second's share is 10 x 3 / 13 = 2, and the first has it.
    assert unseen(tmp_path, hidden(100, 10), log, "pro_rata") == {"first": 2}


def test_volume_whose_orders_are_named_is_not_hidden(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).trade(100, (1, 5), (2, 2)).tick(200)
    for policy in ("pro_rata", "fill"):
        assert unseen(tmp_path, tape, Log().buy(10, "mine", 3, 100), policy) == {}


# --- the configuration ----------------------------------------------------------------------------

CONFIG = """\
backtest:
  data_source: {type: synthetic, events: 1000}
  execution:
    fill_model:
      type: "probabilistic"
      fill_probability_at_touch: 0.5
      queue_position_model: "pro_rata"
strategy: {type: market_maker}
"""


def test_the_three_keys_load_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(CONFIG)
    config = load_config(path)
    models = chosen_models(config.backtest.execution)
    assert models.fill.definition.name == "probabilistic"
    assert models.fill.parameters == {"fill_probability_at_touch": Decimal("0.5")}
    assert models.queue.definition.name == "pro_rata"
    again = tmp_path / "again.yaml"
    again.write_text(config.to_yaml())
    assert load_config(again) == config


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("touch: 0.5", "touch: 1.3", ":6: .*fill_probability_at_touch: expected at most 1, found"),
        ("touch: 0.5", "touch: -0.1", ":6: .*fill_probability_at_touch: expected at least 0, "),
        ("touch: 0.5", "touhc: 0.5", ":6: .*touhc: unknown key, did you mean 'fill_probability_at"),
        (
            '"probabilistic"',
            "trade_through",
            ":6: .*expected none with type trade_through; ",
        ),
        (
            '"probabilistic"\n      fill_probability_at_touch: 0.5',
            "trade_through\n      ticks: 0",
            ":6: .*ticks: expected at least 1, found 0",
        ),
        (
            '"pro_rata"',
            "pro-rata",
            ":7: .*queue_position_model: expected .*mean 'pro_rata'",
        ),
    ],
)
def test_what_is_wrong_is_told_by_line_and_key(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(CONFIG.replace(old, new))
    with pytest.raises(ConfigError, match=said):
        load_config(path)
