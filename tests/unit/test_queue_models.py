"""How venues share volume out among the orders at a price, worked out by hand.

The recorded market itself is first come, first served: what a model says of ours is what its venue
would have given it. Latency is 50 µs each way and the feed is 1 µs behind the exchange.
"""

import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest

from drawn import draw_for
from naive.sharing import QUEUES, Steps, a_queue, by_weight
from stories import INSTRUMENT, PUBLISHER, SYMBOL, Log, Played, Tape, configure, play, run
from tapewire.compiled.draws import key_of
from tapewire.config.loading import make_config
from tapewire.config.schema import ContractFacts
from tapewire.execution.models import Model, ModelDefinition, built_in
from tapewire.execution.models.latency.legs import LEGS
from tapewire.market.instruments import MATCH_ALGORITHMS, InstrumentTable
from tapewire.runs.contract_warnings import contract_warnings
from tapewire.runs.contracts import contracts_of
from tapewire.wire import SymbolMapping


def queue_of(*lots: int) -> Tape:
    """Bids at 100, order 1 first; and an ask far off."""
    tape = Tape().add(0, 99, "A", 110, 50).add(1, 98, "B", 90, 50)
    for k, size in enumerate(lots):
        tape.add(2 + k, k + 1, "B", 100, size)
    return tape


def sold(lots: list[int], volume: int) -> list[tuple[int, int]]:
    """Who was hit in the recorded market, by time: (order, lots)."""
    fills = []
    for k, size in enumerate(lots):
        hit = min(size, volume)
        volume -= hit
        if hit:
            fills.append((k + 1, hit))
    return fills


def got(
    folder: Path, ahead: list[int], mine: int, behind: list[int], volume: int, model: Model,
    **settings: Any,
) -> int:  # fmt: skip
    """Lots of ``volume`` at 100 that our order gets, between those ahead and those behind it."""
    tape = queue_of(*ahead).tick(70)
    for k, size in enumerate(behind):
        tape.add(80 + k, len(ahead) + k + 1, "B", 100, size)
    tape.trade(200, *sold(ahead + behind, volume)).tick(400)
    played = play(folder, tape, Log().buy(10, "mine", mine, 100), queue=model, **settings)
    assert {fill.reason for fill in played.fills} <= {"QUEUE"}
    return sum(fill.lots for fill in played.fills)


def model(name: str, **parameters: Any) -> Model:
    return built_in("queue", name, **parameters)


# --- by size --------------------------------------------------------------------------------------


def test_by_size_each_has_its_part_rounded_down(tmp_path: Path) -> None:
    # 30 + 10 ahead, ours 10: of 20 lots ours has 20 x 10 / 50. By time it has none.
    assert got(tmp_path, [30, 10], 10, [], 20, model("pro_rata")) == 4
    assert got(tmp_path, [30, 10], 10, [], 20, model("fifo")) == 0
    # Of 18 it is 3.6.
    assert got(tmp_path, [30, 10], 10, [], 18, model("pro_rata")) == 3


def test_what_rounding_leaves_goes_by_time(tmp_path: Path) -> None:
    # 7 x 10 / 60 = 1 for each of six; the lot left is the first's. Ours is first, then last.
    assert got(tmp_path, [], 10, [10] * 5, 7, model("pro_rata")) == 2
    assert got(tmp_path, [10] * 5, 10, [], 7, model("pro_rata")) == 1


def test_a_share_below_the_least_is_none(tmp_path: Path) -> None:
    # 10 x 5 / 30 = 1. Of the 10, 8 are the order of 25's share and what is left is the first's.
    assert got(tmp_path, [25], 5, [], 10, model("pro_rata")) == 1
    assert got(tmp_path, [25], 5, [], 10, model("pro_rata", pro_rata_lots_min=2)) == 0
    assert got(tmp_path, [], 5, [25], 10, model("pro_rata", pro_rata_lots_min=2)) == 2


