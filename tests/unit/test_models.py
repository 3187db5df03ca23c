"""Models of latency, fills, the queue, impact and fees: their rules by hand, and as an open set."""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawn import draw, many_orders, orders_of
from markets import market, spec
from stories import Log, Tape, configure, ns, play, run
from tapewire.compiled.draws import key_of
from tapewire.compiled.parameters import ParameterSpec
from tapewire.config.loading import make_config
from tapewire.config.models import SECTIONS, chosen_models
from tapewire.errors import ConfigError
from tapewire.execution.codes import FillReason
from tapewire.execution.models import REGISTRIES, Model, ModelDefinition, Models, built_in
from tapewire.execution.models.latency.legs import LEGS
from tapewire.execution.models.latency.profiles import PROFILES

MAKER = spec("maker", "market_maker")
CROSSOVER = spec("crossover", "sma_crossover", fast_period=3, slow_period=9)
UNIFORM = Models(
    latency=built_in(
        "latency",
        "uniform",
        order_latency_min_us=Decimal(20),
        order_latency_max_us=Decimal(300),
        response_latency_min_us=Decimal(10),
        response_latency_max_us=Decimal(90),
        feed_latency_min_us=Decimal(5),
        feed_latency_max_us=Decimal(40),
    )
)


def digests(models: Models, *, seed: int = 1, batch: int = 10_000, **settings: Any) -> list[str]:
    """Digests of the two strategies that come along, on a synthetic session."""
    specs = settings.pop("specs", (MAKER, CROSSOVER))
    config = replace(configure(None, models=models, seed=seed, **settings), strategies=specs)
    simulation, rows = run(config, market(10_000), batch)
    assert rows.fills.size
    return [simulation.digests()[one.strategy_id] for one in specs]


# --- latency, leg by leg ------------------------------------------------------------------------


def test_each_leg_has_its_own_delay(tmp_path: Path) -> None:
    models = Models(
        latency=built_in(
            "latency",
            "fixed",
            feed_latency_us=Decimal(3),
            entry_latency_us=Decimal(10),
            cancel_latency_us=Decimal(20),
            replace_latency_us=Decimal(40),
            response_latency_us=Decimal(7),
        )
    )
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 5).tick(1_000)
    log = Log().buy(100, "a", 1, 98).replace(200, "a", 2, 97).cancel(300, "a")
    played = play(tmp_path, tape, log, models=models, event_log=True)
    told = {
        (row["event"], row["ts_event"] - ns(0), row["ts_known"] - ns(0))
        for row in played.rows.events
        if row["ts_event"]
    }
    # Sent at 100, 200 and 300, there after the leg's delay, known 7 later.
    assert told == {
        (4, 110_000, 117_000), (5, 240_000, 247_000), (8, 320_000, 327_000)
    }  # fmt: skip


def test_what_is_not_given_of_a_leg_follows_from_the_others() -> None:
    fixed = built_in("latency", "fixed", entry_latency_us=Decimal(9))
    assert Models(latency=fixed).latency_bounds() == {
        "feed": (0, 0), "entry": (9_000, 9_000), "cancel": (9_000, 9_000),
        "replace": (9_000, 9_000), "response": (60_000, 60_000), "fill": (60_000, 60_000),
    }  # fmt: skip


def test_a_uniform_delay_is_the_draw_of_seed_strategy_order_and_leg(tmp_path: Path) -> None:
    tape, log = many_orders(60, 1_000)  # so far apart that none waits for another
    orders = orders_of(play(tmp_path, tape, log, models=UNIFORM, seed=5))
    key = key_of(5, "log", int(orders[0]["publisher_id"]), int(orders[0]["instrument_id"]))
    entry = LEGS.index("entry")
    for order in orders:
        number = int(order["client_order_id"])
        bits = draw(draw(key, entry, number), entry, 1)
        assert order["ts_arrived"] - order["ts_sent"] == 20_000 + bits % 280_001


def test_uniform_delays_fill_their_interval(tmp_path: Path) -> None:
    tape, log = many_orders(600, 1_000)
    orders = orders_of(play(tmp_path, tape, log, models=UNIFORM, seed=1))
    delays = np.sort((orders["ts_arrived"] - orders["ts_sent"]) / 1_000)
    assert 20 <= delays[0] < 22
    assert 298 < delays[-1] <= 300
    # Mean (20 + 300) / 2; its standard error is 280 / sqrt(12 * 600) = 3.3.
    assert abs(delays.mean() - 160) < 3 * 3.3
    for share in (0.25, 0.5, 0.75):
        assert abs(np.quantile(delays, share) - (20 + 280 * share)) < 3 * 280 / np.sqrt(4 * 600)


