"""What can hang, lose or leak is done in one place each, and a simulation reads no clock.

Every other place is listed here with what makes it safe. What is new goes through the place that is
there; a line here is for what really is another thing.
"""

import ast
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rooms

#: Where a simulation is decided: the same input gives the same digest there, whenever it is run.
SIMULATION = (
    "compiled", "market", "features", "derive", "capture", "execution", "positions", "strategies",
    "router", "analytics", "candles", "validation",
)  # fmt: skip
#: The bench starts and measures whole commands, rivals' among them, and writes throw-away files.
NOT_HELD = ("bench",)

SOCKETS = {
    "wire/sockets.py": "makes them",
    "wire/network.py": "a context, whose sockets are made there",
    "wire/guard.py": "looks at connections that libzmq has accepted",
    "tapewire/processes/transports.py": "a context for a replay in this process",
    "tapewire/runs/health.py": "tries whether sockets work at all",
    "tapewire/runs/metrics_page.py": "HTTP for Prometheus, on the loopback address",
    "services/web/serving.py": "listens for browsers, on a port that gateways share",
    "services/server/gateways.py": "holds a port that gateways share",
    "executors/ray_cluster.py": "asks whether anybody is at a cluster's address",
    "tapewire/inputs/databento_http.py": "a client of the vendor's HTTP",
    "tapewire/runs/alerts.py": "posts alerts of a session to an address of the user's",
    "live/session.py": "a client of the vendor's live gateway",
    "live/brokers/fix/line.py": "a client of a broker's gateway",
}
CHILDREN = {"tapewire/children.py": "starts and ends them"}
FILES = {
    "tapewire/atomic.py": "writes them",
    "tapewire/cli/terminal.py": "standard output itself",
    "executors/__main__.py": "its own standard output",
    "tapewire/runs/bundles.py": "unpacks into a folder that is removed",
    "tapewire/runs/bundled_config.py": "into that folder",
    "tapewire/runs/what_if.py": "into a folder that is removed",
    "tapewire/runs/one_day.py": "into the run's own folder of days, which no finished run has",
    "tapewire/runs/day_rows.py": "into the run's own folder of days",
    "tapewire/runs/day_ends.py": "into that folder; what is kept goes through atomic.py",
    "replay/exports.py": "to a name that its caller publishes",
    "store/backups.py": "members of an archive, which atomic.py publishes",
}
RENAMES = {
    "tapewire/atomic.py": "publishes them",
    "tapewire/inputs/synthetic.py": "a session in the cache, whole by then",
    "analytics/earlier.py": "sets an earlier run aside, and back",
    "studies/folder.py": "the same of an earlier study",
    "replay/markets/files.py": "a folder of files that is whole by then",
}
WALL_CLOCK: dict[str, str] = {}


def _sources(*, of: tuple[str, ...] = ()) -> Iterator[tuple[str, ast.Module]]:
    for room in of or (*(n for n in rooms.names() if n not in NOT_HELD), "tapewire"):
        for path in sorted((rooms.REPO / room).rglob("*.py")):
            yield str(path.relative_to(rooms.REPO)), _parsed(path)


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return rooms.parse(path)