def test_volume_for_everybody_fills_everybody(tmp_path: Path) -> None:
    # 45 lots of 40 and ours: the recorded 40 at 100, and 5 at 90.
    tape = queue_of(30, 10).tick(70)
    tape.trade(200, (1, 30), (2, 10), (98, 10)).tick(400)
    played = play(tmp_path, tape, Log().buy(10, "mine", 10, 100), queue=model("pro_rata"))
    assert [(f.lots, f.price, f.reason) for f in played.fills] == [(10, 100, "TRADE_THROUGH")]


def test_volume_past_the_price_is_shared_out_there_first(tmp_path: Path) -> None:
    # 40 at 100 and 5 at 90 were sold. With our 10 there it would have been 45 of 50 lots at 100,
    # of which ours has 9; the exact queue of the data gives it the 5 that went past.
    tape = queue_of(30, 10).tick(70).trade(200, (1, 30), (2, 10), (98, 5)).tick(400)
    log = Log().buy(10, "mine", 10, 100)
    for name, lots in (("pro_rata", 9), ("fifo", 5)):
        played = play(tmp_path, tape, log, queue=model(name))
        assert sum(fill.lots for fill in played.fills) == lots


def test_our_orders_at_one_price_each_have_their_part(tmp_path: Path) -> None:
    # 20 real, 10 and 20 of ours: of 15 lots 15 x 10 / 50 and 15 x 20 / 50.
    tape = queue_of(20).tick(70).trade(200, (1, 15)).tick(400)
    log = Log().buy(10, "first", 10, 100).buy(11, "second", 20, 100)
    played = play(tmp_path, tape, log, queue=model("pro_rata"))
    assert played.brief() == [("first", 100, 3, "QUEUE", 200), ("second", 100, 6, "QUEUE", 200)]


def test_who_left_before_the_fills_has_no_part(tmp_path: Path) -> None:
    # Order 2 is pulled in the event of the trade, without a fill: 10 lots for 30 and ours of 10.
    tape = queue_of(30, 40).tick(70)
    tape.event(200, tape.t("A", 100, 10), tape.f(1, 10), tape.c(2), tape.m(1, 20)).tick(400)
    played = play(tmp_path, tape, Log().buy(10, "mine", 10, 100), queue=model("pro_rata"))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 200)]


def test_fractions_of_a_lot_are_drawn_for(tmp_path: Path) -> None:
    # 3 lots of 10 + ours of 2: 3 x 2 / 12, a lot every other time.
    lots = []
    for seed in range(12):
        key = key_of(seed, "log", PUBLISHER, INSTRUMENT)
        bits = draw_for(key, 1, len(LEGS) + 1, 5)  # of the fifth event of the book
        expected = by_weight([10, 2], 1, 3, bits)
        lots.append(got(tmp_path, [10], 2, [], 3, model("size_weighted"), seed=seed))
        assert lots[-1] == expected
    assert set(lots) == {0, 1}


# --- venues ---------------------------------------------------------------------------------------


def test_who_bettered_the_market_comes_first(tmp_path: Path) -> None:
    # Ours is first, 8 of 100 lots. Of 10 sold it has 8, by size it would have none of 10 x 8 / 100.
    assert got(tmp_path, [], 8, [92], 10, model("allocation")) == 8
    assert got(tmp_path, [], 8, [92], 10, model("pro_rata", pro_rata_lots_min=2)) == 1
    # Somebody else is: 6 of 36 for him, and of the 30 left 30 x 10 / 100 for ours.
    assert got(tmp_path, [6, 90], 10, [], 36, model("allocation")) == 3


