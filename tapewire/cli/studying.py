"""What the verbs that make studies have in common: what is asked for, and what came of it."""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from tapewire.cli.study_options import DataOptions, TrialOptions, WorkOptions
from tapewire.cli.terminal import say
from tapewire.errors import ConfigError, SimulationError
from tapewire.runs.requests import Request, split_inputs

if TYPE_CHECKING:
    from tapewire.config.problems import Places
    from tapewire.config.schema import RunConfig
    from tapewire.config.yaml import KeyPath
    from tapewire.studies import Study
    from tapewire.studies.conducting import Means
    from tapewire.studies.settings import StudySettings

#: Where studies go that are not told where.
STUDIES: Final = Path("studies")
#: Parts of a study that are typed otherwise than they are called.
_TYPED: Final = {"constraints": "--constraint"}


def asked_study(
    inputs: list[Path] | None, data: DataOptions, trials: TrialOptions, given: Mapping[str, Any]
) -> "tuple[RunConfig, StudySettings, str]":
    """Return what trials differ from, what is tried, and what the study is called.

    Parameters
    ----------
    given
        What else options say of the study.
    """
    from tapewire.config.loading import STUDY
    from tapewire.config.parts import read_part
    from tapewire.studies.asking import base_of

    request = request_of(inputs, data)
    config_path = request.config if isinstance(request.config, Path) else None
    found, places = read_part(config_path, STUDY)
    settings = _settings(found, places, trials.vary, {**given, **trials.of_study()})
    return base_of(request, settings, as_option), settings, request.name


def request_of(inputs: list[Path] | None, data: DataOptions) -> Request:
    """Return what a run is asked for."""
    config_path, files = split_inputs(inputs or [])
    return Request(
        config=config_path,
        files=[str(path) for path in files],
        strategies=data.strategies,
        options=data.of_run(),
    )


def run_study(
    do: "Callable[[Means], Study]", objective: str, name: str, work: WorkOptions, *, as_json: bool
) -> None:
    """Have a study done, show how far it is, and say what it came to."""
    from tapewire.cli.study_display import StudyDisplay, json_summary, summary

    with StudyDisplay(quiet=work.quiet) as display:
        display.objective = objective
        study = with_means(do, name, work, display)
    text = json_summary(study) if as_json else summary(study)
    say(text, done=f"the study in {study.path} is complete")
    if study.manifest["failed"]:
        raise typer.Exit(SimulationError.exit_code)


def with_means(do: "Callable[[Means], Any]", name: str, work: WorkOptions, display: Any) -> Any:
    """Return what is done with the means that options name."""
    from tapewire.executors import executor_of
    from tapewire.studies.conducting import Means
    from tapewire.studies.session import StudyHooks

    work.check()
    with executor_of(
        work.executor, workers=work.workers, address=work.address,
        queue_timeout_s=work.queue_timeout,
    ) as team:  # fmt: skip
        return do(
            Means(
                output=work.output or new_folder(name),
                executor=team,
                force=work.force,
                resume=work.resume,
                keep_runs=work.keep_runs,
                hooks=StudyHooks(display.announce, display.progress),
            )
        )


def _settings(
    found: dict[str, Any], places: "Places", vary: list[str] | None, options: dict[str, Any]
) -> "StudySettings":
    from dataclasses import replace

    from tapewire.config.loading import STUDY
    from tapewire.studies.asking import names_given, settings_of
    from tapewire.studies.axes import value_of

    given = {name: value for name, value in options.items() if value is not None}
    labels: dict[KeyPath, str] = {(STUDY, name): _TYPED.get(name, f"--{name}") for name in given}
    if vary:
        typed = {}
        for name, text in names_given(vary).items():
            try:
                typed[name] = value_of(text)
            except ValueError as error:
                raise ConfigError(f"--vary {name}: {error}") from None
            labels[STUDY, "vary", name] = f"--vary {name}"
        given["vary"] = {**(found.get("vary") or {}), **typed}
    return settings_of({**found, **given}, replace(places, typed=labels))


def new_folder(name: str) -> Path:
    """Return the folder of a study that is not told where to go."""
    now = datetime.datetime.now(datetime.UTC)
    return STUDIES / f"{now:%Y%m%dT%H%M%SZ}-{name}"


def as_option(name: str) -> str:
    """Write what a run is asked for as it is typed here."""
    typed = {"files": "FILES", "strategies": "--strategy"}
    return typed.get(name, f"--{name.replace('_', '-')}")
