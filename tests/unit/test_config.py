"""The configuration file: what is accepted, what is refused and how that is said."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapewire.compiled.parameters import ParameterSpec
from tapewire.config import DEFAULT_CONFIG
from tapewire.config.accounts import worths
from tapewire.config.loading import load_config, make_config
from tapewire.config.models import chosen_models
from tapewire.config.problems import LISTED_MAX
from tapewire.config.schema import DatabentoSource, Replay, RunConfig, SyntheticSource, to_fixed
from tapewire.config.yaml import load_yaml
from tapewire.errors import ConfigError
from tapewire.replay import BATCH_RECORDS_DEFAULT


def spec(kind: type, default: Any, minimum: Any = None, maximum: Any = None) -> ParameterSpec:
    return ParameterSpec(kind, "a parameter", default, minimum, maximum)


@dataclass
class Declared:
    parameters: dict[str, ParameterSpec] = field(default_factory=dict)
    is_external: bool = False
    free_parameters: bool = False
    model: str | None = None


@pytest.fixture(autouse=True)
def _declared_strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strategies whose declarations these tests know; the real ones are tested in system/."""
    monkeypatch.setattr(
        "tapewire.strategies.STRATEGIES",
        {
            "market_maker": Declared({"quantity": spec(int, 1, 1), "skew": spec(float, 0.5, 0.0)}),
            "sma_crossover": Declared({"fast": spec(int, 10, 1, 99), "on": spec(bool, True)}),
            "order_log": Declared({"path": spec(Path, None)}),
        },
        raising=False,
    )


