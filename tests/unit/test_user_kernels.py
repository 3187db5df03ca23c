"""A user's compiled hooks: never a stale kernel, ours left alone, and what is wrong in one line."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import tapewire as tw
from tapewire.compiled import user_kernels
from tapewire.compiled.callbacks import address_of_hook
from tapewire.compiled.kernel_cache import folder_of
from tapewire.compiled.user_kernels import KernelFault, UserKernel
from tapewire.execution.models import Model, ModelDefinition, Models
from tapewire.execution.models.record import MODELS
from tapewire.strategies import StrategyDefinition
from tapewire.strategies.layout import CONTEXT

STATE = np.dtype([("n", "i8"), ("x", "f8")])

HOOK = """\
import numpy as np
from helper import value

STATE = np.dtype([("n", "i8")])

def on_start(ctx, state):
    state.n = value(state)
"""

CALL = """
    import ctypes, sys
    import numpy as np
    from pathlib import Path
    from tapewire.compiled.callbacks import address_of_hook
    from tapewire.compiled.user_sources import own_sources
    from tapewire.config.user_modules import load_file
    from tapewire.strategies.layout import CONTEXT

    path = Path(sys.argv[1])
    module = load_file(path, own_sources(path))
    address = address_of_hook(module.on_start, CONTEXT, module.STATE)
    context, state = np.zeros(1, CONTEXT), np.zeros(1, module.STATE)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)
    call(context.ctypes.data, state.ctypes.data)
    print(state[0]["n"])