def _dotted(node: ast.AST) -> str:
    """``np.random.rand`` of such an expression, ``?.rand`` where it hangs on another one."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return "?"


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}.{one.name}" for one in node.names]
    return []


def _calls(*ends: str) -> Callable[[ast.AST], bool]:
    def fits(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and any(
            f".{_dotted(node.func)}".endswith(f".{end}") for end in ends
        )

    return fits


def _takes(*modules: str) -> Callable[[ast.AST], bool]:
    def fits(node: ast.AST) -> bool:
        return any(
            name == module or name.startswith(f"{module}.")
            for name in _imports(node)
            for module in modules
        )

    return fits


def _opens_to_write(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = _dotted(node.func).rpartition(".")[2]
    if name in ("write_text", "write_bytes", "to_parquet", "to_csv"):
        return True
    if name not in ("open", "fdopen"):
        return False
    values = [*node.args, *(one.value for one in node.keywords if one.arg == "mode")]
    modes = [one.value for one in values if isinstance(one, ast.Constant)]
    return any(isinstance(one, str) and one[:1] in "wxa" and len(one) <= 3 for one in modes if one)


def _renames(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if _dotted(node.func) in ("os.rename", "os.replace", "os.link", "shutil.move"):
        return True
    if _dotted(node.func).endswith("broker.replace"):
        return False  # an order at a broker
    # Text is replaced with two values, parts of a time by name, a file with one value.
    one = len(node.args) == 1 and not node.keywords
    return node.func.attr in ("replace", "rename", "hardlink_to") and one


def _reads_wall_clock(node: ast.AST) -> bool:
    return _calls(
        "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today",
        "date.today", "time.localtime", "time.gmtime", "time.monotonic", "time.monotonic_ns",
        "time.perf_counter", "time.perf_counter_ns", "time.process_time",
    )(node)  # fmt: skip


def _draws_from_anywhere(node: ast.AST) -> bool:
    if _takes("random", "secrets", "uuid")(node):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = _dotted(node.func)
    if name.endswith("os.urandom"):
        return True
    if not name.startswith(("np.random.", "numpy.random.")):
        return False
    # A generator of its own, with a seed, is what everybody takes; all else shares one.
    seeded = name.rpartition(".")[2] in ("Generator", "Philox", "PCG64", "SeedSequence")
    return not (seeded or (name.endswith(".default_rng") and (node.args or node.keywords)))


RULES = {
    "sockets": (
        lambda node: (
            _calls("zmq.Context", "context.socket", "sockets.socket", "socket.socket",
                   "open_connection", "create_connection", "start_server", "create_server")(node)
            or _takes("socketserver", "http.server", "http.client", "urllib.request", "requests",
                      "aiohttp", "websockets")(node)
        ),
        SOCKETS, (),
    ),
    "children": (
        lambda node: (
            _takes("subprocess", "multiprocessing", "pty")(node)
            or _calls("os.fork", "os.forkpty", "os.system", "os.popen", "os.posix_spawn",
                      "os.execv", "os.execvp", "os.spawnv", "ProcessPoolExecutor")(node)
        ),
        CHILDREN, (),
    ),
    "files": (_opens_to_write, FILES, ()),
    "renames": (_renames, RENAMES, ()),
    "clocks": (_reads_wall_clock, WALL_CLOCK, SIMULATION),
    "draws": (_draws_from_anywhere, {}, (*SIMULATION, "replay", "studies", "bridge")),
}  # fmt: skip


def _found(rule: str) -> dict[str, list[int]]:
    fits, _, where = RULES[rule]
    found: dict[str, list[int]] = {}
    for path, tree in _sources(of=where):
        for node in ast.walk(tree):
            if fits(node):
                found.setdefault(path, []).append(node.lineno)  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("rule", RULES)
def test_it_is_done_where_it_is_done(rule: str) -> None:
    known = RULES[rule][1]
    found = _found(rule)
    assert {path: lines for path, lines in found.items() if path not in known} == {}
    assert set(known) <= set(found), "listed, and not found any more"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("sockets", "zmq.Context()"),
        ("sockets", "from http.server import HTTPServer"),
        ("children", "from subprocess import run"),
        ("children", "import multiprocessing.pool"),
        ("children", "os.fork()"),
        ("files", "path.open('xb')"),
        ("files", "open(path, mode='a')"),
        ("files", "path.write_text(text)"),
        ("renames", "path.rename(other)"),
        ("renames", "os.replace(a, b)"),
        ("clocks", "datetime.datetime.now(UTC)"),
        ("clocks", "time.perf_counter()"),
        ("draws", "np.random.normal(0, 1)"),
        ("draws", "np.random.default_rng()"),
        ("draws", "import random"),
    ],
)
def test_each_rule_bites(rule: str, text: str) -> None:
    assert any(RULES[rule][0](node) for node in ast.walk(ast.parse(text)))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("files", "path.open('rb')"),
        ("files", "webbrowser.open(address)"),
        ("renames", "text.replace('a', 'b')"),
        ("renames", "self.broker.replace(request)"),
        ("draws", "np.random.Generator(np.random.Philox(key=1))"),
        ("draws", "np.random.default_rng(7)"),
    ],
)
def test_no_rule_bites_what_is_fine(rule: str, text: str) -> None:
    assert not any(RULES[rule][0](node) for node in ast.walk(ast.parse(text)))