#: The example of specification/backtesting-architecture.md with models that are built.
SPECIFICATION = """\
backtest:
  data_source:
    type: "databento"
    files: ["glbx-mdp3-20250428.mbo.dbn.zst"]
    symbols: ["ESM5"]

  execution:
    latency_model:
      type: "fixed"
      network_latency_us: 50
      processing_latency_us: 10

    fill_model:
      type: "probabilistic"
      queue_position_model: "pro_rata"

    market_impact:
      type: "linear"
      impact_bps_per_million: 0.5

  risk_limits:
    max_position: 100
    max_order_size: 50
    max_loss: 10000.0
    max_orders_per_second: 100

  output:
    metrics_file: "results/metrics.parquet"
    trades_file: "results/trades.parquet"
    detailed_log: false

strategy:
  type: "sma_crossover"
  parameters:
    fast: 5
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_the_specifications_own_example_is_read_key_for_key(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, SPECIFICATION))
    backtest = config.backtest
    assert isinstance(backtest.data_source, DatabentoSource)
    assert backtest.data_source.files == [str(tmp_path / "glbx-mdp3-20250428.mbo.dbn.zst")]
    assert backtest.data_source.symbols == ["ESM5"]
    models = chosen_models(backtest.execution)
    assert models.latency_bounds()["entry"] == (60_000, 60_000)
    assert models.impact.parameters == {
        "impact_bps_per_million": Decimal("0.5"),
        "decay": None,
    }
    assert backtest.risk_limits.max_position == 100
    assert to_fixed(backtest.risk_limits.max_loss or Decimal(0)) == 10_000 * 10**9
    assert backtest.output.metrics_file == str(tmp_path / "results/metrics.parquet")
    assert [(s.name, s.type, s.parameters) for s in config.strategy] == [
        ("sma_crossover", "sma_crossover", {"fast": 5, "on": True})
    ]


def test_the_effective_configuration_can_be_run_again_from_anywhere(tmp_path: Path) -> None:
    first = load_config(
        write(tmp_path, SPECIFICATION), {("backtest", "data_source", "start"): "2025-04-28T13:30Z"}
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert load_config(write(elsewhere, first.to_yaml())) == first


def test_the_effective_configuration_forgets_the_run_folder(tmp_path: Path) -> None:
    text = SPECIFICATION.replace("detailed_log: false", "directory: out")
    config = load_config(write(tmp_path, text))
    assert config.backtest.output.directory == str(tmp_path / "out")
    assert "directory" not in config.to_yaml()


def test_the_packaged_default_is_valid() -> None:
    config = load_config(DEFAULT_CONFIG)
    assert isinstance(config.backtest.data_source, SyntheticSource)
    assert config.backtest.data_source.events >= 2_000_000
    assert [s.type for s in config.strategy] == ["market_maker", "sma_crossover"]


#: (line of SPECIFICATION to replace, by what, and what the message must say)
REFUSED = [
    ('type: "databento"', "type: csv", r":3: backtest\.data_source.*'databento'.*found 'csv'"),
    ('files: ["glbx', 'file: ["glbx', r"file: unknown key, did you mean 'files'\?"),
    ('symbols: ["ESM5"]', "symbols: ESM5", r":5: .*symbols: expected a list, found 'ESM5'"),
    ('symbols: ["ESM5"]', "symbols: [1.5]", r"symbols\[0\]: expected a string, found 1.5"),
    ('symbols: ["ESM5"]', "start: monday", r"start: expected a time: ISO 8601.* found 'monday'"),
    ('symbols: ["ESM5"]', "start: 20240304", r"start: expected ns .*, found 20240304$"),
    ('symbols: ["ESM5"]', "end: 1709563200", r"end: .* or ISO 8601 like 2024-03-04, found 17095"),
    ('symbols: ["ESM5"]', "end: 2024-03-04T14:40.5", r"end: expected a time: ISO 8601"),
    ('symbols: ["ESM5"]', "start: 2025-13-01", r"start: expected a time"),
    ('symbols: ["ESM5"]', "publishers: [70000]", r"publishers\[0\]: expected at most 65535"),
    (
        'symbols: ["ESM5"]',
        "start: 2025-01-02\n    end: 2025-01-01",
        r":6: backtest\.data_source\.end: expected a time after start",
    ),
    ("  risk_limits:", "  replay: {cache: on}\n  risk_limits:", r"cache: expected true or false"),
    ("  risk_limits:", "  replay: {cache_max_gb: 0}\n  risk_limits:", r"expected more than 0"),
    ("  risk_limits:", "  replay: {cache_gb: 5}\n  risk_limits:", r"did you mean 'cache_max_gb'\?"),
    ("network_latency_us: 50", "network_latency_us: fast", r"expected a number, found 'fast'"),
    ("network_latency_us: 50", "network_latency_us: true", r"expected a number, found true"),
    ("network_latency_us: 50", "network_latency_us: -1", r"expected at least 0, found"),
    ("network_latency_us: 50", "network_latency_us: .nan", r"expected a finite number"),
    (
        "network_latency_us: 50",
        "network_latency_us: 0.0001",
        r"expected at most three decimal",
    ),
    ("network_latency_us: 50", "network_latncy_us: 50", r"did you mean 'network_latency_us'\?"),
    ('type: "fixed"', "type: lognormel", r"expected 'fixed', .*did you mean 'lognormal'\?"),
    ('model: "pro_rata"', "model: prorata", r":15: .*expected 'fifo', .* did you mean 'pro_rata'"),
    ("million: 0.5", "million: 0.0000005", r"expected at most six decimal places, found"),
    ('type: "linear"', "type: cubic", r"expected 'none', 'linear' or 'square_root', found"),
    (
        "million: 0.5",
        "million: 0.5\n      decay: {type: exponential, half_life_ms: 0}",
        r":20: .*decay\.half_life_ms: expected at least 0.001, found 0",
    ),
    ('type: "linear"', 'type: "none"', r"impact_bps_per_million: expected none with type none"),
    ("max_position: 100", "max_position: ten", r":22: .*expected a whole number, found 'ten'"),
    (
        "max_position: 100",
        "max_position: 1.5",
        r"max_position: expected a whole number, found 1\.5",
    ),
    (
        "max_position: 100",
        "max_position: true",
        r"max_position: expected a whole number, found true",
    ),
    (
        "max_position: 100",
        "max_position: '100'",
        r"expected a whole number, found '100' \(a string\)",
    ),
    ("max_position: 100", "max_position: 3e9", r"max_position: expected"),
    ("max_loss: 10000.0", "max_loss: 1e99", r"max_loss: expected a number within"),
    ("max_loss: 10000.0", "max_loss: 1e999999999", r"max_loss: expected a number within"),
    ("max_loss: 10000.0", "max_loss: 0.0000000001", r"at most nine decimal places"),
    ("max_loss: 10000.0", "max_drawdown: 0", r":24: .*max_drawdown: expected more than 0, found 0"),
    (
        "  risk_limits:",
        "  mark_price: middle\n  risk_limits:",
        r":21: backtest.mark_price: expected 'mid', 'last' or 'side_aware'",
    ),
    ("max_loss: 10000.0", "max_draw_down: 1", r"did you mean 'max_drawdown'\?"),
    (
        "max_loss: 10000.0",
        "on_max_position: stop",
        r"on_max_position: expected 'deny', 'cancel_all'",
    ),
    ("max_loss: 10000.0", "max_messages_per_trade: 0", r"max_messages_per_trade: expected"),
    (
        "max_loss: 10000.0",
        "max_daily_loss: 5",
        r":24: backtest.risk_limits.max_daily_loss: expected backtest.session, .* found none",
    ),
    (
        "  risk_limits:",
        "  portfolio_limits: {max_daily_loss: 5}\n  risk_limits:",
        r":21: backtest.portfolio_limits.max_daily_loss: expected backtest.session",
    ),
    (
        "  risk_limits:",
        "  portfolio_limits: {max_net_exposure: -1}\n  risk_limits:",
        r":21: backtest.portfolio_limits.max_net_exposure: expected more than 0, found -1",
    ),
    (
        "  risk_limits:",
        "  risk_limits: {}\n  rsk:",
        r":22: backtest.rsk: unknown key, known: ",
    ),
    ("  risk_limits:", "  max_position: 1\n  risk_limits:", r"max_position: unknown key"),
    ('type: "sma_crossover"', 'type: "sma_crosover"', r"did you mean 'sma_crossover'\?"),
    ('type: "sma_crossover"', "type: mean_reversion", r":3\d: strategy.type: .*not built"),
    ('type: "sma_crossover"', "name: x", r"strategy\.type: expected this key, found nothing"),
    ("fast: 5", "fsat: 5", r"sma_crossover has no such parameter, did you mean 'fast'\?"),
    ("fast: 5", "fast: 0", r"strategy\.parameters\.fast: expected at least 1, found 0"),
    ("fast: 5", "fast: 100", r"strategy\.parameters\.fast: expected at most 99, found 100"),
    ("fast: 5", "fast: 2.5", r"parameters\.fast: expected a whole number, found 2\.5"),
    ("fast: 5", "fast: true", r"parameters\.fast: expected a whole number, found true"),
    ("fast: 5", "fast: 5\n    on: 1", r"parameters\.on: expected true or false, found 1"),
    ("max_loss: 10000.0", "on_max_loss: close", r"expected .*'halt' or 'flatten'.*found 'close'"),
    ("detailed_log: false", "detailed_log: 0", r"expected true or false, found 0"),
    ("detailed_log: false", "detailed_log: no", r"expected true or false, found 'no'"),
    ("max_order_size: 50", "max_position: 50", r":23:5.*'backtest.*max_position' is given twice"),
    ("backtest:", "backtets:", r":1: backtets: unknown key, did you mean 'backtest'\?"),
    ("backtest:", "backtest: [", r"not valid YAML"),
    ("backtest:", "a: !!python/name:os.system\nbacktest:", r"not valid YAML"),
]


@pytest.mark.parametrize(("line", "replacement", "message"), REFUSED)
def test_refused_in_one_sentence(tmp_path: Path, line: str, replacement: str, message: str) -> None:
    assert SPECIFICATION.count(line) == 1
    path = write(tmp_path, SPECIFICATION.replace(line, replacement))
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert "pydantic" not in text


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = SPECIFICATION
    for old, new in (
        ("max_position: 100", "max_position: ten"),
        ('type: "fixed"', "type: fixd"),
        ("detailed_log: false", "detailed_log: 1"),
        ('symbols: ["ESM5"]', "start: 2025-01-02\n    end: 2025-01-01"),
        ("fast: 5", "fsat: 5\n    fast: 0"),
        ("network_latency_us", "latency_us"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {("backtest", "seed"): -1}, typed={("backtest", "seed"): "--seed"})
    told = [
        (6, "data_source.end: expected a time after start (2025-01-02T00:00:00Z), found 2025-01-"),
        (
            10,
            "execution.latency_model.type: expected 'fixed', 'uniform', 'normal', ",
        ),
        (11, "execution.latency_model.latency_us: unknown key, did you mean 'fill_latency_us'?"),
        (23, "risk_limits.max_position: expected a whole number, found 'ten' (a string)"),
        (31, "output.detailed_log: expected true or false, found 1"),
        (36, "strategy.parameters.fsat: sma_crossover has no such parameter, did you mean 'fast'?"),
        (37, "strategy.parameters.fast: expected at least 1, found 0"),
    ]
    for problem, (line, text) in zip(caught.value.problems, told, strict=False):
        assert problem.removeprefix(f"{path}:{line}: ").removeprefix("backtest.").startswith(text)
    assert caught.value.problems[len(told) :] == ("--seed: expected at least 0, found -1",)
    title, *listed = str(caught.value).split("\n  ")
    assert title == f"{path}: 8 problems:"
    assert listed == list(caught.value.problems)


def test_problems_beyond_what_anybody_reads_are_counted(tmp_path: Path) -> None:
    text = SPECIFICATION.replace('["ESM5"]', str([n + 0.5 for n in range(100)]))
    with pytest.raises(ConfigError, match=": 100 problems:") as caught:
        load_config(write(tmp_path, text))
    assert len(caught.value.problems) == LISTED_MAX + 1
    assert caught.value.problems[-1] == "and 60 more"


OVERRIDES: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("backtest", "seed"), "x", "overrides: backtest.seed: expected a whole number, found 'x'"),
    (("backtest", "rsk", "a"), 1, "overrides: backtest.rsk.a: backtest has no 'rsk', known: "),
    (
        ("backtest", "seed", "a"), 1,
        "overrides: backtest.seed.a: expected a whole number, found a mapping",
    ),
    (("backtest", "data_source", "type", "x"), 1, "data_source.type is 'databento' (a string), i"),
    (("strategy", "0", "parameters", "fast"), 0, "parameters.fast: expected at least 1, found 0"),
    (("strategy", "sma_crossover", "parameters", "fsat"), 3, "did you mean 'fast'?"),
    (("strategy", "sma_crosover", "parameters"), {}, "strategy has no 'sma_crosover', did you m"),
    (("strategy", 7, "parameters"), {}, "overrides: strategy[7].parameters: strategy has no 7"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), OVERRIDES)
def test_an_override_is_named_as_one(
    tmp_path: Path, path: tuple[str | int, ...], value: Any, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, SPECIFICATION), {path: value})
    assert message in str(caught.value)
    assert "config.yaml" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_strategy_is_overridden_by_number_name_or_type(tmp_path: Path) -> None:
    text = SPECIFICATION.replace('type: "sma_crossover"', 'type: "sma_crossover"\n  name: mine')
    for key in (0, "0", "mine", "sma_crossover"):
        config = load_config(write(tmp_path, text), {("strategy", key, "parameters", "fast"): 7})
        assert config.strategy[0].parameters["fast"] == 7


def test_an_override_of_an_instrument_by_number_leaves_the_rest_of_it(tmp_path: Path) -> None:
    text = SPECIFICATION.replace(
        "  execution:", "  instruments: {42: {tick_size: 0.25, multiplier: 50}}\n  execution:", 1
    )
    for key in ("42", 42):
        changed = {("backtest", "instruments", key, "margin"): 500}
        config = load_config(write(tmp_path, text), changed)
        facts = config.backtest.instruments["42"]
        assert (facts.multiplier, facts.margin) == (50, 500)
    with pytest.raises(ConfigError, match=r"^overrides: backtest\.instruments\.42\.margin: exp"):
        load_config(write(tmp_path, text), {("backtest", "instruments", "42", "margin"): "x"})


def test_the_strategies_that_are_kept_keep_their_lines(tmp_path: Path) -> None:
    text = SPECIFICATION.replace(
        'strategy:\n  type: "sma_crossover"',
        'strategy:\n- type: market_maker\n- type: "sma_crossover"',
    ).replace("fast: 5", "fast: 0")
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=r"config\.yaml:36: strategy\[1\]\.parameters\.fast"):
        load_config(path, strategies=["sma_crossover"])
    with pytest.raises(ConfigError, match=r"^strategies\[1\]\.type: unknown strategy 'maker'"):
        load_config(path, strategies=["market_maker", "maker"])


def test_every_parameter_in_force_is_in_the_effective_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = load_config(write(tmp_path, SPECIFICATION)).to_yaml()
    assert load_yaml(text, "")[0]["strategy"][0]["parameters"] == {"fast": 5, "on": True}
    # So a later version with other defaults runs what was run.
    other = {"sma_crossover": Declared({"fast": spec(int, 20, 1, 99), "on": spec(bool, False)})}
    monkeypatch.setattr("tapewire.strategies.STRATEGIES", other)
    again = load_config(write(tmp_path, text))
    assert again.strategy[0].parameters == {"fast": 5, "on": True}


def test_a_name_is_described_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name: expected 1 to 64 letters, digits, _ \. : -, fou"):
        configured(name="a b")


def configured(**strategy: Any) -> RunConfig:
    return make_config(
        {
            "backtest": {"data_source": {"type": "databento", "files": ["a.dbn"]}},
            "strategy": strategy.pop("strategies", strategy),
        }
    )


def test_strategies_without_a_name_are_numbered_by_type() -> None:
    config = configured(
        strategies=[
            {"type": "market_maker"},
            {"type": "market_maker"},
            {"type": "sma_crossover"},
            {"type": "market_maker", "name": "market_maker-2"},
        ]
    )
    assert [s.name for s in config.strategy] == [
        "market_maker",
        "market_maker-3",
        "sma_crossover",
        "market_maker-2",
    ]


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"strategy\[0\]\.name: 'a' is the name of another"):
        configured(strategies=[{"type": "market_maker", "name": "a"}] * 2)


def test_a_strategys_symbol_must_be_among_the_datas() -> None:
    document = {
        "backtest": {"data_source": {"type": "databento", "files": ["a.dbn"], "symbols": ["ESH4"]}},
        "strategy": {"type": "market_maker", "symbols": ["ESH5"]},
    }
    with pytest.raises(ConfigError, match=r"ESH5 is not among the symbols.*did you mean 'ESH4'"):
        make_config(document)


def test_an_order_logs_path_starts_at_the_configurations_folder(tmp_path: Path) -> None:
    text = re.sub(
        r"(?s)strategy:.*",
        "strategy: {type: order_log, parameters: {path: log.csv}}",
        SPECIFICATION,
    )
    config = load_config(write(tmp_path, text))
    assert config.strategy[0].parameters["path"] == str(tmp_path / "log.csv")
    with pytest.raises(ConfigError, match=r"parameters\.path: order_log needs this parameter"):
        load_config(write(tmp_path, text.replace("{path: log.csv}", "{}")))


def test_wildcards_stand_for_the_sorted_files_they_match(tmp_path: Path) -> None:
    for name in ("b.dbn", "a.dbn", "c.txt", "[x].dbn"):
        (tmp_path / name).touch()
    text = SPECIFICATION.replace("glbx-mdp3-20250428.mbo.dbn.zst", "?.dbn")
    files = load_config(write(tmp_path, text)).backtest.data_source
    assert isinstance(files, DatabentoSource)
    assert files.files == [str(tmp_path / "a.dbn"), str(tmp_path / "b.dbn")]
    brackets = load_config(write(tmp_path, text.replace("?.dbn", "[x].dbn"))).backtest.data_source
    assert isinstance(brackets, DatabentoSource)
    assert brackets.files == [str(tmp_path / "[x].dbn")]
    with pytest.raises(ConfigError, match=r"files\[0\]: no file matches 'q\*\.dbn' in "):
        load_config(write(tmp_path, text.replace("?.dbn", "q*.dbn")))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01", 0),
        ("0", 0),
        ("2023-12-25T23:00:00Z", 1_703_545_200_000_000_000),
        ("2023-12-25T23:00", 1_703_545_200_000_000_000),
        ("2023-12-25 17:00:00-06:00", 1_703_545_200_000_000_000),
        ("2023-12-25T23:00:00.123456789Z", 1_703_545_200_123_456_789),
        ("2023-12-25T23:00:00.1Z", 1_703_545_200_100_000_000),
        ("1703545200123456789", 1_703_545_200_123_456_789),
    ],
)
def test_times_keep_their_nanoseconds(tmp_path: Path, text: str, ns: int) -> None:
    path = write(tmp_path, SPECIFICATION.replace('symbols: ["ESM5"]', f"start: {text}"))
    source = load_config(path).backtest.data_source
    assert isinstance(source, DatabentoSource)
    assert source.start == ns


@pytest.mark.parametrize(
    ("text", "factor"),
    [("max", None), ("realtime", 1.0), ("{accelerated: 2.5}", 2.5), ("{accelerated: 10}", 10.0)],
)
def test_speeds(tmp_path: Path, text: str, factor: float | None) -> None:
    path = write(
        tmp_path,
        SPECIFICATION.replace("  execution:", f"  replay: {{speed: {text}}}\n  execution:"),
    )
    config = load_config(path)
    assert config.backtest.replay.speed_factor == factor
    assert load_config(write(tmp_path, config.to_yaml())) == config


@pytest.mark.parametrize(
    "text", ["fast", "2", "{accelerated: 0}", "{faster: 2}", "{accelerated: x}"]
)
def test_speeds_that_are_none(tmp_path: Path, text: str) -> None:
    path = write(
        tmp_path,
        SPECIFICATION.replace("  execution:", f"  replay: {{speed: {text}}}\n  execution:"),
    )
    with pytest.raises(ConfigError, match=r"replay\.speed: expected"):
        load_config(path)


def test_multipliers_are_exact_fractions() -> None:
    config = make_config(
        {
            "backtest": {
                "data_source": {"type": "databento", "files": ["a.dbn"]},
                "instruments": {"ZN": {"tick_size": Decimal("0.015625"), "multiplier": 1000}},
            },
            "strategy": {"type": "market_maker"},
        }
    )
    assert worths(config.backtest)["ZN"] == 1000
    assert to_fixed(config.backtest.instruments["ZN"].tick_size or Decimal(0)) == 15_625_000


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("lot_size: 0", r"lot_size: expected .*1.*, found 0"),
        ("min_quantity: -3", r"min_quantity: expected .*1.*, found -3"),
        ("price_band: -1", r"price_band: expected .*0.*, found -1"),
        ("tick_size: 0.25, protection_ticks: -1", r"protection_ticks: expected .*0.*, found -1"),
        ("protection_ticks: 4", r"instruments\.ESM5: expected a tick_size beside protection_ticks"),
        ("tick_size: 90000, protection_ticks: 900000", r"expected protection_ticks that come to"),
    ],
)
def test_rules_of_an_instrument_that_are_none(tmp_path: Path, rules: str, message: str) -> None:
    more = f"  instruments:\n    ESM5: {{{rules}}}\n  execution:"
    path = write(tmp_path, SPECIFICATION.replace("  execution:", more, 1))
    with pytest.raises(ConfigError, match=rf"config\.yaml:\d+: backtest\..*{message}"):
        load_config(path)


def test_one_default_batch_size() -> None:
    """Said twice, because the configuration must not load the replay to know it."""
    assert Replay().batch_records == BATCH_RECORDS_DEFAULT
