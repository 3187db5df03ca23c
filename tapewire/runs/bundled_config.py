"""A bundle's configuration: what it runs, and what it is here, where files are elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tapewire.config.edits import value_at
from tapewire.config.external import in_json
from tapewire.config.loading import load_config
from tapewire.config.schema import MODEL_KEYS, RunConfig
from tapewire.config.user_objects import split_kind
from tapewire.config.yaml import dump_yaml, load_yaml
from tapewire.errors import FormatError
from tapewire.runs.bundles import Bundle
from tapewire.strategies import STRATEGIES

#: Keys of ``output`` for files and ports besides the run folder: nobody wants them written again.
_WRITTEN: Final = ("directory", "metrics_file", "trades_file", "metrics_port")


def raw_config(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle's configuration as it is written, without what it writes elsewhere.

    Raises
    ------
    FormatError
        If it is none.
    """
    path = bundle.run / "config.yaml"
    raw, _ = load_yaml(path.read_text(encoding="utf-8", errors="replace"), str(path))
    strategies = raw.get("strategy") if isinstance(raw, dict) else None
    if not isinstance(strategies, list) or not all(isinstance(one, dict) for one in strategies):
        raise FormatError(f"{path.name} of the bundle: expected strategies in it, found none")
    assert isinstance(raw, dict)
    return raw


def foreign_code(raw: Mapping[str, Any]) -> list[str]:
    """Name strategies that did not come along with Tapewire, or have a process of their own."""
    return [
        str(one.get("type"))
        for one in raw["strategy"]
        if one.get("type") not in STRATEGIES
        or STRATEGIES[one["type"]].is_external
        or any(key in one for key in (*MODEL_KEYS, "class"))
    ]


def written_difference(manifest: Mapping[str, Any], raw: Mapping[str, Any]) -> str:
    """Say where a configuration as it is written is not what the manifest says of it."""
    return _difference(manifest["config"], raw)


def config_here(
    raw: Mapping[str, Any],
    bundle: Bundle,
    manifest: Mapping[str, Any],
    moved: Mapping[str, Path],
    data: Path | None,
) -> tuple[RunConfig, str]:
    """Return the configuration with files where they are here, and where it reads otherwise here.

    Another version may give a key that is not written another default, or another meaning.

    Raises
    ------
    ConfigError
        If it can't be used here.
    """
    kinds = {
        one["type"]: f"{bundle.code[one['file']]}:{split_kind(one['type'])[1]}".rstrip(":")
        for one in manifest["strategy_sources"]
        if one["file"] in bundle.code
    }

    def here(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: here(item) for key, item in value.items()}
        if isinstance(value, list):
            return [here(item) for item in value]
        if not isinstance(value, str):
            return value
        if value in moved:
            return str(moved[value])
        return kinds.get(value) or _in_folder(value, moved, data)

    changed = here(raw)
    output = value_at(changed, ("backtest", "output"))
    if isinstance(output, dict):
        for key in _WRITTEN:
            output.pop(key, None)
    path = bundle.run / "here.yaml"
    path.write_text(dump_yaml(changed), encoding="utf-8")
    config = load_config(path)
    return config, _difference(changed, config.to_dict())


def _in_folder(value: str, moved: Mapping[str, Path], data: Path | None) -> str:
    """Return a folder or a pattern of files that moved as it is called in their new folder."""
    if data is None or not value.startswith("/"):
        return value
    path = Path(value)
    folders = {Path(file).parent for file in moved}
    if path in folders:
        return str(data)
    if path.parent in folders and any(char in path.name for char in "*?[{"):
        return str(data / path.name)
    return value


def _difference(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    before, after = (_flat(in_json(dict(one))) for one in (was, now))
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            there, here = before.get(key, "nothing"), after.get(key, "nothing")
            return f"{key}: expected {there!r}, as the run had it, found {here!r}"
    return ""


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = [(f"{key}.{name}" if key else str(name), item) for name, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{key}[{k}]", item) for k, item in enumerate(value)]
    else:
        return {key: value}
    return {path: found for name, item in items for path, found in _flat(item, name).items()}
