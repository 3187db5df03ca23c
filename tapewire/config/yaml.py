"""YAML as configuration needs it: safe, exact and strict, with the place of everything.

Differences to PyYAML's defaults, all in favour of saying what is meant:

- a key given twice is an error, not the last one wins;
- decimal numbers come as ``Decimal``, exactly as written;
- ``on``, ``off``, ``yes``, ``no`` are strings (``ON`` is a ticker), ``22:00`` is no number of
  seconds, and dates stay text, so that nanoseconds survive;
- what a few lines can stand for is bounded: depth, values, and what aliases repeat.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import yaml

from tapewire.errors import ConfigError

#: A configuration larger than this is a mistake (a data file given as the configuration).
MAX_BYTES: Final = 1_000_000
#: Levels of lists and mappings, aliases followed; a configuration needs about eight.
DEPTH_MAX: Final = 32
#: Lists, mappings, keys and values; the longest list a configuration may have is 10,000 files.
NODES_MAX: Final = 50_000
#: Characters, and one for each value, that aliases may repeat.
ALIASED_CHARS_MAX: Final = 100_000
#: Characters of one whole number; the longest that any key takes has 19 digits.
INT_CHARS_MAX: Final = 80
_PROBLEM_CHARS_MAX: Final = 200

KeyPath = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's scalars."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 (PyYAML's own protocol)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._aliased_chars = 0
        #: Per finished node (by id): characters it stands for, and levels in it.
        self._extents: dict[int, tuple[int, int]] = {}

    def fetch_flow_collection_start(self, kind: Any) -> None:
        """Begin a list or mapping in brackets; the scanner looks many of them ahead."""
        if self.flow_level >= DEPTH_MAX:
            raise _refused(_TOO_DEEP, self.get_mark())
        super().fetch_flow_collection_start(kind)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Read one node with all that is in it, within the bounds."""
        is_alias = self.check_event(yaml.AliasEvent)
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _refused(_TOO_DEEP, mark)
        node = super().compose_node(parent, index)
        assert node is not None
        if is_alias:
            self._count_alias(node, mark)
        elif len(self._extents) >= NODES_MAX:
            raise _refused(f"more than {NODES_MAX:,} values", mark)
        else:
            self._extents[id(node)] = self._extent(node)
        self._depth -= 1
        return node

    def _count_alias(self, node: yaml.Node, mark: Any) -> None:
        if id(node) not in self._extents:
            raise _refused("an alias refers to what contains it", mark)
        chars, levels = self._extents[id(node)]
        self._aliased_chars += chars
        if self._aliased_chars > ALIASED_CHARS_MAX:
            raise _refused(f"its aliases repeat more than {ALIASED_CHARS_MAX:,} characters", mark)
        if self._depth + levels - 1 > DEPTH_MAX:
            raise _refused(_TOO_DEEP, mark)

    def _extent(self, node: yaml.Node) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            return 1 + len(node.value), 1
        children = node.value
        if isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        extents = [self._extents[id(child)] for child in children]
        return 1 + sum(e[0] for e in extents), 1 + max((e[1] for e in extents), default=0)


_TOO_DEEP: Final = f"nested deeper than {DEPTH_MAX} levels"


def _refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, mark)


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
        raise _refused(f"expected a number, found {node.value!r}", node.start_mark) from None


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    if len(node.value) > INT_CHARS_MAX:
        raise _refused(
            f"expected a whole number of at most {INT_CHARS_MAX} characters, "
            f"found one of {len(node.value):,}",
            node.start_mark,
        )
    return int(loader.construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:float", _construct_decimal)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


# What no configuration has, and neither JSON nor `dump_yaml` can say.
for _tag in ("binary", "timestamp", "set", "omap", "pairs"):
    del _Loader.yaml_constructors[f"tag:yaml.org,2002:{_tag}"]


def _index(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    """Note the line of every key below `node`; refuse keys given twice."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refused("expected a plain key, found a collection", key_node.start_mark)
            if key in first_lines:
                where = ".".join(map(str, (*path, key)))
                raise _refused(
                    f"key {where!r} is given twice, first in line {first_lines[key]}",
                    key_node.start_mark,
                )
            first_lines[key] = line
            lines[(*path, key)] = line
            _index(value_node, (*path, key), lines)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _index(item, (*path, i), lines)


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
        It is no YAML, a key is given twice, it asks for Python objects, or a bound is passed.
    """
    lines: dict[KeyPath, int] = {}
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, lines
            _index(node, (), lines)
            return loader.construct_document(node), lines
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        problem = str(error.problem)[:_PROBLEM_CHARS_MAX]
        raise ConfigError(f"{where}: not valid YAML: {problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        problem = str(error).splitlines()[0][:_PROBLEM_CHARS_MAX]
        raise ConfigError(f"{source}: not valid YAML: {problem}") from None


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
    if value.is_nan():
        text = ".nan"
    elif value.is_infinite():
        text = ".inf" if value > 0 else "-.inf"
    else:
        text = format(value, "f")
    tag = "float" if "." in text else "int"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{tag}", text)


_Dumper.add_representer(Decimal, _represent_decimal)


def dump_yaml(value: Any) -> str:
    """Write `value` so that `load_yaml` gives it back, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
