"""Options of the verbs that make studies: one place, one wording; what they refuse."""

import io
from dataclasses import fields
from typing import Any

import pytest
from typer.main import get_command

from tapewire.cli.program import app
from tapewire.cli.study_display import StudyDisplay
from tapewire.cli.study_options import (
    DataOptions,
    TrialOptions,
    WorkOptions,
    in_groups,
)
from tapewire.cli.study_plan import PlanOptions
from tapewire.errors import ConfigError
from tapewire.studies import StudyProgress
from tapewire.studies.report import headline, told_once


def options_of(verb: str) -> dict[str, Any]:
    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    return {one.name: one for one in command.params}


def test_verbs_have_the_options_of_their_groups_in_the_same_words() -> None:
    of = {verb: options_of(verb) for verb in ("sweep", "optimize", "montecarlo")}
    for group, verbs in (
        (DataOptions, of), (WorkOptions, of), (TrialOptions, ("sweep", "optimize")),
        (PlanOptions, ("sweep",)),
    ):  # fmt: skip
        for field in fields(group):
            found = [of[verb][field.name] for verb in verbs]
            assert len({(tuple(one.opts), one.help, one.default) for one in found}) == 1
            assert found[0].default == field.default


def test_a_command_gets_its_options_in_their_groups() -> None:
    given: list[Any] = []

    @in_groups
    def command(*, work: WorkOptions, more: int = 3, data: DataOptions) -> None:
        given.extend((work, more, data))

    plain = {field.name: field.default for field in (*fields(WorkOptions), *fields(DataOptions))}
    command(**{**plain, "workers": 2, "strategy": "x"}, more=4)
    assert given == [WorkOptions(workers=2), 4, DataOptions(strategy="x")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"resume": True}, r"--resume: expected the study's folder \(-o\), found none"),
        ({"workers": 0}, "--workers: expected a number from 1 to 1024, found 0"),
        ({"workers": "two"}, "--workers: expected a number from 1 to 1024, found 'two'"),
    ],
)
def test_what_does_not_go_together_is_refused(given: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        WorkOptions(**given).check()


def test_sizes_of_a_plan_need_a_plan() -> None:
    PlanOptions().require_none()
    with pytest.raises(ConfigError, match="--plan-days: expected --plan with it, found none"):
        PlanOptions(plan_days=2).require_none()


def test_warnings_that_differ_in_numbers_alone_are_told_once() -> None:
    assert told_once(["1,087 fills by 1.5 µs", "2 fills by 16,041.5 µs", "other"]) == [
        "1,087 fills by 1.5 µs (and 1 like it, in manifest.json)", "other",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("NoDataError: nothing there", "NoDataError: nothing there"),
        ("E: failed in on_trade, on X:\n  File s.py\n    raise\n\nValueError: no\n",
         "E: failed in on_trade, on X: ValueError: no"),
        ("E: two\nlines", "E: two"),
    ],
)  # fmt: skip
def test_an_error_in_one_line_says_what_it_was(error: str, line: str) -> None:
    assert headline(error) == line


def test_the_rest_is_reckoned_from_when_events_began() -> None:
    """Workers that start and kernels that are compiled, 300 s, come once: 10 % take 10 s."""
    display = StudyDisplay(quiet=False, stream=io.StringIO())

    def left_s(elapsed_s: float, share: float) -> float | None:
        return display._left_s(StudyProgress(0, 4, 0, 0, 4, share, elapsed_s, None))

    assert left_s(100.0, 0.0) is None
    assert left_s(300.0, 0.01) is None
    assert left_s(301.0, 0.02) is None
    assert left_s(310.0, 0.11) == pytest.approx(89.0)
