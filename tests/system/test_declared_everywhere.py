"""The example of the specification, as it stands: from JSON to a report on every engine."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tapewire as tw
from converted import TICK, market
from declared import SPECIFIED
from streams import dbn_bytes

if TYPE_CHECKING:
    from conftest import TapewireHere

CONFIG = f"""backtest:
  data_source: {{type: databento, files: [weeks.mbo.dbn]}}
  instruments:
    TWX: {{tick_size: {TICK}, multiplier: 50}}
strategy:
  - type: cross.json
    name: one
  - type: cross.json
    name: two
    parameters: {{quantity: 2, at_touch: true, session: "17:00 America/Chicago"}}
"""


@pytest.fixture
def weeks(tmp_path: Path) -> Path:
    """Three weeks of trades every few minutes, and the example beside them."""
    records = market(6_000, 8, pace=8)
    data = dbn_bytes(records, mappings={"TWX": [(7, -30, 60)]})
    (tmp_path / "weeks.mbo.dbn").write_bytes(data)
    (tmp_path / "cross.json").write_text(SPECIFIED)
    return tmp_path


def test_the_example_runs_from_json_to_a_report_on_every_engine(
    weeks: Path, tapewire_here: "TapewireHere"
) -> None:
    commands: dict[str, list[str]] = {
        "vectorised": ["candles", "run", "cross.json", "-d", "weeks.mbo.dbn"],
        "event": ["candles", "run", "cross.json", "-d", "weeks.mbo.dbn", "--engine", "event"],
        "records": ["run", "weeks.mbo.dbn", "-s", "cross.json"],
    }
    for name, command in commands.items():
        done = tapewire_here(*command, "-o", name)
        assert done.returncode == 0, done.stderr
        assert (weeks / name / "report.html").stat().st_size > 10_000
        manifest = json.loads((weeks / name / "manifest.json").read_text())
        assert manifest["status"] == "complete"
    result = tw.RunResult.load(weeks / "records")
    assert result.fills.num_rows >= 1
    assert set(result.fills["strategy_id"].to_pylist()) == {"MA_Cross_RSI_Filter"}
    (source,) = result.manifest["strategy_sources"]
    assert source["file"] == str(weeks / "cross.json")


def test_a_configuration_gives_it_parameters(weeks: Path, tapewire_here: "TapewireHere") -> None:
    (weeks / "run.yaml").write_text(CONFIG)
    assert tapewire_here("run", "run.yaml", "-o", "out").returncode == 0
    fills = tw.RunResult.load(weeks / "out").fills.to_pylist()
    lots = {name: {one["last_qty"] for one in fills if one["strategy_id"] == name} for name in
            ("one", "two")}  # fmt: skip
    assert lots == {"one": {1}, "two": {2}}


@pytest.mark.parametrize(
    ("text", "said", "code"),
    [
        (SPECIFIED.replace('"rsi"', '"rsj"'), "did you mean 'rsi'", 2),
        ("{", "expected JSON", 2),
        (None, "cross.json: can't be read", 3),
    ],
)
def test_what_is_wrong_with_the_file_is_one_sentence(
    weeks: Path, tapewire_here: "TapewireHere", text: str | None, said: str, code: int
) -> None:
    if text is None:
        (weeks / "cross.json").unlink()
    else:
        (weeks / "cross.json").write_text(text)
    done = tapewire_here("run", "weeks.mbo.dbn", "-s", "cross.json", "-o", "out")
    assert done.returncode == code
    assert said in done.stderr
    assert not (weeks / "out").exists()


def test_a_session_that_is_none_fails_the_run(weeks: Path, tapewire_here: "TapewireHere") -> None:
    (weeks / "run.yaml").write_text(CONFIG.replace("17:00 America/Chicago", "5pm"))
    done = tapewire_here("run", "run.yaml", "-o", "out")
    assert done.returncode not in (0, 1)
    assert "session: expected as '17:00-16:00 America/Chicago'" in done.stderr
