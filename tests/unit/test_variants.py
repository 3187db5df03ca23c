"""Grids and lists of variants: which strategies they are, in which order, and what is wrong."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from tapewire.config.loading import load_config, make_config
from tapewire.config.schema import RunConfig
from tapewire.config.variants import VARIANTS_MAX, checked_variants
from tapewire.errors import ConfigError

DATA = {"data_source": {"type": "databento", "files": ["a.dbn"]}}


def config_of(*strategies: dict[str, Any]) -> RunConfig:
    return make_config({"backtest": DATA, "strategy": list(strategies)})


def crossover(parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "sma_crossover", "parameters": parameters, **more}


def varied(config: RunConfig) -> list[tuple[str, dict[str, Any]]]:
    return [
        (variant.name, variant.varied)
        for i, strategy in enumerate(config.strategy)
        for variant in checked_variants(strategy, ("strategy", i))
    ]


def test_a_grid_is_every_combination_in_declared_order_the_last_fastest() -> None:
    # The slow period comes first here, the fast one where they are declared.
    config = config_of(
        crossover({"slow_period": [50, 100, 200], "fast_period": [5, 10], "position_size": 3})
    )
    expected = [
        {"fast_period": fast, "slow_period": slow}
        for fast, slow in itertools.product([5, 10], [50, 100, 200])
    ]
    assert varied(config) == [(f"sma_crossover.{k + 1}", v) for k, v in enumerate(expected)]
    for variant in checked_variants(config.strategy[0], ("strategy", 0)):
        assert variant.parameters == {"position_size": 3, **variant.varied}
        assert list(variant.parameters) == ["fast_period", "slow_period", "position_size"]
        assert variant.variant_of == "sma_crossover"


def test_a_list_of_one_is_a_variant_and_a_value_is_none() -> None:
    assert varied(config_of(crossover({"fast_period": [7]}, name="a"))) == [
        ("a.1", {"fast_period": 7})
    ]
    assert varied(config_of(crossover({"fast_period": 7}, name="a"))) == [("a", {})]


def test_listed_variants_change_what_the_entry_says() -> None:
    config = config_of(
        crossover(
            {"fast_period": 3, "position_size": 4},
            name="v",
            variants=[{"slow_period": 50}, {"slow_period": 60, "fast_period": 9}, {}],
        )
    )
    assert varied(config) == [
        ("v.1", {"fast_period": 3, "slow_period": 50}),
        ("v.2", {"fast_period": 9, "slow_period": 60}),
        ("v.3", {"fast_period": 3, "slow_period": 20}),  # the default
    ]
    sizes = [v.parameters["position_size"] for v in checked_variants(config.strategy[0], ())]
    assert sizes == [4, 4, 4]


def test_a_required_parameter_may_come_with_the_variants(tmp_path: Path) -> None:
    entry = {"type": "order_log", "variants": [{"path": "a.csv"}, {"path": "b/c.csv"}]}
    config = make_config({"backtest": DATA, "strategy": [entry]}, base=tmp_path)
    paths = [v.parameters["path"] for v in checked_variants(config.strategy[0], ())]
    assert paths == [tmp_path / "a.csv", tmp_path / "b" / "c.csv"]
    grid = {"type": "order_log", "parameters": {"path": ["a.csv", "b.csv"]}}
    config = make_config({"backtest": DATA, "strategy": [grid]}, base=tmp_path)
    paths = [v.parameters["path"] for v in checked_variants(config.strategy[0], ())]
    assert paths == [tmp_path / "a.csv", tmp_path / "b.csv"]


def test_the_configuration_of_a_run_has_the_grid_as_it_was_written(tmp_path: Path) -> None:
    config = config_of(
        crossover({"fast_period": [5, 10]}, name="grid"),
        crossover({}, name="list", variants=[{"fast_period": 5}, {"slow_period": 70}]),
    )
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml())
    again = load_config(path)
    assert again == config
    assert again.strategy[0].parameters["fast_period"] == [5, 10]
    assert again.strategy[1].variants == [{"fast_period": 5}, {"slow_period": 70}]


# --- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            crossover({"fast_period": [5, "x", 0]}),
            [
                "parameters.fast_period[1]: expected a whole number, found 'x' (a string)",
                "parameters.fast_period[2]: expected at least 1, found 0",
            ],
        ),
        (crossover({"fast_perod": [5, 6]}), ["did you mean 'fast_period'?"]),
        (crossover({"fast_period": []}), ["fast_period: expected a value or a list of them"]),
        (crossover({"fast_period": [[5]]}), ["expected a whole number, found a list of 1"]),
        (crossover({}, variants=[]), ["variants: expected at least one, found an empty list"]),
        (
            crossover({}, variants=[{"fast_perod": 5}]),
            ["variants[0].fast_perod: sma_crossover has no such", "did you mean 'fast_period'?"],
        ),
        (crossover({}, variants=[{"fast_period": 0}]), ["variants[0].fast_period: expected at le"]),
        (crossover({}, variants=5), ["variants: expected a list, found 5"]),
        (
            crossover({"fast_period": [1, 2]}, variants=[{"slow_period": 50}]),
            ["expected either variants or lists of values, found lists in parameters, too (fast_p"],
        ),
        (
            {"type": "order_log", "variants": [{"path": "a"}, {}]},
            ["variants[1].path: order_log needs this parameter"],
        ),
        (
            crossover({"fast_period": [1] * 101, "slow_period": [1] * 100}),
            ["parameters: expected at most 10,000 variants, found 10,100"],
        ),
        (
            crossover({"fast_period": [1] * 12}, name="n" * 62),
            ["name: expected at most 64 letters with the number of a variant, found 'nnn"],
        ),
    ],
)
def test_what_is_wrong_is_told_by_its_place(entry: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(entry)
    for text in said:
        assert text in str(caught.value)


def test_a_value_of_a_list_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "backtest: {data_source: {type: databento, files: [a.dbn]}}\n"
        "strategy:\n  type: sma_crossover\n  parameters:\n    fast_period:\n    - 5\n    - 0\n"
    )
    path.with_name("a.dbn").touch()
    with pytest.raises(
        ConfigError, match=r"config\.yaml:7: strategy\.parameters\.fast_period\[1\]"
    ):
        load_config(path)


@pytest.mark.parametrize("order", [1, -1])
def test_a_variant_may_not_be_called_as_another_strategy(order: int) -> None:
    entries = [crossover({"fast_period": [1, 2]}, name="a"), crossover({}, name="a.2")]
    with pytest.raises(ConfigError, match=r"name: 'a\.2' is the name of another one"):
        config_of(*entries[::order])


def test_as_many_as_may_be_are_quickly_checked() -> None:
    config = config_of(
        crossover({"fast_period": list(range(1, 101)), "slow_period": list(range(1, 101))})
    )
    variants = checked_variants(config.strategy[0], ("strategy", 0))
    assert len(variants) == len({variant.name for variant in variants}) == VARIANTS_MAX
