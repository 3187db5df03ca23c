"""An order's story: hand-worked queues, a whole run's orders, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapewire as tw
from stories import INSTRUMENT, PUBLISHER, Line, Tape, ns, px
from tapewire.config.loading import make_config
from tapewire.errors import ConfigError, FormatError, MissingFileError
from tapewire.runs import what_if
from tapewire.runs.queue_story import Left, Placing, QueueStory


def followed(
    tape: Tape, *placings: Placing, side: str = "BUY", ends: float, step: int = 1 << 20
) -> tuple[Placing, ...]:
    """What a story tells of places in the book of a tape."""
    story = QueueStory(side, (PUBLISHER, INSTRUMENT), list(placings), ns(ends))
    records = tape.records()
    for k in range(0, len(records), step):
        story.feed(records[k : k + step])
    if not story.done:
        story.finish()
    return placings


def arrived(t: float, price: float, quantity: int = 1) -> Placing:
    return Placing("arrived", ns(t), px(price), quantity)


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_what_left_ahead_and_why(step: int) -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 3, "B", 100, 6)
    tape.add(3, 4, "B", 100, 2).add(4, 5, "B", 99, 9).add(5, 9, "A", 101, 7)
    # The order comes at 10, behind 17 lots of four orders; 6 comes behind it.
    tape.add(11, 6, "B", 100, 3)
    tape.cancel(12, 2)  # 4 lots are canceled
    tape.modify(13, 3, size=4)  # and 2, in place
    tape.trade(14, (1, 2))  # 2 lots are filled
    tape.modify(15, 4, price=99)  # 2 move away
    tape.trade(16, (1, 3), (3, 1))  # 3 and 1 are filled
    tape.cancel(17, 6)  # not ahead
    tape.cancel(40, 3)  # too late: the order ended at 30
    (placing,) = followed(tape, arrived(10, 100), ends=30, step=step)
    assert (placing.orders_ahead, placing.lots_ahead) == (4, 17)
    assert placing.bids == [(px(100), 17, 4), (px(99), 9, 1)]
    assert placing.asks == [(px(101), 7, 1)]
    assert placing.filled == Left(1, 6)
    assert placing.canceled == Left(1, 6)
    assert placing.moved == Left(1, 2)
    assert placing.still_ahead == Left(1, 3)


def test_an_order_comes_before_events_that_are_later_than_it() -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(10, 2, "B", 100, 4).add(11, 3, "B", 100, 1)
    (at_10,) = followed(tape, arrived(10, 100), ends=50)
    (before,) = followed(tape, arrived(9.999, 100), ends=50)
    assert (at_10.lots_ahead, before.lots_ahead) == (9, 5)


def test_an_iceberg_that_shows_its_next_clip_has_moved_back() -> None:
    tape = Tape().add(0, 1, "A", 101, 5).add(1, 2, "A", 101, 3)
    tape.trade(20, (1, 5), clips={1: 5}).trade(30, (2, 1)).cancel(40, 1)
    (placing,) = followed(tape, arrived(10, 101), side="SELL", ends=100)
    assert placing.filled == Left(1, 6)
    assert (placing.canceled, placing.moved) == (Left(), Left())
    assert placing.still_ahead == Left(1, 2)


def test_a_partial_cancel_in_a_trade_carries_out_its_fill() -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 1)
    tape.event(20, tape.t("A", 100, 2), tape.f(1, 2), tape.c(1, 2))
    (placing,) = followed(tape, arrived(10, 100), ends=100)
    assert (placing.filled, placing.canceled) == (Left(0, 2), Left())
    assert placing.still_ahead == Left(1, 3)


def test_an_order_that_takes_as_it_is_modified_has_moved_away() -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 1)
    # 1 is moved to 101 and takes 9; what is left of it rests there.
    tape.event(20, tape.t("B", 101, 1, 1), tape.f(9, 1), Line("F", "B", 1, px(101), 1), tape.c(9),
               tape.m(1, 4, 101))  # fmt: skip
    (placing,) = followed(tape, arrived(10, 100), ends=100)
    assert (placing.filled, placing.moved) == (Left(), Left(1, 5))


def test_a_replaced_order_has_a_story_at_each_place() -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 99, 3).cancel(20, 1).cancel(40, 2)
    first, second = followed(
        tape, arrived(10, 100), Placing("replaced", ns(30), px(99), 1), ends=100
    )
    assert (first.lots_ahead, first.canceled) == (5, Left(1, 5))
    assert (second.lots_ahead, second.canceled) == (3, Left(1, 3))


def test_a_cleared_book_ends_what_is_followed() -> None:
    tape = Tape().add(0, 1, "B", 100, 5)
    tape.event(20, Line("R", "N", 0, px(None), 0)).add(30, 1, "B", 100, 5).cancel(40, 1)
    (placing,) = followed(tape, arrived(10, 100), ends=100)
    assert placing.cleared
    assert (placing.lots_ahead, placing.canceled, placing.still_ahead) == (5, Left(), Left())


# --- a run ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic_file: Path) -> tw.RunResult:
    folder = tmp_path_factory.mktemp("explain")
    day = shutil.copy(synthetic_file, folder / "day.mbo.dbn")
    return tw.run(
        files=day, strategies=["market_maker", "sma_crossover"], output=folder / "run",
        overrides={"backtest.output.explain": True, "backtest.replay.transport": "inproc"},
    )  # fmt: skip


def test_each_order_of_a_run_has_a_story_that_adds_up(run: tw.RunResult) -> None:
    orders = run.to_pandas("orders", prices="int")
    chosen = orders[orders["ts_arrived"].notna()].iloc[:: max(1, len(orders) // 25)]
    makers = replaced = 0
    for row in chosen.itertuples():
        story = run.explain(row.client_order_id, strategy=row.strategy_id)
        assert sum(fill["last_qty"] for fill in story.fills) == row.filled_qty
        for fill, cause in zip(story.fills, story.causes, strict=True):
            assert (cause is None) == (fill["liquidity_side"] == "TAKER")
            makers += cause is not None
        for placing in story.placings:
            gone = (placing.filled, placing.canceled, placing.moved, placing.still_ahead)
            assert sum(left.lots for left in gone) == placing.lots_ahead
            assert sum(left.orders for left in gone) == placing.orders_ahead
        replaced += len(story.placings) > 1
        if not np.isnan(row.queue_ahead) and story.placings[-1].price == row.price:
            rested = [fill for fill in story.fills if fill["liquidity_side"] == "MAKER"]
            if rested or not story.fills:
                assert story.placings[-1].lots_ahead == row.queue_ahead
        assert story.what_if[0].filled > 0 or not story.fills
        assert story.order["client_order_id"] in str(story)
    assert makers > 3
    assert replaced > 3


def test_the_command_tells_the_story(tapewire_here: Any, run: tw.RunResult) -> None:
    fills = run.to_pandas("fills")
    number = fills[fills["liquidity_side"] == "MAKER"]["client_order_id"].iloc[0]
    chosen = ("explain", run.path, number, "--strategy", "market_maker")
    told = tapewire_here(*chosen)
    assert told.returncode == 0, told.stderr
    story = run.explain(number, strategy="market_maker")
    assert told.stdout == f"{story}\n"
    assert f"sequence {story.causes[0].sequence}" in told.stdout  # type: ignore[union-attr]
    assert json.loads(tapewire_here(*chosen, "--json").stdout) == json.loads(
        json.dumps(story.to_dict())
    )


def test_what_cant_be_explained_is_one_sentence(run: tw.RunResult, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a client_order_id of .*, found '-7'"):
        run.explain(-7)
    with pytest.raises(ConfigError, match="choose with --strategy"):
        run.explain(1)
    with pytest.raises(ConfigError, match=r"strategy: expected one of .*found 'nobody'"):
        run.explain(1, strategy="nobody")
    orders = run.to_pandas("orders")
    row = orders[orders["replaces"] > 0].iloc[0]
    folder = shutil.copytree(run.path, tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"].pop("events.parquet")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(MissingFileError, match=r"was replaced \d+ times.*explain: true"):
        tw.RunResult.load(folder).explain(row["client_order_id"], strategy=row["strategy_id"])
    day = Path(run.manifest["inputs"][0]["file"])
    kept = day.read_bytes()
    try:
        day.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        with pytest.raises(FormatError, match="with the content that the run read"):
            run.explain(row["client_order_id"], strategy=row["strategy_id"])
        day.write_bytes(kept[:-56])
        with pytest.raises(FormatError, match="as the run read it, found"):
            run.explain(row["client_order_id"], strategy=row["strategy_id"])
        day.unlink()
        with pytest.raises(MissingFileError, match="which the run read, found no file"):
            run.explain(row["client_order_id"], strategy=row["strategy_id"])
    finally:
        day.write_bytes(kept)


def test_a_variant_is_sent_again_with_the_execution_of_its_entry() -> None:
    config = make_config(
        {
            "backtest": {"data_source": {"type": "synthetic", "events": 1000}},
            "strategy": [
                {"type": "market_maker", "name": "plain"},
                {
                    "type": "market_maker", "name": "grid", "parameters": {"quantity": [1, 2]},
                    "execution": {
                        "fees": {"per_contract": 2}, "latency_model": {"network_latency_us": 9},
                    },
                },
            ],
        }
    )  # fmt: skip
    assert what_if.execution_of_its_own(config, "plain") == {}
    for name in ("grid.1", "grid.2"):
        own = what_if.execution_of_its_own(config, name)
        assert own["fees"]["per_contract"] == 2
        assert "latency_model" not in own
