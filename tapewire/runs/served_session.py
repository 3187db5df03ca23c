"""A session that a server's client has asked for: over a live feed, or over files at their pace."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.config.edits import value_at
from tapewire.config.live import LIVE, LiveSettings
from tapewire.config.parts import checked_part
from tapewire.config.problems import Places
from tapewire.errors import ConfigError
from tapewire.market.times import time_text
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.runs.served_config import SOURCE, ServedPlaces, Stored, read_yaml, served_config
from tapewire.runs.served_form import form_schema, without_references
from tapewire.runs.session_desk import Exchange, SessionDesk

if TYPE_CHECKING:
    from tapewire.config.schema import RunConfig
    from tapewire.config.yaml import KeyPath
    from tapewire.runs.result import RunResult

#: Whose gateways a server's clients may name, beside Databento's own: ``host:port``, by commas.
GATEWAYS_VARIABLE: Final = "TAPEWIRE_LIVE_GATEWAYS"
#: How long a session lasts at most, s: less than an attempt at a job may take.
DURATION_S: Final = 23 * 3600.0
#: Keys of a session that are for whoever has the host.
_NOT_HERE: Final = {
    "orders": "its sessions are on paper, real orders are sent by `tapewire live`",
    "alerts": "it would read the server's own environment",
}
#: What a session is of until its feed says so, as of `tapewire live`.
_RECORDED: Final = ("live.dbn",)
#: A whole configuration to begin with: it needs neither a feed nor a file.
EXAMPLE: Final = """\
backtest:
  data_source: {type: synthetic, events: 200000, seed: 1}
  instruments:
    TWA1: {tick_size: 0.25, multiplier: 50}
  execution:
    latency_model: {type: fixed, network_latency_us: 50, processing_latency_us: 10}
    fill_model: {type: mbo_queue}
    fees: {type: per_contract, per_contract: 0.85}
  risk_limits: {max_position: 20, max_order_size: 10}
  replay: {speed: realtime}
strategy:
- type: market_maker
"""


def session_schema() -> dict[str, Any]:
    """Return the JSON Schema of what a session may be asked for, without references."""
    schema = form_schema()
    live = without_references(LiveSettings)
    for name in _NOT_HERE:
        live["properties"].pop(name)
    schema["properties"][LIVE] = live
    return schema


def session_config(
    document: Any, places: ServedPlaces, stored: Stored, lines: "Mapping[KeyPath, int]"
) -> "tuple[RunConfig, LiveSettings | None]":
    """Return what a session is of, complete and checked; without a feed, one over files.

    Parameters
    ----------
    document, places, stored, lines
        As `served_config` takes them.

    Raises
    ------
    ConfigError
        With what is wrong.
    """
    given = document.get(LIVE) if isinstance(document, Mapping) else None
    if given is None:
        config = served_config(document, places, stored, lines)
        if config.backtest.replay.speed_factor is None:
            raise ConfigError(
                "backtest.replay.speed: expected realtime or {accelerated: N} in a session over "
                "files, found max"
            )
        return config, None
    if not isinstance(given, Mapping):
        raise ConfigError("live: expected a mapping, found something else")
    for name, why in _NOT_HERE.items():
        if name in given:
            raise ConfigError(f"live.{name}: expected none from a server's client: {why}")
    settings = checked_part(LiveSettings, LIVE, given, Places(SOURCE, lines))
    _require_known(settings.gateway)
    config = served_config(_without_files(document), places, stored, lines, files=_RECORDED)
    if config.backtest.replay.days == "apart":
        raise ConfigError("backtest.replay.days: expected together in a session, found apart")
    return config, settings


def _without_files(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without the files of a backtest, which a session does not read."""
    whole, backtest = dict(document), document.get("backtest")
    source = value_at(backtest, ("data_source",))
    if isinstance(backtest, Mapping) and isinstance(source, Mapping):
        kept = {key: one for key, one in source.items() if key not in ("files", "catalogue")}
        whole["backtest"] = {**backtest, "data_source": kept}
    return whole


def _require_known(gateway: str | None) -> None:
    """Refuse a gateway that the server's operator has not named.

    Raises
    ------
    ConfigError
        If it is such.
    """
    known = [one.strip() for one in os.environ.get(GATEWAYS_VARIABLE, "").split(",") if one.strip()]
    if gateway is not None and gateway not in known:
        raise ConfigError(
            f"live.gateway: expected none, or one that the server's {GATEWAYS_VARIABLE} names, "
            f"found {gateway[:100]!r}"
        )


def do_session(
    config: str, duration_s: float | None, places: ServedPlaces, stored: Stored, folder: Path,
    hear: Callable[[str, int, int | None], None], exchange: Exchange,
) -> dict[str, Any]:  # fmt: skip
    """Trade until the session is ended; return what came of it.

    Parameters
    ----------
    config
        YAML, as a client has sent it.
    duration_s
        How long at most, s; None: `DURATION_S`, or to the end of the files.
    places, stored
        See `tapewire.runs.served_config`.
    folder
        The run folder, a new one.
    hear
        Told how far it is.
    exchange
        Takes what is to be seen, and returns what is wished.

    Raises
    ------
    TapewireError
        As ``tapewire live``.
    """
    document, lines = read_yaml(config)
    checked, settings = session_config(document, places, stored, lines)
    folder.parent.mkdir(parents=True, exist_ok=True)

    def progress(told: RunProgress) -> None:
        what = f"events, {time_text(told.now_ns)}, P&L {told.pnl():,.2f}"
        hear(what, told.events, max(told.events, told.events_total))

    hooks = Hooks(announce=lambda text: hear(text, 0, None), progress=progress)
    with SessionDesk(exchange, ends_s=duration_s or DURATION_S) as desk:
        result = _run(checked, settings, folder, desk, hooks)
    manifest = result.manifest
    return {
        "run": folder.name, "digest": manifest["digest"], "events": manifest["events"],
        "elapsed_s": manifest["elapsed_s"], "warnings": [str(one) for one in manifest["warnings"]],
    }  # fmt: skip


def _run(
    config: "RunConfig", settings: LiveSettings | None, folder: Path, desk: SessionDesk,
    hooks: Hooks,
) -> "RunResult":  # fmt: skip
    if settings is None:
        from tapewire.runs.played import run_played

        return run_played(config, name=folder.name, output=folder, desk=desk, hooks=hooks)
    from tapewire.runs.live import run_live

    return run_live(config, settings, name=folder.name, output=folder, hooks=hooks, desk=desk)