def test_the_first_comes_first_within_bounds(tmp_path: Path) -> None:
    # Up to 5 of its 20, then 15 x 15 / 95 = 2 of what is left, and the lot that rounding leaves.
    bounded = model("threshold_pro_rata", top_lots_max=5)
    assert got(tmp_path, [], 20, [80], 20, bounded) == 5 + 2 + 1
    # Of less than 25 nobody comes first: 20 x 20 / 100.
    few = model("threshold_pro_rata", top_lots_min=25)
    assert got(tmp_path, [], 20, [80], 20, few) == 4


def test_lead_market_makers_have_theirs_before(tmp_path: Path) -> None:
    # 20 % of 50 are theirs. By time 40 are left for the 30 ahead and ours.
    assert got(tmp_path, [30], 20, [50], 50, model("fifo_lmm", lead_percent=20)) == 10
    assert got(tmp_path, [30], 20, [50], 50, model("fifo_lmm", lead_percent=0)) == 20


def test_a_part_by_time_and_a_part_by_size(tmp_path: Path) -> None:
    # 40 % of 50: 20 by time for the first. 30 by size: it has 10 left, ours 40, the last 50, so
    # 3, 12 and 15.
    split = model("split", fifo_percent=40)
    assert got(tmp_path, [30], 40, [50], 50, split) == 12
    # Ours first: 20 by time, and 30 x 20 / 100 by size.
    assert got(tmp_path, [], 40, [30, 50], 50, split) == 20 + 6


def test_leveling_gives_a_lot_to_who_has_none(tmp_path: Path) -> None:
    # 10 of 100 by size: 9 for the order of 90, none for five of 2. The lot left is by time the
    # first's, by leveling the first's of those without: ours, behind the large one.
    even = {"fifo_percent": 0, "pro_rata_lots_min": 1}
    assert got(tmp_path, [90], 2, [2, 2, 2, 2], 10, model("split", **even)) == 0
    assert got(tmp_path, [90], 2, [2, 2, 2, 2], 10, model("split", **even, leveling=True)) == 1


@pytest.mark.parametrize(
    ("letter", "lots"),
    [
        ("F", 0),  # 30 are ahead
        ("C", 6),  # 20 x 30 / 100
        ("A", 3),  # the 10 of the first, then 10 x 30 / 90
        ("O", 3),
        ("K", 3),  # 8 by time for the first, then 12 x 30 / 92, which is 3.9
        ("T", 0),
        ("P", 0),  # nothing is built for it: by time
        ("", 0),  # not known: by time
    ],
)
def test_as_the_instruments_venue_does(tmp_path: Path, letter: str, lots: int) -> None:
    algorithms = {SYMBOL: letter} if letter else {}
    table = InstrumentTable([(SYMBOL, INSTRUMENT)], match_algorithms=algorithms)
    tape = queue_of(10, 20).tick(70).add(80, 3, "B", 100, 40)
    tape.trade(200, *sold([10, 20, 40], 20)).tick(400)
    log = Log().buy(10, "mine", 30, 100).write(tmp_path / "log.csv")
    config = configure(log, queue=model("venue"))
    _, rows = run(replace(config, instruments=table), tape.records())
    assert rows.fills["last_qty"].sum() == lots


def test_a_run_warns_where_the_venues_algorithm_is_not_known(tmp_path: Path) -> None:
    def warned(**facts: Any) -> list[str]:
        config = make_config(
            {
                "backtest": {
                    "data_source": {"type": "synthetic"},
                    "execution": {"fill_model": {"queue_position_model": "venue"}},
                    "instruments": {"TWA1": {"tick_size": 0.25, **facts}},
                },
                "strategy": {"type": "market_maker"},
            }
        )
        info = SimpleNamespace(
            mappings=[SymbolMapping("TWA1", 1, 0, 0)],
            dataset="XNAS.ITCH",
            warmup_until_ns=0,
            start_ns=0,
            end_ns=0,
            is_consolidated=False,
        )
        known = contracts_of(config, info)  # type: ignore[arg-type]
        return contract_warnings(config, info, known)  # type: ignore[arg-type]

    assert "venue: no match_algorithm that is built is set for TWA1: queues" in warned()[0]
    assert "for TWA1: queues are by time" in warned(match_algorithm="Y")[0]
    assert warned(match_algorithm="K") == []