def test_messages_of_one_leg_never_overtake_each_other(tmp_path: Path) -> None:
    tape, log = many_orders(200, 3)  # much closer than their delays differ
    played = play(tmp_path, tape, log, models=UNIFORM, seed=2, event_log=True)
    orders = orders_of(played)
    alone = (orders["ts_arrived"] - orders["ts_sent"]) / 1_000
    assert (np.diff(orders["ts_arrived"]) >= 0).all()
    assert (np.diff(orders["ts_arrived"]) == 0).any(), "some had to wait for the one before"
    assert alone.min() >= 20
    accepted = played.rows.events[played.rows.events["event"] == 4]
    assert (np.diff(accepted["ts_known"]) >= 0).all()


def test_random_delays_depend_on_nothing_else() -> None:
    both = digests(UNIFORM)
    assert digests(UNIFORM) == both
    assert digests(UNIFORM, batch=777) == both
    assert digests(UNIFORM, specs=(CROSSOVER, MAKER)) == both[::-1]
    assert digests(UNIFORM, specs=(MAKER,)) == both[:1]
    assert set(digests(UNIFORM, seed=2)).isdisjoint(both)
    renamed = replace(MAKER, strategy_id="another")
    assert digests(UNIFORM, specs=(renamed,)) != both[:1]


def test_fills_are_known_with_the_feed_under_random_delays(tmp_path: Path) -> None:
    config = configure(None, models=UNIFORM, seed=3, fill_notice="feed", others=[MAKER])
    records = market(10_000)
    _, rows = run(config, records, 1_000)
    assert rows.fills.size > 50
    passive = rows.fills[np.isin(rows.fills["reason"], (FillReason.QUEUE, FillReason.CROSSED))]
    captured = records["ts_recv"][
        np.searchsorted(records["ts_event"], passive["ts_event"].astype(np.uint64))
    ].astype(np.int64)
    assert passive.size > 20
    assert (passive["ts_known"] - captured >= 5_000).all()


# --- an open set --------------------------------------------------------------------------------


def constant(state: Any, leg: int, sent_ns: int, bits: int, load: int) -> Any:
    return state.delay_ns[leg]


def test_a_model_that_is_asked_per_message_says_the_same_as_one_that_never_varies() -> None:
    fixed = REGISTRIES["latency"]["fixed"]
    parameters = {"feed_latency_us": Decimal(25), "response_latency_us": Decimal(33)}
    asked = replace(
        fixed, name="mine", kernel=constant, bounds=lambda _: tuple((0, 70_000) for _ in LEGS)
    )
    for settings in ({}, {"fill_notice": "feed"}):
        expected = digests(Models(latency=Model(fixed, parameters)), **settings)
        assert digests(Models(latency=Model(asked, parameters)), **settings) == expected


STATE = np.dtype([("first", "i8")])


def whole_offer(
    state: Any, leaves: int, traded: int, beyond: int, whole: int, incoming: int, past: int,
    bits: int,
) -> Any:  # fmt: skip
    return traded + incoming


def by_time(
    state: Any, leaves: int, volume: int, behind: int, place: int, orders: int, standing: int,
    algorithm: int, bits: int,
) -> Any:  # fmt: skip
    return behind


def no_shift(state: Any, price: int, lots: int, num: int, den: int) -> Any:
    return 0


def per_lot(
    state: Any,
    price: int,
    lots: int,
    liquidity: int,
    num: int,
    den: int,
    traded: int,
    venue: int,
    line: int,
) -> Any:
    return state.first * lots


def set_first(parameters: Any, state: Any) -> None:
    state["first"] = int(parameters["per_contract"].scaleb(9))


MINE = {
    "fill": ModelDefinition("fill", "mine", "as mbo_queue", whole_offer),
    "queue": ModelDefinition("queue", "mine", "as fifo", by_time),
    "impact": ModelDefinition("impact", "mine", "as none", no_shift),
    "fees": replace(
        REGISTRIES["fees"]["per_contract"],
        name="mine",
        kernel=per_lot,
        state=STATE,
        prepare=set_first,
    ),
}


def test_a_users_own_models_are_called_by_address() -> None:
    cent = built_in("fees", "per_contract", per_contract=Decimal("0.01"))
    expected = digests(Models(fees=cent))
    for family, definition in MINE.items():
        chosen = {"fees": cent}
        chosen[family] = Model(definition, cent.parameters if family == "fees" else {})
        assert digests(Models(**chosen)) == expected, family


