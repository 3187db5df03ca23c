"""YAML as configuration needs it: safe, exact and strict, with the place of everything.

Differences to PyYAML's defaults, all in favour of saying what is meant:

- a key given twice is an error, not the last one wins;
- decimal numbers come as ``Decimal``, exactly as written;
- ``on``, ``off``, ``yes``, ``no`` are strings (``ON`` is a ticker), ``22:00`` is no number of
  seconds, and dates stay text, so that nanoseconds survive.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import yaml

from tapewire.errors import ConfigError

#: A configuration larger than this is a mistake (a data file given as the configuration).
MAX_BYTES: Final = 1_000_000

KeyPath = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's scalars."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 (PyYAML's own protocol)


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(~|null|Null|NULL|)$"), None)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^([-+]?(\.[0-9]+|[0-9][0-9_]*\.[0-9_]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def _construct_decimal(loader: _Loader, node: yaml.ScalarNode) -> Decimal:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    text = text.replace(".inf", "inf").replace(".nan", "nan")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise yaml.constructor.ConstructorError(
            None, None, f"expected a number, found {node.value!r}", node.start_mark
        ) from None


_Loader.add_constructor("tag:yaml.org,2002:float", _construct_decimal)


def _index(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], open_ids: set[int]) -> None:
    """Note the line of every key below `node`; refuse keys given twice and loops of aliases."""
    if id(node) in open_ids:
        raise yaml.constructor.ConstructorError(
            None, None, "an alias refers to what contains it", node.start_mark
        )
    lines.setdefault(path, node.start_mark.line + 1)
    open_ids.add(id(node))
    if isinstance(node, yaml.MappingNode):
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "expected a plain key, found a collection", key_node.start_mark
                )
            if key in first_lines:
                where = ".".join(map(str, (*path, key)))
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"key {where!r} is given twice, first in line {first_lines[key]}",
                    key_node.start_mark,
                )
            first_lines[key] = line
            lines[(*path, key)] = line
            _index(value_node, (*path, key), lines, open_ids)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _index(item, (*path, i), lines, open_ids)
    open_ids.discard(id(node))


def load_yaml(text: str, source: str) -> tuple[Any, dict[KeyPath, int]]:
    """Parse one YAML document.

    Parameters
    ----------
    text
        The document.
    source
        Its name in error messages, usually the path of the file.

    Returns
    -------
    document, lines
        The plain Python value, and the line (from 1) of every key path in it.

    Raises
    ------
    ConfigError
        It is no YAML, a key is given twice, or it asks for Python objects.
    """
    lines: dict[KeyPath, int] = {}
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, lines
            _index(node, (), lines, set())
            return loader.construct_document(node), lines
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise ConfigError(f"{where}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError(f"{source}: not valid YAML: nested too deeply") from None


class _Dumper(yaml.SafeDumper):
    """Writes what `load_yaml` reads: quotes what it, or YAML 1.1, would not take for a string."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own protocol)
        first: _Loader.yaml_implicit_resolvers.get(first, [])
        + yaml.SafeDumper.yaml_implicit_resolvers.get(first, [])
        for first in {*_Loader.yaml_implicit_resolvers, *yaml.SafeDumper.yaml_implicit_resolvers}
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_decimal(dumper: yaml.SafeDumper, value: Decimal) -> yaml.ScalarNode:
    text = format(value, "f") if value.is_finite() else ".inf"
    tag = "float" if "." in text else "int"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{tag}", text)


_Dumper.add_representer(Decimal, _represent_decimal)


def dump_yaml(value: Any) -> str:
    """Write `value` so that `load_yaml` gives it back, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
