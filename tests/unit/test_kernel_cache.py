"""The kernel cache: never a stale kernel, never another's pickle, and one process compiles."""

import functools
import os
import re
import runpy
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rooms import copy_of_tree, groups, imports, names
from tapewire.compiled import kernel_cache
from tapewire.compiled.kernel_cache import machine_key, room_keys
from tapewire.compiled.private_folders import NotPrivateError, private_folder
from tapewire.processes import replay_process
from tapewire.replay.merge import KERNELS

TIMEOUT_S = 100


def rooms(repo: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.chdir(repo)
    monkeypatch.setattr("setuptools.setup", lambda **_: None)
    return tuple(runpy.run_path(str(repo / "setup.py"))["ROOMS"])


def reached(room: str) -> set[str]:
    """The room and all that it imports from, directly or not, as the syntax trees have it."""
    found, ahead = set(), {room}
    while ahead:
        found |= ahead
        ahead = {parts[0] for name in ahead for _, _, parts in imports_of(name)} - found
    return found


@functools.cache
def imports_of(room: str) -> list[tuple[Path, int, list[str]]]:
    return list(imports(room)) if room in names() else []


def run_python(code: str, cache: Path, *paths: Path, check: bool = True) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code)],
        env={
            **os.environ,
            "TAPEWIRE_CACHE_DIR": str(cache),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout if check else done.stderr


IS_LIVE = """
    import numba, numpy as np
    from tapewire.execution import codes, layout
    from tapewire.execution.orders import is_live
    orders = np.zeros(2, layout.OWN_ORDER)
    orders["status"] = 2, 22
    live = map(numba.njit(lambda order: is_live(order)), orders)
    print(codes.__file__, int(codes.OrderStatus.NEW), *live)
"""


def test_a_changed_constant_of_another_file_is_compiled_in(tmp_path: Path) -> None:
    root = copy_of_tree(tmp_path / "copy")
    codes = root / "execution" / "codes.py"
    before = run_python(IS_LIVE, tmp_path / "cache", root.parent)
    assert before == f"{codes} 2 True False\n"
    assert "    NEW = 2\n" in codes.read_text()
    codes.write_text(codes.read_text().replace("    NEW = 2\n", "    NEW = 22\n"))
    after = run_python(IS_LIVE, tmp_path / "cache", root.parent)
    assert after == f"{codes} 22 False True\n"


def test_every_source_file_of_every_room_counts(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy_of_tree(tmp_path)
    sources = [p for room in rooms(repo, monkeypatch) for p in (root / room).rglob("*.py")]
    names = {p.name for p in sources}
    assert {"layout.py", "codes.py", "memory.py", "callbacks.py", "records.py"} <= names
    all_rooms = rooms(repo, monkeypatch)
    for group in groups():  # in a checkout the facade is elsewhere
        shutil.rmtree(root / group)
    before = room_keys(root)
    assert room_keys(root) == before  # the same tree, the same names
    seen = {before[""]}
    for room in all_rooms:
        path = root / room / "__init__.py"
        path.write_bytes(path.read_bytes() + b"#\n")
        after = room_keys(root)
        changed = {name for name in all_rooms if after[name] != before[name]}
        assert changed == {name for name in all_rooms if room in reached(name)}
        seen.add(after[""])
        before = after
    assert len(seen) == len(all_rooms) + 1
    for room in all_rooms:  # each by itself, in which a change of any file is as good
        alone = tmp_path / "alone" / room
        alone.mkdir(parents=True)
        (root / room).rename(alone / room)
        files = list((alone / room).rglob("*.py"))
        keys = {room_keys(alone)[room]}
        for path in files:
            path.write_bytes(path.read_bytes() + b"#\n")
            keys.add(room_keys(alone)[room])
        assert len(keys) == len(files) + 1


def test_another_checkout_has_kernels_of_its_own(tmp_path: Path) -> None:
    """Else it would be told that they are compiled, and numba would compile each of them again."""
    roots = [copy_of_tree(tmp_path / name) for name in ("one", "other")]
    assert len({machine_key(root) for root in roots}) == 2


def test_versions_and_the_processor_count(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {machine_key(repo)}
    for module, name in (
        (kernel_cache.numba, "__version__"),
        (kernel_cache.llvmlite, "__version__"),
        (kernel_cache.np, "__version__"),
        (kernel_cache.sys, "version"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, "0.0.0")
            keys.add(machine_key(repo))
    with monkeypatch.context() as patch:
        patch.setattr(kernel_cache.llvm, "get_host_cpu_name", lambda: "another")
        keys.add(machine_key(repo))
    assert len(keys) == 6


def test_nothing_is_kept_beside_the_folders_that_sources_name() -> None:
    """numba's own would hold what was compiled from an older constant of another file."""
    folders = [path.name for path in kernel_cache.CACHE_DIR.iterdir() if path.is_dir()]
    assert f"router-{kernel_cache._KEYS['router']}" in folders  # compiled before the first test
    assert [name for name in folders if not re.fullmatch(r"\w+-[0-9a-f]{16}", name)] == []


# --- folders ------------------------------------------------------------------------------------


def test_a_missing_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = private_folder(tmp_path / "a" / "b")
    finally:
        os.umask(old)
    assert made == tmp_path / "a" / "b"
    assert [path.stat().st_mode & 0o777 for path in (made, made.parent)] == [0o700, 0o700]
    assert private_folder(made) == made


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(NotPrivateError, match=f"{folder} to be writable by its owner alone"):
        private_folder(folder)


def test_folders_above_may_be_open_only_with_the_sticky_bit(tmp_path: Path) -> None:
    above = tmp_path / "open"
    (above / "mine").mkdir(parents=True, mode=0o700)
    above.chmod(0o1777)
    assert private_folder(above / "mine") == above / "mine"
    above.chmod(0o777)
    with pytest.raises(NotPrivateError, match=f"expected {above} to be writable by its owner"):
        private_folder(above / "mine")


def test_anothers_folder_is_refused_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs" / "mine").mkdir(parents=True, mode=0o700)
    real_lstat = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        status = real_lstat(path)
        if path.name != "theirs":
            return status
        changed = list(status)
        changed[4] = 12_345  # st_uid
        return os.stat_result(changed)

    monkeypatch.setattr(Path, "lstat", lstat)
    for folder in (tmp_path / "theirs", tmp_path / "theirs" / "mine"):
        with pytest.raises(NotPrivateError, match="found user 12345"):
            private_folder(folder)


def test_a_link_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(NotPrivateError, match=str(tmp_path / "open")):
        private_folder(tmp_path / "link" / "inner")
    assert not (tmp_path / "open" / "inner").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=str(tmp_path / "file")):
        private_folder(tmp_path / "file")


POISONED = """
    from tapewire.compiled.jit import CACHE_DIR
    import stat
    print(CACHE_DIR, oct(CACHE_DIR.stat().st_mode & 0o777))
"""


def test_kernels_are_not_loaded_from_a_folder_others_can_write_to(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    said = run_python(POISONED, cache, check=False)
    assert said.count("\n") == 1
    assert said.startswith(f"warning: the kernel cache {cache}/tapewire/kernels-")
    assert "was not used: expected" in said
    assert "TAPEWIRE_CACHE_DIR" in said
    used, mode = run_python(POISONED, cache).split()
    assert not Path(used).is_relative_to(cache)
    assert mode == "0o700"
    assert not Path(used).exists()  # it went with its process
    assert list(cache.iterdir()) == []
    cache.chmod(0o755)
    assert run_python(POISONED, cache, check=False) == ""
    assert Path(run_python(POISONED, cache).split()[0]).parent == cache / "tapewire"


# --- several processes --------------------------------------------------------------------------

TOY = """
    from tapewire.compiled.jit import jit_entry
    @jit_entry
    def answer():
        return 42
"""
COMPILE_TOY = """
    import sys, time
    import toy
    from tapewire.compiled.kernel_cache import compile_once
    def work():
        toy.answer()
        compiled = sum(toy.answer.stats.cache_misses.values())
        print("compiled" if compiled else "loaded")
        time.sleep(2 * compiled)
    compile_once(work, ("toy",), lambda text: print(text, file=sys.stderr))
"""


def test_of_six_cold_processes_one_compiles_and_the_others_wait_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(textwrap.dedent(TOY))
    env = {
        **os.environ,
        "TAPEWIRE_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(tmp_path),
    }
    command = [sys.executable, "-c", textwrap.dedent(COMPILE_TOY)]
    processes = [
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    said = [process.communicate(timeout=TIMEOUT_S) for process in processes]
    assert [process.returncode for process in processes] == [0] * 6
    assert sorted(out for out, _ in said) == ["compiled\n", *["loaded\n"] * 5]
    for out, err in said:
        waits = err == "another process compiles the kernels, waiting for it …\n"
        assert err == "" if out == "compiled\n" else waits or err == ""
    assert sum("waiting" in err for _, err in said) >= 1


def test_a_process_that_hangs_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_cache, "CACHE_DIR", tmp_path)
    monkeypatch.setattr(kernel_cache, "_SAY_AFTER_S", 0.0)
    done: list[str] = []
    with kernel_cache._alone(tmp_path / "toy.lock", done.append, 0.0):
        kernel_cache.compile_once(lambda: done.append("work"), ("toy",), done.append, timeout_s=0.2)
    assert done == ["another process compiles the kernels, waiting for it …", "work"]
    assert kernel_cache.is_compiled("toy")


def test_a_replay_that_starts_has_its_time_beside_what_compiling_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(kernel_cache, "CACHE_DIR", tmp_path)
    monkeypatch.setattr(replay_process.time, "monotonic", lambda: clock[0])
    deadline = replay_process.ReadyDeadline()
    clock[0] += kernel_cache.COMPILE_TIMEOUT_S - 1.0
    assert not deadline.is_past()  # somebody compiles
    kernel_cache._mark(KERNELS).touch()
    clock[0] += replay_process.READY_TIMEOUT_S - 1.0
    assert not deadline.is_past()
    clock[0] += 2.0
    assert deadline.is_past()


def test_a_replay_whose_compiling_does_not_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(kernel_cache, "CACHE_DIR", tmp_path)
    monkeypatch.setattr(replay_process.time, "monotonic", lambda: clock[0])
    deadline = replay_process.ReadyDeadline()
    clock[0] += kernel_cache.COMPILE_TIMEOUT_S - 1.0
    assert not deadline.is_past()
    clock[0] += replay_process.READY_TIMEOUT_S + 2.0
    assert deadline.is_past()
    assert replay_process.START_TIMEOUT_S > 2 * kernel_cache.COMPILE_TIMEOUT_S