def nothing(
    state: Any, leaves: int, traded: int, beyond: int, whole: int, incoming: int, past: int,
    bits: int,
) -> Any:  # fmt: skip
    return 0


def half(
    state: Any, leaves: int, traded: int, beyond: int, whole: int, incoming: int, past: int,
    bits: int,
) -> Any:  # fmt: skip
    return min(leaves, traded + incoming) if bits % 2 else 0


def test_a_fill_model_decides_and_may_draw(tmp_path: Path) -> None:
    tape = Tape().add(0, 9, "A", 101, 50).add(1, 1, "B", 99, 50)
    log = Log()
    for k in range(40):
        log.buy(100 + 1_000 * k, f"o{k}", 1, 100)
        tape.add(500 + 1_000 * k, 100 + k, "B", 100, 1)  # behind ours; it trades, and ours may
        tape.trade(800 + 1_000 * k, (100 + k, 1))
        log.cancel(900 + 1_000 * k, f"o{k}")
    tape.tick(50_000)
    never = ModelDefinition("fill", "never", "nobody fills", nothing)
    often = ModelDefinition("fill", "often", "every other", half, draws=True)
    filled = {
        name: len(play(tmp_path, tape, log, models=models, seed=4).fills)
        for name, models in (
            ("exact", Models()),
            ("never", Models(fill=Model(never))),
            ("often", Models(fill=Model(often))),
        )
    }
    assert (filled["exact"], filled["never"]) == (40, 0)
    assert 8 < filled["often"] < 32


def odd_ones(
    state: Any, leaves: int, traded: int, beyond: int, whole: int, incoming: int, past: int,
    bits: int,
) -> Any:  # fmt: skip
    return 0 if leaves == 2 else min(leaves, traded + incoming)


def test_what_a_fill_model_denies_one_order_is_there_for_the_next(tmp_path: Path) -> None:
    tape = Tape().add(0, 9, "A", 101, 50).add(1, 1, "B", 99, 50)
    log = Log().buy(100, "first", 2, 100).buy(110, "second", 3, 100)
    tape.add(500, 100, "B", 100, 4).trade(800, (100, 4)).tick(2_000)
    model = ModelDefinition("fill", "odd", "none of two lots", odd_ones)
    played = play(tmp_path, tape, log, models=Models(fill=Model(model)))
    assert [(fill.order, fill.lots) for fill in played.fills] == [("second", 3)]


def too_far(state: Any, leg: int, sent_ns: int, bits: int, load: int) -> Any:
    return -5 if bits % 2 else 1_000_000


def test_a_delay_beyond_its_bounds_is_cut(tmp_path: Path) -> None:
    wild = ModelDefinition(
        "latency", "wild", "", too_far, bounds=lambda _: tuple((0, 8_000) for _ in LEGS)
    )
    tape, log = many_orders(50, 1_000)
    orders = orders_of(play(tmp_path, tape, log, models=Models(latency=Model(wild))))
    assert set(orders["ts_arrived"] - orders["ts_sent"]) == {0, 8_000}


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"^fees model per_contract: there is no parameter per_l"):
        built_in("fees", "per_contract", per_lot=1)
    with pytest.raises(ConfigError, match="expected a fees model, found a impact model"):
        Models(fees=built_in("impact", "none"))
    needs = ModelDefinition(
        "fees", "mine", "", per_lot, {"rate": ParameterSpec(Decimal, "per lot")}, STATE
    )
    with pytest.raises(ConfigError, match=r"fees model mine: parameter rate is missing \(per lot"):
        Model(needs)
    with pytest.raises(ConfigError, match="latency model mine: it states no bounds"):
        Models(latency=Model(ModelDefinition("latency", "mine", "", constant))).latency_bounds()


def test_a_models_definition_and_parameters_are_checked_where_they_are_made() -> None:
    with pytest.raises(ConfigError, match=r"^fees model mine: expected a kernel of \(state, price"):
        ModelDefinition("fees", "mine", "", no_shift)
    with pytest.raises(ConfigError, match="model mine: expected a family of latency, fill, queue"):
        ModelDefinition("slippage", "mine", "", no_shift)
    with pytest.raises(ConfigError, match="entry_latency_us: expected at least 0, found -5"):
        built_in("latency", "fixed", entry_latency_us=Decimal(-5))
    with pytest.raises(ConfigError, match=r"^latency model uniform: expected order_latency_min_us"):
        Models(latency=built_in("latency", "uniform", order_latency_min_us=Decimal(90)))
    early = replace(REGISTRIES["latency"]["fixed"], bounds=lambda _: tuple((-1, 5) for _ in LEGS))
    with pytest.raises(
        ConfigError, match="bounds of feed from 0 to 60,000,000,000 ns, found -1 to"
    ):
        Models(latency=Model(early))


