"""``tapewire.montecarlo``: how far a result spreads, as a notebook asks for it."""

import functools
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapewire.analytics.run_folder import MANIFEST
from tapewire.config.loading import MONTECARLO
from tapewire.config.parts import checked_part, read_part
from tapewire.config.problems import Places, Problems
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError, FormatError
from tapewire.executors import Executor
from tapewire.runs.api import AnyPath, AnyStrategy, Time, request_of
from tapewire.runs.result import RunResult
from tapewire.studies.api import AnyConfig, require_names
from tapewire.studies.bands import FigureBand, read_bands
from tapewire.studies.conducting import Means
from tapewire.studies.factors import MonteCarloSettings
from tapewire.studies.folder import BANDS_FILE, DRAWS_FILE, PLAN, RESULT, read_manifest
from tapewire.studies.session import StudyHooks
from tapewire.studies.spread_asked import of_config, of_run
from tapewire.studies.spreading import spread
from tapewire.studies.study import Study

if TYPE_CHECKING:
    import pyarrow as pa


class MonteCarlo:
    """The folder of a Monte Carlo study.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    MissingFileError, FormatError
        If it holds no complete one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        #: Its folder.
        self.path = Path(path)
        #: Content of ``manifest.json``.
        self.manifest: dict[str, Any] = read_manifest(self.path)
        if self.manifest.get("kind") != MONTECARLO:
            raise FormatError(
                f"{self.path}: expected a Monte Carlo study, found a {self.manifest.get('kind')}"
            )

    @property
    def digest(self) -> str:
        """One digest for all that was drawn."""
        return str(self.manifest["digest"])

    @functools.cached_property
    def bands(self) -> "pa.Table":
        """``bands.parquet``: a row for each figure of each method; money in currency."""
        return _table(self.path / BANDS_FILE)

    @functools.cached_property
    def draws(self) -> "pa.Table":
        """``draws.parquet``: figures of each draw of trades, orders and days."""
        return _table(self.path / DRAWS_FILE)

    @property
    def study(self) -> Study | None:
        """Its trials, perturbed ones and those over markets; None where it has none."""
        return Study(self.path) if self.manifest["trials"] else None

    @property
    def run(self) -> RunResult:
        """The run that draws are held against."""
        return RunResult.load(self.path / self.manifest["run"]["path"])

    def band(self, method: str, metric: str) -> FigureBand:
        """Return the band of a figure.

        Raises
        ------
        KeyError
            If there is none.
        """
        for one in read_bands(self.bands):
            if (one.method, one.metric) == (method, metric):
                return one
        raise KeyError(f"{method}, {metric}")

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values: content of ``montecarlo.json``."""
        found = json.loads((self.path / RESULT).read_text())
        assert isinstance(found, dict)
        return found


def _table(path: Path) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise FormatError(f"{path}: expected Parquet, found {error}") from None


def is_run(path: Path) -> bool:
    """Whether a folder holds a run, and no study."""
    return (path / MANIFEST).is_file() and not (path / PLAN).exists()


def refuse_study(path: Path) -> None:
    """Refuse the folder of a study, where a run's is expected.

    Raises
    ------
    ConfigError
        If it is one.
    """
    if (path / PLAN).is_file():
        raise ConfigError(
            f"{path}: expected a finished run, a configuration or market data, found the folder of "
            "a study: `tapewire run --from` makes a run of one of its trials"
        )


