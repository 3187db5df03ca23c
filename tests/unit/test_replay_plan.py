"""Plans: bounds, and the strict way back from JSON."""

import pytest

from tapewire.errors import ConfigError
from tapewire.replay import ReplayPlan


def test_a_plan_survives_json() -> None:
    plan = ReplayPlan(("a", "b"), ("ESH4",), (1, 2), 5, 9, 2.5, 7, "inline")
    assert ReplayPlan.from_json(plan.to_json()) == plan
    assert ReplayPlan.from_json('{"files": ["a"]}') == ReplayPlan(("a",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"files": []}',
        '{"files": "a"}',
        '{"files": ["a"], "fiels": []}',
        '{"files": ["a"], "speed": 0}',
        '{"files": ["a"], "speed": NaN}',
        '{"files": ["a"], "speed": "fast"}',
        '{"files": ["a"], "batch_records": 0}',
        '{"files": ["a"], "batch_records": 65537}',
        '{"files": ["a"], "batch_records": 1.5}',
        '{"files": ["a"], "publishers": [65536]}',
        '{"files": ["a"], "publishers": [true]}',
        '{"files": ["a"], "start_ns": 5, "end_ns": 5}',
        '{"files": ["a"], "payload": "pigeon"}',
    ],
)
def test_a_bad_plan_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        ReplayPlan.from_json(text)