@pytest.mark.parametrize("family", list(REGISTRIES))
def test_every_built_in_model_says_what_it_is(family: str) -> None:
    for name, definition in REGISTRIES[family].items():
        assert (definition.name, definition.family) == (name, family)
        assert definition.doc
        for parameter in definition.parameters.values():
            assert parameter.doc
            if parameter.type not in (Path, list, dict, bool, str):
                assert parameter.minimum < parameter.maximum


def test_the_readme_has_every_model_and_the_page_of_models_every_parameter(repo: Path) -> None:
    text = (repo / "README.md").read_text()
    table = text.split("Models are chosen by `type`")[1].split("\n\nWhat is drawn")[0]
    named = set(re.findall(r"`(\w+)`", table))
    models = [d for models in REGISTRIES.values() for d in models.values()]
    parameters = {p for definition in models for p in definition.parameters}
    assert {definition.name for definition in models} <= named
    sections = {"type", "seed", "queue_position_model"} | {home for home, _ in SECTIONS.values()}
    assert named - {d.name for d in models} - parameters <= sections | {"profile", *PROFILES}
    page = (repo / "docs" / "execution-models.md").read_text()
    named |= set(re.findall(r"`(\w+)`", page))
    # What each leg has is said once, for orders.
    said = {p for p in parameters if p in named or re.sub("^[a-z]+_lat", "order_lat", p) in named}
    assert parameters == said


# --- from a configuration -----------------------------------------------------------------------


def configuration(**execution: Any) -> dict[str, Any]:
    return {
        "backtest": {"data_source": {"type": "synthetic"}, "execution": execution},
        "strategy": {"type": "market_maker"},
    }


def test_a_model_is_chosen_by_its_type() -> None:
    config = make_config(
        configuration(
            latency_model={
                "type": "uniform",
                "order_latency_max_us": 2.5,
                "order_latency_min_us": 1,
            }
        )
    )
    models = chosen_models(config.backtest.execution)
    assert models.latency_bounds() == {
        "feed": (0, 0), "entry": (1_000, 2_500), "cancel": (1_000, 2_500),
        "replace": (1_000, 2_500), "response": (1_000, 2_500), "fill": (1_000, 2_500),
    }  # fmt: skip
    # What is in force is written down in the declared order, and says the same when read again.
    assert list(config.to_dict()["backtest"]["execution"]["latency_model"].items()) == [
        ("type", "uniform"), ("order_latency_min_us", 1), ("order_latency_max_us", 2.5),
        ("feed_latency_min_us", 0), ("feed_latency_max_us", 0),
    ]  # fmt: skip
    assert make_config(config.to_dict()) == config


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"latency_model": {"type": "uniform", "order_latency_min_us": 90}},
        "latency_model: expected order_latency_min_us of at most order_latency_max_us, found 90 an",
    ),
    (
        {"latency_model": {"type": "uniform", "feed_latency_min_us": -1}},
        "latency_model.feed_latency_min_us: expected at least 0, found -1",
    ),
    (
        {"latency_model": {"type": "uniform", "network_latency_us": 1}},
        "latency_model.network_latency_us: expected none with type uniform; use type fixed",
    ),
    (
        {"latency_model": {"type": "unifrom"}},
        "latency_model.type: expected 'fixed', 'uniform', 'normal', 'lognormal', 'gamma', 'pareto'",
    ),
    ({"latency_model": {"type": 5}}, "latency_model.type: expected 'fixed', 'uniform', "),
    (
        {"fill_model": {"queue_position_model": "lifo"}},
        "fill_model.queue_position_model: expected 'fifo', 'pro_rata', 'size_weighted', ",
    ),
    ({"fees": {"per_contract": "much"}}, "fees.per_contract: expected a number, found 'much'"),
    ({"fees": {"per_contract": 1e300}}, "fees.per_contract: expected at most 1000, found 1e+300"),
    ({"fees": {"per_contrakt": 1}}, "fees.per_contrakt: unknown key, did you mean 'per_contract'?"),
    (
        {"market_impact": {"type": "linear", "impact_bps_per_million": 10_001}},
        "market_impact.impact_bps_per_million: expected at most 10000, found 10001",
    ),
]


@pytest.mark.parametrize(("execution", "message"), WRONG)
def test_what_is_wrong_with_a_model_is_said(execution: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config(configuration(**execution))
    assert f"backtest.execution.{message}" in str(caught.value)
