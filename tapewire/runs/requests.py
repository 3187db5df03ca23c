"""What a run is asked for: the command line and Python both say it with a `Request`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.config import DEFAULT_CONFIG
from tapewire.config.input_files import open_plain
from tapewire.errors import ConfigError

if TYPE_CHECKING:
    from tapewire.config.schema import RunConfig
    from tapewire.config.yaml import KeyPath

#: The keys that options set, by the option's name in Python.
OPTION_KEYS: Final[dict[str, "KeyPath"]] = {
    **{
        name: ("backtest", "data_source", name)
        for name in (
            "symbols",
            "publishers",
            "start",
            "end",
            "warmup",
            "duplicates",
            "allow_truncated",
            "flags",
        )
    },
    **{
        name: ("backtest", "replay", name)
        for name in (
            "speed",
            "transport",
            "payload",
            "batch_records",
            "cache",
            "days",
            "day_end",
            "workers",
        )
    },
    "seed": ("backtest", "seed"),
    "metrics_port": ("backtest", "output", "metrics_port"),
    "instruments": ("backtest", "instruments"),
}
#: What only the end that reads the files can do: with a replay started by hand, that one.
_OF_THE_REPLAY: Final = (
    "symbols", "publishers", "start", "end", "warmup", "duplicates", "allow_truncated", "speed",
    "batch_records", "transport", "cache",
)  # fmt: skip
FILES_KEY: Final["KeyPath"] = ("backtest", "data_source", "files")
CATALOGUE_KEY: Final["KeyPath"] = ("backtest", "data_source", "catalogue")
_CONFIG_SUFFIXES: Final = (".yaml", ".yml")
_DATA_SUFFIXES: Final = (".dbn", ".zst", ".dbz")


@dataclass(frozen=True)
class Request:
    """A configuration and what is to be different from it.

    Attributes
    ----------
    config
        A checked one, the path of one, plain values, or None: the example, or, with files or a
        stream of one's own, the example's settings without what belongs to its instrument.
    files, strategies
        As in `tapewire.config.loading.load_config`.
    options
        Values by the names of `OPTION_KEYS`; None is not given.
    overrides
        Values by key path.
    connect
        Endpoint of a replay that brings the data.
    fed
        The caller brings the data.
    catalogue
        A folder that is indexed, in place of files.
    """

    config: "RunConfig | Path | Mapping[str, Any] | None" = None
    files: Sequence[str] = ()
    strategies: Sequence[str | Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping["KeyPath", Any] = field(default_factory=dict)
    connect: str | None = None
    fed: bool = False
    catalogue: str | None = None

    @property
    def name(self) -> str:
        """What a new run folder is called after its time."""
        if isinstance(self.config, Path):
            return self.config.stem
        if self.config is not None:
            return "run"
        if self.files:
            return (
                re.sub(r"[^\w-]+", "-", Path(self.files[0]).name.split(".")[0]).strip("-") or "data"
            )
        if self.catalogue is not None:
            return re.sub(r"[^\w-]+", "-", Path(self.catalogue).name).strip("-") or "data"
        return "stream" if self.connect else "default"

    def checked(self, label: Callable[[str], str]) -> "RunConfig":
        """Return the configuration, complete and checked.

        Parameters
        ----------
        label
            How an option, ``files`` or ``strategies`` is called in messages.

        Raises
        ------
        ConfigError
            With everything that is wrong.
        """
        from tapewire.config.loading import load_config, make_config
        from tapewire.config.problems import Places
        from tapewire.config.schema import RunConfig

        if self.connect is not None and self.files:
            raise ConfigError(
                f"{label('connect')}: expected no data files with it; the replay has them"
            )
        given = {name: value for name, value in self.options.items() if value is not None}
        self._require_applied(given, label)
        typed = {OPTION_KEYS[name]: label(name) for name in given}
        if self.files:
            typed[FILES_KEY] = label("files")
        if self.catalogue is not None:
            typed[CATALOGUE_KEY] = label("catalogue")
        if self.strategies:
            typed["strategy",] = label("strategies")
        changes: dict[KeyPath, Any] = {}
        is_own = self.files or self.catalogue is not None or self.connect or self.fed
        if self.config is None and is_own:
            changes |= {
                ("backtest", "instruments"): {},
                ("backtest", "risk_limits"): {},
                ("backtest", "execution", "fees"): {},
            }
        changes |= {OPTION_KEYS[name]: value for name, value in given.items()}
        changes |= self.overrides
        if isinstance(self.config, (Path, type(None))):
            default = self.config is None
            return load_config(
                self.config or DEFAULT_CONFIG,
                changes,
                files=self.files,
                catalogue=self.catalogue,
                strategies=self.strategies,
                base=Path.cwd() if default else None,
                source="the default configuration" if default else None,
                typed=typed,
            )
        document: object = self.config
        if isinstance(self.config, RunConfig):
            document = self.config.model_dump(mode="python", exclude_none=True)
        config = make_config(
            document,
            places=Places(typed=typed),
            overrides=changes,
            files=self.files,
            catalogue=self.catalogue,
            strategies=self.strategies,
        )
        if isinstance(self.config, RunConfig) and not self.files:
            config.add_notes(self.config.notes)
        return config

    def _require_applied(self, given: Mapping[str, Any], label: Callable[[str], str]) -> None:
        """Refuse with a replay started by hand what only that replay can do.

        Raises
        ------
        ConfigError
            If such is asked for; what a configuration's file says is a warning of the run.
        """
        keys = {OPTION_KEYS[name]: name for name in _OF_THE_REPLAY}
        asked = [label(name) for name in _OF_THE_REPLAY if name in given]
        asked += [".".join(map(str, path)) for path in self.overrides if path in keys]
        if self.connect is not None and asked:
            raise ConfigError(
                f"{label('connect')}: expected without {', '.join(asked)}: the replay reads the "
                "files, give it there (tapewire replay --help)"
            )


def split_inputs(inputs: Sequence[Path]) -> tuple[Path | None, list[Path]]:
    """Tell a configuration from data files: by suffix, else by the first bytes.

    Raises
    ------
    ConfigError
        For more than one configuration, and for what is no plain file.
    """
    configs = [path for path in inputs if _is_config(path)]
    if len(configs) > 1:
        raise ConfigError(
            f"expected one configuration, found {len(configs)}: {', '.join(map(str, configs))}"
        )
    return (configs[0] if configs else None), [path for path in inputs if path not in configs]


def _is_config(path: Path) -> bool:
    if path.suffix in _CONFIG_SUFFIXES:
        return True
    if path.suffix in _DATA_SUFFIXES:
        return False
    try:
        with open_plain(path, "a configuration or a market data file") as file:
            start = file.read(4)
    except (OSError, ValueError):
        return False
    return not start.startswith((b"DBN", b"\x28\xb5\x2f\xfd"))


def split_names(text: str) -> list[str]:
    """``ESH4, ESM4`` → two names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def flags_value(text: str | None) -> Any:
    """``mark`` or ``maybe_bad_book=mark,clear=stop`` → the configuration's value."""
    if text is None or "=" not in text:
        return text
    return dict(part.partition("=")[::2] for part in split_names(text))


def speed_value(speed: object) -> Any:
    """``max``, ``realtime`` or a factor like ``10`` or ``10x`` → the configuration's value.

    Other text stays as it is: the configuration refuses it, with all else that is wrong.
    """
    if speed in ("max", "realtime") or isinstance(speed, (bool, Mapping, type(None))):
        return speed
    if isinstance(speed, (int, float, Decimal)):
        return {"accelerated": speed}
    if not isinstance(speed, str):
        return speed
    try:
        return {"accelerated": Decimal(speed.removesuffix("x"))}
    except InvalidOperation:
        return speed
