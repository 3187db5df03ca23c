"""The rooms as the folders have them, as the map has them, and what imports what."""

import ast
import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
#: Modules of the facade that every room may import; see ARCHITECTURE.md.
SHARED = {"errors", "atomic", "children"}


def names() -> list[str]:
    """Root folders that are rooms: those with an ``__init__.py``, but for the facade."""
    found = {init.parent.name for init in REPO.glob("*/__init__.py")}
    return sorted(found - {"tapewire"})


def copy_of_tree(folder: Path) -> Path:
    """Tapewire as an installation has it, in a folder: the rooms within the package."""
    ignore = shutil.ignore_patterns("__pycache__")
    root = shutil.copytree(REPO / "tapewire", folder / "tapewire", ignore=ignore)
    for room in names():
        shutil.copytree(REPO / room, root / room, ignore=ignore)
    return root


def groups() -> list[str]:
    """Folders of the facade."""
    return sorted(init.parent.name for init in REPO.glob("tapewire/*/__init__.py"))


def map_table() -> dict[str, str]:
    """Room → what it may import, in the words of ARCHITECTURE.md."""
    return {name: words for name, words in _map_rows().items() if "/" not in name}


def group_table() -> dict[str, str]:
    """Group of the facade → what of the facade it may import, in the words of ARCHITECTURE.md."""
    rows = _map_rows().items()
    return {name.removeprefix("tapewire/"): words for name, words in rows if "/" in name}


def _map_rows() -> dict[str, str]:
    rows = [line.split("|") for line in (REPO / "ARCHITECTURE.md").read_text().splitlines()]
    return {
        cells[1].strip().strip("`/"): cells[3].strip()
        for cells in rows
        if len(cells) == 5 and cells[1].strip().startswith("`") and cells[1].strip().endswith("/`")
    }


def allowed(room: str) -> set[str]:
    """Rooms that the map lets a room import."""
    return _named(map_table()[room], {*names(), "tapewire"})


def allowed_groups(group: str) -> set[str]:
    """Groups of the facade that the map lets a group import."""
    return _named(group_table()[group], set(groups()))


def _named(words: str, everybody: set[str]) -> set[str]:
    return everybody if words == "all" else everybody & set(words.replace(",", " ").split())


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file.

    Python 3.11 fails if one parse begins within another, as it does when garbage is collected in
    between and what is found there shows a traceback.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        if was_enabled:
            gc.enable()


def imports(room: str) -> Iterator[tuple[Path, int, list[str]]]:
    """(file, line, parts of the module's name) of every import of ours from outside the room."""
    yield from imports_in(room, besides=room)


def imports_in(folder: str, *, besides: str) -> Iterator[tuple[Path, int, list[str]]]:
    """(file, line, parts of the module's name) of a folder's imports of ours, but for one room."""
    for path in sorted((REPO / folder).rglob("*.py")):
        for node in ast.walk(parse(path)):
            modules: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            for module in modules:
                parts = module.split(".")
                if parts[0] == "tapewire" and len(parts) > 1 and parts[1] != besides:
                    yield path.relative_to(REPO), node.lineno, parts[1:]
