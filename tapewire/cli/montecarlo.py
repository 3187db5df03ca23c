"""``tapewire montecarlo``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tapewire.cli.options import whole_number
from tapewire.cli.study_options import AsJson, DataOptions, WorkOptions, in_groups
from tapewire.cli.studying import as_option, new_folder, request_of, with_means
from tapewire.cli.terminal import say
from tapewire.errors import ConfigError, MissingFileError, SimulationError

if TYPE_CHECKING:
    from tapewire.studies.monte_carlo import MonteCarlo

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire montecarlo runs/a                         a finished run's trades, drawn again\n\n"
    "tapewire montecarlo config.yaml --draws 200 --block 30 -o studies/spread\n\n"
    "tapewire montecarlo config.yaml --perturb latency=lognormal:0.4 --perturb seed "
    "--perturb fees=uniform:0.8:1.2\n\n"
    "tapewire montecarlo config.yaml --draws 0 --markets 50 --like day.mbo.dbn.zst\n\n"
    "tapewire run --from studies/spread 17              one of its trials, by itself"
)
#: Letters of a name that stands for several files, or for one by its date.
_PATTERN: Final = frozenset("*?[{")
#: Settings that are typed otherwise than they are called.
_TYPED: Final = {"symbol": "--symbol-like"}
#: Figures that the terminal shows; all are in ``bands.parquet`` and on the page.
_SHOWN: Final = ("net_pnl", "max_drawdown", "sharpe_by_block", "win_rate", "fills")


@in_groups
def montecarlo(
    *,
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="CONFIG|FILES|RUN",
            help="A YAML configuration, market data, or both, as for tapewire run; or the folder "
            "of a finished run.",
            show_default=False,
        ),
    ] = None,
    perturb: Annotated[
        list[str] | None,
        typer.Option(
            "--perturb",
            metavar="NAME[=DRAWN]",
            help="What perturbed runs draw: seed; latency, fill, fees or any number, times "
            "lognormal:SIGMA, normal:SIGMA or uniform:LEAST:MOST; jitter=0:0.5; or anything that "
            "sweep varies, from values (1,2,5 or 0.5:2). Repeat for more. Default: seed, latency, "
            "fill and fees, as far as there is a use for them.",
        ),
    ] = None,
    draws: Annotated[
        Any,
        typer.Option(
            "--draws",
            parser=whole_number,
            metavar="INTEGER",
            help="Perturbed runs (100); 0 for none.",
        ),
    ] = None,
    markets: Annotated[
        Any,
        typer.Option(
            "--markets",
            parser=whole_number,
            metavar="INTEGER",
            help="Runs over a synthetic market each (0).",
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option("--like", metavar="FILE", help="Measure this file, make markets like it."),
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option("--symbol-like", help="Which book of --like; else the most traded."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", metavar="FILE", help="A model of data calibrate."),
    ] = None,
    market_hours: Annotated[
        float | None, typer.Option("--market-hours", help="Length of a synthetic market.")
    ] = None,
    market_records: Annotated[
        Any,
        typer.Option(
            "--market-records",
            parser=whole_number,
            metavar="INTEGER",
            help="Or its records (500,000).",
        ),
    ] = None,
    resamples: Annotated[
        Any,
        typer.Option(
            "--resamples",
            parser=whole_number,
            metavar="INTEGER",
            help="How often trades and days are drawn again (2,000).",
        ),
    ] = None,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", help="stationary (default) or circular blocks."),
    ] = None,
    block_length: Annotated[
        float | None,
        typer.Option(
            "--block-length",
            help="Trades, or days, of a block; default: as Politis and White choose it.",
        ),
    ] = None,
    block: Annotated[
        str | None,
        typer.Option("--block", help="Of P&L that is drawn again: day (default), or minutes."),
    ] = None,
    seed: Annotated[
        Any,
        typer.Option("--seed", parser=whole_number, metavar="INTEGER", help="Seed of all draws."),
    ] = None,
    data: DataOptions,
    work: WorkOptions,
    keep_markets: Annotated[
        bool, typer.Option("--keep-markets", help="Leave the synthetic markets in markets/.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say how far a result spreads: its trades and days drawn again, perturbed runs, made-up days.

    A montecarlo: in the configuration says what the options do not.
    """  # fmt: skip
    from tapewire.cli.study_display import StudyDisplay
    from tapewire.runs.result import RunResult
    from tapewire.studies.monte_carlo import MonteCarlo, is_run, refuse_study, settings_in
    from tapewire.studies.spread_asked import of_config, of_run
    from tapewire.studies.spreading import spread

    asked = {
        "perturb": _perturbations(perturb), "draws": draws, "markets": markets,
        "like": None if like is None else str(like.absolute()), "symbol": symbol,
        "calibration": None if calibration is None else str(calibration.absolute()),
        "market_hours": market_hours, "market_records": market_records, "resamples": resamples,
        "bootstrap": bootstrap, "block_length": block_length,
        "block": None if block is None else whole_number(block), "seed": seed,
    }  # fmt: skip
    given = {name: value for name, value in asked.items() if value is not None}
    labels = {name: _TYPED.get(name, f"--{name.replace('_', '-')}") for name in given}
    with StudyDisplay(quiet=work.quiet) as display:
        work.check()
        if inputs and len(inputs) == 1 and is_run(inputs[0]):
            if data.symbols or data.start or data.end:
                raise ConfigError(
                    f"{inputs[0]}: expected no --symbols, --start or --end with a finished run"
                )
            name = inputs[0].resolve().name
            of = of_run(RunResult.load(inputs[0]), data.strategy, settings_in(None, given, labels))
        else:
            request = request_of(inputs, data)
            _require_there(request.files)
            for path in inputs or ():
                refuse_study(path)
            name = request.name
            place = work.output or new_folder(name)
            config_path = request.config if isinstance(request.config, Path) else None
            settings = settings_in(config_path, given, labels)
            of = of_config(request.checked(as_option), settings, place, resume=work.resume)
        found = with_means(
            lambda means: MonteCarlo(spread(of, means, keep_markets=keep_markets)),
            name, work, display,
        )  # fmt: skip
    text = json.dumps(found.to_dict() | {"path": str(found.path)}, indent=1)
    say(text if as_json else _summary(found), done=f"the study in {found.path} is complete")
    if found.manifest["failed"]:
        raise typer.Exit(SimulationError.exit_code)