"""


def called(path: Path, **environment: str) -> int:
    """What the hook writes, in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CALL), str(path)],
        env={**os.environ, "TAPEWIRE_CACHE_DIR": os.environ["TAPEWIRE_CACHE_DIR"], **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def kept(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*.nb?")}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of kernels for new processes."""
    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- never a stale one ----------------------------------------------------------------------------


@pytest.mark.long
def test_a_changed_helper_is_compiled_in_apart_from_ours(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "hook.py"
    path.write_text(HOOK)
    (tmp_path / "helper.py").write_text("from inner import N\ndef value(state):\n    return N\n")
    inner = tmp_path / "inner.py"
    inner.write_text("N = 3\n")
    assert called(path) == 3
    first = kept(cache)
    assert len(first) > 0
    assert called(path) == 3
    assert kept(cache) == first  # nothing was compiled
    stat = inner.stat()
    inner.write_text("N = 4\n")
    os.utime(inner, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert called(path) == 4
    now = kept(cache)
    assert first.items() <= now.items()  # what was there was not made again
    made = now.keys() - first.keys()
    assert made
    assert all("/user-" in name for name in made)


def test_a_constant_that_no_source_tells_is_compiled_in(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "hook.py"
    path.write_text(HOOK)
    (tmp_path / "helper.py").write_text(
        "import os\nimport types\nimport numpy as np\nimport numba\n"
        "N = int(os.environ['N'])\nTABLE = np.arange(9) * N\n"
        "@numba.njit(cache=True)\ndef deep():\n    return TABLE[1]\n"
        "def value(state):\n    return deep()\n"
    )
    assert [called(path, N=n) for n in "3455"] == [3, 4, 5, 5]


def test_every_kind_of_value_that_a_hook_reaches_counts() -> None:
    def folder_of(text: str, **values: Any) -> Path:
        scope: dict[str, Any] = {"np": np, **values}
        exec(compile(text, "<text>", "exec"), scope)
        return UserKernel(scope["hook"], (CONTEXT, STATE), 0).folder

    text = "def hook(ctx, state):\n    state.n = {}\n"
    for first, second in (
        ({"K": 1}, {"K": 2}),
        ({"K": 1}, {"K": 1.0}),
        ({"K": (1, 2)}, {"K": (1, 3)}),
        ({"K": np.arange(3)}, {"K": np.arange(1, 4)}),
        ({"K": np.float32(1)}, {"K": np.float32(2)}),
    ):
        assert folder_of(text.format("K"), **first) != folder_of(text.format("K"), **second)
        assert folder_of(text.format("K"), **first) == folder_of(text.format("K"), **first)
        unread = folder_of(text.format("1"), **first), folder_of(text.format("1"), **second)
        assert unread[0] == unread[1]
    assert folder_of(text.format("1")) != folder_of(text.format("2"))
    inner = "def f(x):\n    return x + {}\n" + text.format("f(1)")
    assert folder_of(inner.format(1)) != folder_of(inner.format(2))
    closed = (
        "def make(k):\n  def hook(ctx, state):\n    state.n = k\n  return hook\nhook = make({})"
    )
    assert folder_of(closed.format(1)) != folder_of(closed.format(2))
    again = "def f(x):\n    return g(x)\ndef g(x):\n    return x if x > 3 else f(x + 1)\n"
    assert folder_of(again + text.format("f(1)")) == folder_of(again + text.format("f(1)"))


def test_folders_unused_for_longest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_kernels, "CACHE_DIR", tmp_path)
    monkeypatch.setattr(user_kernels, "FOLDERS_MAX", 2)
    for k, name in enumerate(("a", "b", "c", "a", "d")):
        user_kernels._make_room(tmp_path / f"user-{name}")
        os.utime(tmp_path / f"user-{name}", ns=(k, k))
        left = sorted(path.name for path in tmp_path.iterdir())
        assert len(left) <= 2
    assert left == ["user-a", "user-d"]


# --- helpers --------------------------------------------------------------------------------------


def plain(x: int) -> int:
    return x + 1


@tw.jit
def helper(x: int) -> int:
    return plain(x) * 2


def test_plain_functions_are_compiled_with_a_hook_and_stay_what_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hook(ctx: Any, state: Any) -> None:
        state.n = plain(state.n) + helper(state.n)

    state = np.zeros(1, STATE)
    state["n"] = 5
    call(address_of_hook(hook, CONTEXT, STATE), state)
    assert state["n"] == 6 + 12
    assert plain(1) == 2
    assert type(plain).__name__ == "function"


def call(address: int, state: Any) -> None:
    import ctypes

    context = np.zeros(1, CONTEXT)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)
    function(context.ctypes.data, state.ctypes.data)


# --- what is wrong --------------------------------------------------------------------------------


def _unknown_field(ctx: Any, state: Any) -> None:
    state.n = ctx.best_bidd


def _own_field(ctx: Any, state: Any) -> None:
    state.y = 1


def _undefined(ctx: Any, state: Any) -> None:
    state.n = nowhere  # type: ignore[name-defined]  # noqa: F821


def _two_types(ctx: Any, state: Any) -> None:
    x: Any = 1
    if state.n > 2:
        x = "a"
    state.n = x


def _returns(ctx: Any, state: Any) -> Any:
    return 5


def _text(ctx: Any, state: Any) -> None:
    state.n = state.n + "abc"


def _with(ctx: Any, state: Any) -> None:
    with open("x") as file:  # noqa: PTH123
        state.n = file


def _imports(ctx: Any, state: Any) -> None:
    import os

    os.getcwd()  # noqa: PTH109


def _generator(ctx: Any, state: Any) -> Any:
    yield 1


def _one_argument(ctx: Any) -> None:
    pass


def _deep(state: Any) -> Any:
    return state.nn


def _in_a_helper(ctx: Any, state: Any) -> None:
    state.n = _deep(state)


@pytest.mark.parametrize(
    ("hook", "at", "said"),
    [
        (_unknown_field, 1, "there is no field 'best_bidd', did you mean 'best_bid'?"),
        (_own_field, 1, "there is no field 'y', the state has n, x"),
        (_undefined, 1, "NameError: name 'nowhere' is not defined"),
        (_two_types, 4, "cannot unify int 1 and str a for 'x"),
        (_returns, 1, "a hook returns nothing, in: return 5"),
        (_text, 1, "there is no add(int64, str abc), in: state.n"),
        (_with, 0, "'with (context manager) as (variable):' construct is not supported"),
        (_imports, 1, "unsupported opcode (IMPORT_NAME)"),
        (_generator, 0, "expected a function of 2 arguments, found a generator or coroutine"),
        (_one_argument, 0, "expected a function of 2 arguments, found 1 of them"),
        (_in_a_helper, _deep.__code__.co_firstlineno + 1, "there is no field 'nn'"),
    ],
)
def test_what_can_not_be_compiled_is_told_by_its_line(
    hook: Callable[..., None], at: int, said: str
) -> None:
    line = at if hook is _in_a_helper else hook.__code__.co_firstlineno + at
    with pytest.raises(KernelFault) as caught:
        address_of_hook(hook, CONTEXT, STATE)
    text = str(caught.value)
    assert text.startswith(f"{__file__}:{line}: ")
    assert said in text
    assert "\n" not in text
    assert len(text) < 300


def test_a_strategy_names_the_hook() -> None:
    definition = StrategyDefinition("own", "Own.", {}, STATE, on_book=_unknown_field)
    with pytest.raises(tw.TapewireError, match=r"^strategy own: on_book can't be compiled: /.*:"):
        definition.addresses()


def test_a_model_of_a_users_own_names_its_kernel() -> None:
    def kernel(
        state: Any,
        price: int,
        lots: int,
        liquidity: int,
        num: int,
        den: int,
        traded: int,
        venue: int,
        line: int,
    ) -> Any:
        return state.none_such * lots

    own = ModelDefinition(family="fees", name="own", doc="Wrong.", kernel=kernel)
    with pytest.raises(tw.TapewireError, match=r"^fees model own: its kernel can't be compiled"):
        Models(fees=Model(own)).write(np.zeros(1, MODELS)[0])


def test_threads_that_compile_keep_their_kernels_where_they_belong(tmp_path: Path) -> None:
    texts = [f"def hook(ctx, state):\n    state.n = {k} + state.n * {k}\n" for k in range(6)]
    hooks: list[Any] = []
    for k, text in enumerate(texts):
        path = tmp_path / f"hook{k}.py"
        path.write_text(text)
        scope: dict[str, Any] = {}
        exec(compile(text, str(path), "exec"), scope)
        hooks.append(scope["hook"])
    with ThreadPoolExecutor(4) as pool:
        addresses = list(pool.map(lambda hook: address_of_hook(hook, CONTEXT, STATE), hooks))
    for k, (address, hook) in enumerate(zip(addresses, hooks, strict=True)):
        state = np.zeros(1, STATE)
        call(address, state)
        assert state["n"] == k
        folder = UserKernel(hook, (CONTEXT, STATE), 0).folder
        assert [path.suffix for path in sorted(folder.rglob("*.nb?"))] == [".nbc", ".nbi"]
    assert Path(numba.config.CACHE_DIR) == folder_of("")
