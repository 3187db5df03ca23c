"""Which files a user's own code consists of, and their hashes.

The code is a file and what it imports from beside it. Which that is can be read off the import
statements, without running anything: what comes of the code can be kept under a name that changes
when any of these files does.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

#: Folder of Tapewire's own rooms.
ROOMS: Final = Path(__file__).resolve().parent.parent
_ROOM_NAMES: Final = frozenset(init.parent.name for init in ROOMS.glob("*/__init__.py"))
_keys: Final[dict[str, str]] = {}  # by a file that was loaded: of all that it was loaded with


def is_tapewire(path: Path) -> bool:
    """Whether a file is one of Tapewire's own."""
    try:
        return path.relative_to(ROOMS).parts[0] in _ROOM_NAMES
    except ValueError:
        return False


def roots_of(path: Path) -> tuple[Path, ...]:
    """Return the folders that a file's own imports start from: its own, and its package's.

    The second is the first folder above that is no package.
    """
    folder = root = path.parent
    while (root / "__init__.py").is_file() and root != root.parent:
        root = root.parent
    return (folder,) if root == folder else (folder, root)


def owner_of(name: str, roots: Iterable[Path]) -> Path | None:
    """Return the folder that a top-level name is imported from, None: it is nobody's own.

    The standard library and Tapewire are what they are, whatever lies beside a file.
    """
    if name in sys.stdlib_module_names or name == "tapewire":
        return None
    for root in roots:
        if (root / f"{name}.py").is_file() or (root / name / "__init__.py").is_file():
            return root
    return None


def own_sources(path: Path) -> dict[Path, str]:
    """Return a file and the files of its own that it imports, with the sha256 of each.

    Files that can't be parsed count as they are; importing them says what is wrong. What can't be
    read, or is gone, does not count.
    """
    roots = roots_of(path)
    found: dict[Path, str] = {}
    todo = [path]
    while todo:
        file = todo.pop()
        if file in found:
            continue
        try:
            source = file.read_bytes()
        except OSError:
            continue
        found[file] = hashlib.sha256(source).hexdigest()
        todo += _imported(file, source, roots)
    return {path: found.pop(path), **dict(sorted(found.items()))} if path in found else {}


def digest_of(sources: Mapping[Path, str]) -> str:
    """Return a name for files with their contents, 16 hexadecimal digits."""
    text = "|".join(f"{path}|{content}" for path, content in sorted(sources.items()))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def note_loaded(sources: Mapping[Path, str]) -> None:
    """Keep in mind that these files are being loaded together, with the contents they have now."""
    key = digest_of(sources)
    for path in sources:
        _keys[str(path)] = key


def key_of(path: Path) -> str:
    """Return a name for a file and its own sources, as it was loaded, else as they are."""
    return _keys.get(str(path)) or digest_of(own_sources(path))


def _imported(path: Path, source: bytes, roots: tuple[Path, ...]) -> Iterator[Path]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _absolute(alias.name.split("."), roots)
        elif isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            for alias in node.names:
                if node.level:
                    yield from _files(path.parents[node.level - 1], [*parts, alias.name])
                else:
                    yield from _absolute([*parts, alias.name], roots)


def _absolute(parts: list[str], roots: tuple[Path, ...]) -> Iterator[Path]:
    root = owner_of(parts[0], roots)
    if root is not None:
        yield from _files(root, parts)


def _files(folder: Path, parts: list[str]) -> Iterator[Path]:
    """Files that importing a dotted name from a folder runs; its last part may be no module."""
    for part in parts:
        for file in (folder / "__init__.py", folder / f"{part}.py"):
            if file.is_file():
                yield file
        folder = folder / part
    if (folder / "__init__.py").is_file():
        yield folder / "__init__.py"