def _require_there(files: Sequence[str]) -> None:
    """Refuse a name of nothing before what is wrong with the rest: it may be a mistyped run."""
    for path in files:
        if not _PATTERN.intersection(path) and not Path(path).exists():
            raise MissingFileError(
                f"{path}: expected a finished run, a configuration or market data, found nothing "
                "there"
            )


def _perturbations(typed: list[str] | None) -> dict[str, Any] | None:
    from tapewire.studies.factors import perturbation_of

    if not typed:
        return None
    found: dict[str, Any] = {}
    for text in typed:
        name, sign, drawn = text.partition("=")
        if not name.strip() or (sign and not drawn):
            raise ConfigError(
                "--perturb: expected NAME or NAME=DRAWN, like latency=lognormal:0.3, found "
                f"{text!r}"
            )
        try:
            found[name.strip()] = perturbation_of(drawn.strip()) if sign else True
        except ValueError as error:
            raise ConfigError(f"--perturb {name}: {error}") from None
    return found


def _summary(found: "MonteCarlo") -> str:
    """Return what it came to, as aligned text."""
    from tapewire.analytics.formats import percent
    from tapewire.runs.result_display import aligned
    from tapewire.studies.bands import read_bands
    from tapewire.studies.spread_page import figure_text, label_of, title_of

    rows = [("", "figure", "own", "percentile", "5 %", "median", "95 %", "below 0")]
    last = ""
    for band in read_bands(found.bands):
        if band.metric not in _SHOWN:
            continue
        facts = found.manifest["methods"][band.method]
        title = title_of(band.method, facts) if band.method != last else ""
        last = band.method
        low, middle, high = (figure_text(band.metric, v) for v in (band.q05, band.q50, band.q95))
        rows.append((
            title, label_of(band.metric), figure_text(band.metric, band.own),
            percent(band.percentile), low, middle, high, percent(band.below_zero),
        ))  # fmt: skip
    manifest = found.manifest
    lines = aligned(rows) if len(rows) > 1 else []
    lines += [""] if lines else []
    for method, facts in manifest["methods"].items():
        if "why_not" in facts:
            lines.append(f"{title_of(method, facts).lower()} not done: {facts['why_not']}")
    lines += [f"not perturbed: {why}" for why in manifest["unused"].values()]
    facts = {
        "trials": f"{manifest['trials']:,} in {manifest['elapsed_s']:.1f} s on "
        f"{manifest['workers']} worker{'s' if manifest['workers'] != 1 else ''}",
        "digest": manifest["digest"],
        "study": str(found.path),
        "report": str(found.path / "report.html"),
    }
    lines += [f"{key:<8}{text}" for key, text in facts.items()]
    if manifest["failed"]:
        lines.append(f"failed  {manifest['failed']:,} trials: see trials.parquet")
    return "\n".join(lines)