def settings_in(
    path: Path | None, given: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> MonteCarloSettings:
    """Return the settings of a configuration file, with what is given in place of them.

    Files that it names are taken from its folder.

    Parameters
    ----------
    labels
        How what is given was typed.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    found, places = read_part(path, MONTECARLO)
    typed: dict[KeyPath, str] = {
        (MONTECARLO, name): label for name, label in (labels or {}).items()
    }
    places = replace(places, typed=typed)
    for name in ("like", "calibration"):
        if path is not None and isinstance(found.get(name), str):
            found[name] = str((path.parent / Path(found[name]).expanduser()).absolute())
    return checked_part(MonteCarloSettings, MONTECARLO, {**found, **given}, places)


def montecarlo(
    config: AnyConfig = None,
    *,
    output: AnyPath,
    perturb: Mapping[str, Any] | None = None,
    draws: int | None = None,
    markets: int | None = None,
    like: AnyPath | None = None,
    symbol: str | None = None,
    calibration: AnyPath | None = None,
    market_hours: float | None = None,
    market_records: int | None = None,
    resamples: int | None = None,
    bootstrap: str | None = None,
    block_length: float | None = None,
    block: str | int | None = None,
    seed: int | None = None,
    files: AnyPath | Iterable[AnyPath] | None = None,
    strategies: AnyStrategy | Iterable[AnyStrategy] | None = None,
    symbols: str | Iterable[str] | None = None,
    start: Time | None = None,
    end: Time | None = None,
    overrides: Mapping[str, Any] | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    force: bool = False,
    resume: bool = False,
    keep_runs: bool = False,
    keep_markets: bool = False,
    hooks: StudyHooks | None = None,
) -> MonteCarlo:
    """Say how far the result of a run spreads: its trades and days drawn again, other runs.

    Parameters
    ----------
    config
        A finished run's folder, whose trades and days are drawn again; or a configuration, as
        `tapewire.run` takes it. A ``montecarlo`` in it says what the arguments below do not.
    output
        The study's folder.
    perturb
        What perturbed runs draw: ``{"latency": {"lognormal": 0.25}, "seed": True}``.
    draws
        How many perturbed runs; 100 by default.
    markets, like, symbol, calibration, market_hours, market_records
        How many synthetic markets, like what file or model, and how long each.
    resamples, bootstrap, block_length
        How often trades and days are drawn again, and how: ``stationary`` or ``circular``.
    block
        Blocks of P&L: ``day``, or so many minutes.
    seed
        Of all draws.
    files, strategies, symbols, start, end, overrides, workers, executor, force, resume, \
    keep_runs, hooks
        As `tapewire.sweep` takes them; of a finished run ``strategies`` is the name of one.
    keep_markets
        Leave the synthetic markets in the study's folder.

    Returns
    -------
    MonteCarlo
        A band for each figure of each method.

    Raises
    ------
    TapewireError
        See `tapewire.errors`.
    """
    asked = {
        "perturb": None if perturb is None else dict(perturb), "draws": draws, "markets": markets,
        "like": None if like is None else os.fspath(like), "symbol": symbol,
        "calibration": None if calibration is None else os.fspath(calibration),
        "market_hours": market_hours, "market_records": market_records, "resamples": resamples,
        "bootstrap": bootstrap, "block_length": block_length, "block": block, "seed": seed,
    }  # fmt: skip
    given = {name: value for name, value in asked.items() if value is not None}
    means = Means(output, executor, workers, force, resume, keep_runs, hooks or StudyHooks())
    if isinstance(config, (str, os.PathLike)) and is_run(Path(config)):
        if any(one is not None for one in (files, symbols, start, end, overrides)):
            raise ConfigError(
                f"{config}: expected no files, symbols, times or overrides with a finished run"
            )
        name = strategies if isinstance(strategies, str) else None
        of = of_run(RunResult.load(config), name, settings_in(None, given))
        return MonteCarlo(spread(of, means))
    if isinstance(config, (str, os.PathLike)):
        refuse_study(Path(config))
    request = request_of(
        config, Problems(Places("tapewire.montecarlo")), files=files, strategies=strategies,
        overrides=overrides, options={"symbols": symbols, "start": start, "end": end},
    )  # fmt: skip
    require_names(request)
    path = request.config if isinstance(request.config, Path) else None
    if isinstance(request.config, Mapping):
        given = {**(request.config.get(MONTECARLO) or {}), **given}
    settings = settings_in(path, given)
    of = of_config(request.checked(str), settings, Path(output), resume=resume)
    return MonteCarlo(spread(of, means, keep_markets=keep_markets))
