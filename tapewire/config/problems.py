"""What is wrong with a configuration: all of it at once, each named as its user wrote it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ValidationError

from tapewire.config.wording import close_name, dotted, key_path, message_of, owner_of, suggest
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError

#: So many problems are listed; the others are counted.
LISTED_MAX: Final = 40
#: Where what was typed comes among the lines of the file: after them.
_TYPED: Final = 1 << 62


@dataclass(frozen=True)
class Places:
    """Where the values of a configuration come from.

    Attributes
    ----------
    source
        What is called so in messages, usually the path of a file.
    lines
        Line of each key path in that file.
    typed
        What was typed instead, by key path: ``--seed`` on the command line, ``seed`` in Python.
    """

    source: str = "configuration"
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    typed: Mapping[KeyPath, str] = field(default_factory=dict)


class Problems:
    """Collects problems by key path; the first at a path is the one that is told.

    Attributes
    ----------
    source, typed
        As in `Places`; what was typed may grow.
    renamed
        Prefixes of key paths that the file spells otherwise than the model.
    """

    def __init__(self, places: Places | None = None) -> None:
        places = places or Places()
        self.source = places.source
        self._lines = places.lines
        self._found: dict[KeyPath, str] = {}
        self.typed = dict(places.typed)
        self.renamed: dict[KeyPath, KeyPath] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: KeyPath, message: str) -> None:
        """Note what is wrong at a key path."""
        self._found.setdefault(path, message)

    def add_typed(self, path: KeyPath, label: str, message: str) -> None:
        """Note what is wrong with something typed that has no place in the configuration."""
        self.typed[path] = label
        self.add(path, message)

    def add_validation(
        self,
        error: ValidationError,
        model: type[BaseModel],
        union_models: Mapping[str, type[BaseModel]],
    ) -> None:
        """Note what pydantic found wrong with `model`; `union_models`: its union by tag."""
        items = [
            (item, key_path(item, union_models), owner_of(item, model, union_models))
            for item in error.errors(include_url=False)
        ]
        meant = {
            (*path[:-1], close_name(str(path[-1]), owner.model_fields))
            for item, path, owner in items
            if item["type"] == "extra_forbidden" and owner is not None
        }
        for item, path, owner in items:
            if item["type"] == "missing" and path in meant:
                continue  # it is there, misspelt
            if item["type"] == "extra_forbidden":
                tag = next((p for p in item["loc"] if p in union_models), None)
                of_union = tag is not None and path[-2] == "data_source"
                kind = f" of type {tag}" if of_union else ""
                known = owner.model_fields if owner else ()
                self.add(path, self.unknown_key(path, known, kind))
            else:
                self.add(path, message_of(item, path, owner))

    def unknown_key(self, path: KeyPath, known: Iterable[str], kind: str = "") -> str:
        """Say that a key is not one of those known at its place; ``kind`` completes its name."""
        hint = suggest(str(path[-1]), known)
        if self._typed_at(path) is not None:
            return f"{dotted(path[:-1])}{kind} has no {path[-1]!r}, {hint}"
        return f"unknown key, {hint}"

    def raise_if_any(self) -> None:
        """Raise what was found, in the order of the file, then of what was typed.

        Raises
        ------
        ConfigError
            One sentence for one problem; else a line that counts them and a line each, which
            are its ``problems``, too.
        """
        if not self._found:
            return
        sentences = sorted(self._sentence(path, text) for path, text in self._found.items())
        if len(sentences) == 1:
            raise ConfigError(sentences[0][1])
        listed = [text for _, text in sentences[:LISTED_MAX]]
        if len(sentences) > LISTED_MAX:
            listed.append(f"and {len(sentences) - LISTED_MAX} more")
        in_file = sentences[0][0] < _TYPED
        title = (
            f"{self.source}: {len(sentences)} problems" if in_file else f"{len(sentences)} problems"
        )
        error = ConfigError("\n  ".join([f"{title}:", *listed]))
        error.problems = tuple(listed)
        raise error

    def _sentence(self, path: KeyPath, message: str) -> tuple[int, str]:
        typed = self._typed_at(path)
        if typed is not None:
            return _TYPED, f"{typed}: {message}"
        path = self._as_in_file(path)
        line = next((self._lines[p] for p in _prefixes(path) if p in self._lines), None)
        where = self.source if line is None else f"{self.source}:{line}"
        return line or 0, f"{where}: {dotted(path)}: {message}"

    def _typed_at(self, path: KeyPath) -> str | None:
        """Return how the value at a path was typed, None if it is the file's."""
        for prefix in _prefixes(path):
            if prefix in self.typed:
                label, rest = self.typed[prefix], dotted(path[len(prefix) :], top="")
                if label.startswith("-"):  # an option has no parts
                    return label
                return f"{label}.{rest}" if rest and rest[0] != "[" else label + rest
        if self._as_in_file(path) in self._lines:
            return None
        # A key on the way to a value that was typed.
        return next((text for p, text in self.typed.items() if p[: len(path)] == path), None)

    def _as_in_file(self, path: KeyPath) -> KeyPath:
        for prefix, written in self.renamed.items():
            if path[: len(prefix)] == prefix:
                return written + path[len(prefix) :]
        return path


def _prefixes(path: KeyPath) -> list[KeyPath]:
    return [path[:end] for end in range(len(path), 0, -1)]
