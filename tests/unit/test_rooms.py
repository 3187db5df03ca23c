"""The folders are the map, and the arrows between rooms point one way."""

import ast

import pytest

import rooms


def test_the_map_has_a_line_for_every_room() -> None:
    assert set(rooms.map_table()) == {*rooms.names(), "tapewire"}


@pytest.mark.parametrize("room", rooms.names())
def test_a_room_imports_what_the_map_lets_it(room: str) -> None:
    known = {*rooms.names(), "tapewire"}
    wrong = [
        f"{path}:{line} imports {target}"
        for path, line, (target, *_) in rooms.imports(room)
        if target not in rooms.allowed(room) | rooms.SHARED
        and (target in known or "tapewire" not in rooms.allowed(room))
    ]
    assert wrong == []


def test_no_two_rooms_of_the_map_may_import_each_other() -> None:
    order = [room for room in rooms.map_table() if rooms.map_table()[room] != "all"]
    for room in order:
        assert not rooms.allowed(room) & set(order[order.index(room) + 1 :]), room


@pytest.mark.parametrize("room", [*rooms.names(), "tapewire"])
def test_what_a_room_offers_others_has_no_underscore(room: str) -> None:
    wrong = [
        f"{path}:{line} imports {'.'.join(parts)}"
        for path, line, parts in rooms.imports(room)
        if parts[0] in rooms.names() and any(part.startswith("_") for part in parts[1:])
    ]
    assert wrong == []


def test_every_kernel_says_what_it_does() -> None:
    silent = [
        f"{path.relative_to(rooms.REPO)}:{node.lineno} {node.name}"
        for room in rooms.names()
        for path in sorted((rooms.REPO / room).rglob("*.py"))
        for node in rooms.parse(path).body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(d, ast.Name) and d.id.startswith("jit") for d in node.decorator_list)
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_the_map_has_a_line_for_every_group_of_the_facade() -> None:
    assert list(rooms.group_table()) == ["config", "processes", "inputs", "runs", "factory", "cli"]
    assert sorted(rooms.group_table()) == rooms.groups()


@pytest.mark.parametrize("group", rooms.groups())
def test_a_group_of_the_facade_imports_what_the_map_lets_it(group: str) -> None:
    wrong = [
        f"{path}:{line} imports {target}"
        for path, line, (target, *_) in rooms.imports_in(f"tapewire/{group}", besides=group)
        if target in rooms.groups() and target not in rooms.allowed_groups(group)
    ]
    assert wrong == []
    above = list(rooms.group_table())[: list(rooms.group_table()).index(group) + 1]
    assert rooms.allowed_groups(group) <= {*above, group}


def test_no_two_public_classes_share_a_name() -> None:
    found: dict[str, list[str]] = {}
    for room in (*rooms.names(), "tapewire"):
        for path in sorted((rooms.REPO / room).rglob("*.py")):
            for node in rooms.parse(path).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found.setdefault(node.name, []).append(str(path.relative_to(rooms.REPO)))
    assert {name: where for name, where in found.items() if len(where) > 1} == {}
