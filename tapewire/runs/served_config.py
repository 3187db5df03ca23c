"""What a client of a server may ask to be run: a configuration that names nothing of the server's
host but files of its folders.

Everything that a configuration could otherwise have done there is refused: commands of models,
files elsewhere, ports, Python that is not in the server's own folder of strategies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.compiled.parameters import ParameterSpec
from tapewire.config.edits import value_at
from tapewire.config.finding import load_strategy
from tapewire.config.loading import make_config
from tapewire.config.models import SECTIONS
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import MODEL_KEYS
from tapewire.config.wording import describe, suggest
from tapewire.config.yaml import KeyPath, dump_yaml, load_yaml
from tapewire.errors import ConfigError
from tapewire.execution.models import REGISTRIES

if TYPE_CHECKING:
    from tapewire.config.schema import RunConfig

#: What a configuration is called in messages.
SOURCE: Final = "configuration"
#: How a strategy of the store is named.
STORED: Final = "store:"
#: Strategies that come along and need neither a process nor a file of Python objects.
BUILT_IN: Final = ("market_maker", "sma_crossover", "order_log")
#: What of a section may be asked for; all of those that are not named here.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "replay": ("speed", "days", "day_end", "batch_records"),
    "output": ("detailed_log", "explain", "markouts", "sample_interval_s"),
}
_FILE_LISTS: Final = (
    "files", "status_files", "definition_files", "statistics_files", "volume_files"
)  # fmt: skip
#: The run is one process, which a worker can end at any moment.
_ONE_PROCESS: Final[Mapping[KeyPath, str]] = {
    ("backtest", "replay", "transport"): "inproc",
    ("backtest", "output", "collector"): "inline",
}


@dataclass(frozen=True)
class ServedPlaces:
    """Where a server's files are.

    Attributes
    ----------
    data : Path or None
        Of files that runs may read; None: there are none.
    strategies : Path or None
        Of strategies in Python or JSON that may be run; None: there are none.
    declared : Path
        Where strategies of the store are written to be read.
    """

    data: Path | None
    strategies: Path | None
    declared: Path


#: Returns the rules of a strategy of the store, as JSON, by its id, name or hash.
Stored = Callable[[str], str]


def served_config(
    document: object,
    places: ServedPlaces,
    stored: Stored,
    lines: Mapping[KeyPath, int],
    *,
    files: Sequence[str] = (),
) -> "RunConfig":
    """Return the configuration that a client asks for, complete and checked.

    Parameters
    ----------
    document
        Plain values, as its YAML gives them.
    places
    stored
    lines
        Line of each key of the YAML.
    files
        In place of those of the document.

    Raises
    ------
    ConfigError
        With all that is wrong, in the command line's sentences.
    """
    problems = Problems(Places(SOURCE, lines))
    placed = _Placed(places, stored, problems).of(document)
    problems.raise_if_any()
    return make_config(
        placed, places=Places(SOURCE, lines), base=places.declared, overrides=dict(_ONE_PROCESS),
        files=files,
    )  # fmt: skip


def read_yaml(text: str) -> tuple[Any, dict[KeyPath, int]]:
    """Return plain values of a YAML, and the line of each key."""
    return load_yaml(text, SOURCE)


def yaml_of(document: Any) -> str:
    """Write plain values as YAML."""
    return dump_yaml(document)


def file_within(folder: Path | None, name: object) -> Path:
    """Return a file of a folder, by its name there.

    Raises
    ------
    ConfigError
        If there is no folder, or the name leads out of it or to no file; without a key.
    """
    if folder is None:
        raise ConfigError("expected a server with such a folder, found none")
    root, what = folder.resolve(), "expected a file in the server's folder, by its name there"
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{what}, found {describe(name)}")
    try:
        path = (root / name).resolve()
        if path.is_relative_to(root) and not Path(name).is_absolute():
            if path.is_file():
                return path
            raise ConfigError(f"{what}, found nothing there: {name[:200]!r}")
    except (OSError, ValueError):
        pass
    raise ConfigError(f"{what}, found {name[:200]!r}")


class _Placed:
    """Puts paths in place of names, and notes what may not be asked for."""

    def __init__(self, places: ServedPlaces, stored: Stored, problems: Problems) -> None:
        self._places, self._stored, self._problems = places, stored, problems

    def of(self, document: object) -> Any:
        if not isinstance(document, Mapping):
            return document
        raw = _copied(document)
        backtest = raw.get("backtest")
        if isinstance(backtest, dict):
            self._source(value_at(backtest, ("data_source",)), ("backtest", "data_source"))
            for section, keys in KEYS.items():
                self._only(value_at(backtest, (section,)), keys, ("backtest", section))
            self._file(value_at(backtest, ("account",)), "rate_file", ("backtest", "account"))
            self._models(value_at(backtest, ("execution",)), ("backtest", "execution"))
        elif backtest is not None:
            self._problems.add(("backtest",), f"expected a mapping, found {describe(backtest)}")
        entries = raw.get("strategy")
        if isinstance(entries, dict):
            self._strategy(entries, ("strategy",))
        for number, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                self._strategy(entry, ("strategy", number))
        return raw

    def _source(self, source: Any, where: KeyPath) -> None:
        if not isinstance(source, dict):
            return
        self._refuse(source, ("catalogue",), where, "files by their names")
        for key in _FILE_LISTS:
            names = source.get(key)
            if isinstance(names, list):
                source[key] = [
                    self._path(self._places.data, name, (*where, key, number))
                    for number, name in enumerate(names)
                ]

    def _models(self, execution: Any, where: KeyPath) -> None:
        for family, (section, key) in SECTIONS.items():
            choice = value_at(execution, (section,))
            kind = value_at(choice, (key,))
            if not isinstance(choice, dict):
                continue
            registry = REGISTRIES[family]
            if isinstance(kind, str) and kind not in registry:
                said = f"unknown model {kind!r}, {suggest(kind, registry)}"
                self._problems.add((*where, section, key), said)
                continue
            # A section without a type is completed by another's: it may become any model.
            for definition in [registry[kind]] if isinstance(kind, str) else registry.values():
                for name in _paths_of(definition.parameters):
                    self._file(choice, name, (*where, section))

    def _strategy(self, entry: dict[str, Any], where: KeyPath) -> None:
        self._refuse(entry, MODEL_KEYS, where, "a strategy without a process of its own")
        self._models(entry.get("execution"), (*where, "execution"))
        kind = entry.get("type")
        if not isinstance(kind, str):
            return
        try:
            entry["type"] = kind = self._kind(kind)
            # What a strategy takes is what it declares: whose it is makes no difference.
            declared = load_strategy(kind, self._places.declared).definition.parameters
        except ConfigError as error:
            self._problems.add((*where, "type"), str(error))
            return
        variants = entry.get("variants")
        for name in _paths_of(declared):
            self._files(entry.get("parameters"), name, (*where, "parameters"))
            for number, variant in enumerate(variants if isinstance(variants, list) else ()):
                self._files(variant, name, (*where, "variants", number))

    def _kind(self, kind: str) -> str:
        """Return a strategy's type: one that comes along, or a path on this host.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if kind in BUILT_IN:
            return kind
        if kind.startswith(STORED):
            return str(self._declared(kind.removeprefix(STORED)))
        place, colon, name = kind.partition(":")
        if not place.endswith((".py", ".json")):
            raise ConfigError(
                f"expected {', '.join(BUILT_IN)}, store:ID or a file of the server's folder of "
                f"strategies, found {kind[:200]!r}"
            )
        return f"{file_within(self._places.strategies, place)}{colon}{name}"

    def _declared(self, which: str) -> Path:
        """Return the file of a strategy of the store, written unless it is there."""
        import hashlib

        from tapewire.atomic import atomic_file

        rules = self._stored(which).encode()
        path = self._places.declared / f"{hashlib.sha256(rules).hexdigest()[:32]}.json"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                file.write(rules)
        return path

    def _file(self, owner: Any, key: str, where: KeyPath) -> None:
        if isinstance(owner, dict) and owner.get(key) is not None:
            owner[key] = self._path(self._places.data, owner[key], (*where, key))

    def _files(self, owner: Any, key: str, where: KeyPath) -> None:
        """Place a file, or each of a list of them, which is a grid of strategies."""
        names = owner.get(key) if isinstance(owner, dict) else None
        if not isinstance(names, list):
            self._file(owner, key, where)
            return
        owner[key] = [
            self._path(self._places.data, name, (*where, key, number))
            for number, name in enumerate(names)
        ]

    def _path(self, folder: Path | None, name: Any, where: KeyPath) -> Any:
        try:
            return str(file_within(folder, name))
        except ConfigError as error:
            self._problems.add(where, str(error))
            return name

    def _only(self, section: Any, keys: tuple[str, ...], where: KeyPath) -> None:
        for name in section if isinstance(section, dict) else ():
            if name not in keys:
                said = f"expected one of {', '.join(keys)} of a server's client, found {name!r}"
                self._problems.add((*where, name), said)

    def _refuse(self, owner: Any, keys: tuple[str, ...], where: KeyPath, instead: str) -> None:
        for name in keys:
            if isinstance(owner, dict) and name in owner:
                said = f"expected {instead} of a server's client, found {name!r}"
                self._problems.add((*where, name), said)


def _paths_of(parameters: Mapping[str, ParameterSpec]) -> list[str]:
    return [name for name, spec in parameters.items() if spec.type is Path]


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