def test_the_letters_of_a_configuration_are_those_of_the_venues() -> None:
    annotation = ContractFacts.model_fields["match_algorithm"].annotation
    letters = [letter for part in get_args(annotation) for letter in get_args(part)]
    assert "".join(letters) == MATCH_ALGORITHMS


# --- against the twin -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in QUEUES if name != "size_weighted"])
def test_any_queue_is_shared_out_as_its_twin_does(tmp_path: Path, name: str) -> None:
    draw = random.Random(name)
    played = 0
    for _ in range(40):
        queue = a_queue(draw)
        place = draw.randrange(len(queue))
        real = queue[:place] + queue[place + 1 :]
        if sum(real) < 2:
            continue
        volume = draw.randint(1, sum(real) - 1)  # so that nothing goes past the price
        steps = varied(draw, name)
        expected = steps.shares(queue, volume)[place]
        chosen = model(name, **{key: getattr(steps, key) for key in parameters_of(name)})
        ahead, behind = queue[:place], queue[place + 1 :]
        assert got(tmp_path, ahead, queue[place], behind, volume, chosen) == expected
        played += 1
    assert played > 25


def parameters_of(name: str) -> list[str]:
    return list(model(name).parameters) if name != "venue" else []


def varied(draw: random.Random, name: str) -> Steps:
    """The steps of a model, its parameters drawn."""
    base = {
        "pro_rata": Steps(),
        "allocation": Steps(top_lots_max=10**9),
        "split": Steps(),
        "threshold_pro_rata": Steps(),
        "fifo_lmm": Steps(fifo_percent=100),
        "venue": Steps(fifo_percent=100),
    }[name]
    for key in parameters_of(name):
        value: Any = draw.choice((0, 1, 5, 20, 60, 100))
        if key in ("top_lots_min", "pro_rata_lots_min"):
            value = draw.choice((1, 2, 5))
        elif key == "leveling":
            value = draw.random() < 0.5
        setattr(base, key, value)
    return base


def test_the_shares_of_everybody_are_the_volume() -> None:
    draw = random.Random(1)
    for _ in range(500):
        queue = a_queue(draw)
        volume = draw.randint(0, sum(queue))
        steps = varied(draw, "split")
        steps.lead_percent = 0
        shares = steps.shares(queue, volume)
        assert sum(shares) == volume
        assert all(share <= lots for share, lots in zip(shares, queue, strict=True))


# --- a user's own ---------------------------------------------------------------------------------


def last_come(
    state: Any, leaves: int, volume: int, behind: int, place: int, orders: int, standing: int,
    algorithm: int, bits: int,
) -> Any:  # fmt: skip
    return volume if place == orders - 1 else 0


def test_a_users_own_is_told_of_the_whole_level(tmp_path: Path) -> None:
    own = Model(ModelDefinition("queue", "lifo", "last come", last_come, whole_level=True))
    assert got(tmp_path, [10, 20], 8, [], 9, own) == 8
    assert got(tmp_path, [10, 20], 8, [5], 9, own) == 0


def test_a_level_of_more_orders_than_are_told_apart(tmp_path: Path) -> None:
    # 5,000 orders of one lot, ours of 5,000 behind them: 100 x 5,000 / 10,000.
    tape = queue_of(*[1] * 5_000).tick(5_070)
    tape.trade(6_000, *[(k + 1, 1) for k in range(100)]).tick(7_000)
    played: Played = play(
        tmp_path, tape, Log().buy(5_010, "mine", 5_000, 100), queue=model("pro_rata")
    )
    assert [fill.lots for fill in played.fills] == [50]
    assert np.sum(played.rows.fills["last_qty"]) == 50
    assert Decimal(played.fills[0].price) == 100
