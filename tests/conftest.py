"""What all tests share: where the market data is, and how loudly its absence is told."""

import io
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import soaking
from forks import Forks
from stores import Databases, postgresql

REPO = Path(__file__).resolve().parent.parent
#: The real captures: never in the repository, so their place is told by the environment.
DATA_DIR = Path(os.environ.get("TAPEWIRE_DATA", REPO.parent / "shared" / "data"))
_MISSING_DATA = "market data is not there"

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def _require(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{_MISSING_DATA}: {path} (set TAPEWIRE_DATA to the folder that has it)")
    return path


_SOAKED = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak-scale", type=float, default=1.0, metavar="PART",
        help="part of the full counts and times of soaks that is played",
    )  # fmt: skip


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> soaking.Soak:
    """How much of a soak to play, and where to tell what it came to."""
    config = request.config
    return soaking.Soak(request.node.name, config.option.soak_scale, config.stash[_SOAKED])


@pytest.fixture(scope="session", autouse=True)
def replays_are_threads() -> Iterator[None]:
    """Runs within this process are as on one core: a process for each replay takes a second.

    Commands in processes of their own are not, and who names a transport gets it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tapewire.processes.transports.cores", lambda: 1)
        yield


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the checkout."""
    return REPO


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real captures; the test is skipped where there is none."""
    return _require(DATA_DIR)


@pytest.fixture(scope="session")
def data_file() -> Callable[[str], Path]:
    """A file of the data folder by its path in there; the test is skipped where it is missing."""
    return lambda name: _require(DATA_DIR / name)


#: Longest a command of a test may take; kernels may have to be compiled first.
COMMAND_TIMEOUT_S = 110


class Tapewire:
    """Runs ``tapewire …`` as a user does: a process of its own, its output captured."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd

    def command(self, *arguments: object) -> list[str]:
        """The command line as a list, with this interpreter."""
        return [sys.executable, "-m", "tapewire", *map(str, arguments)]

    def __call__(
        self, *arguments: object, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start it and leave it running; the caller ends it."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def tapewire(tmp_path: Path) -> Tapewire:
    """The command line, started in the test's own folder."""
    return Tapewire(tmp_path)


class TapewireHere:
    """Runs ``tapewire …`` within this process, which has imports and kernels at hand.

    For what is said and written; where starting, dying or an environment matter, take `Tapewire`.
    """

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        from tapewire.cli.program import main

        command = ["tapewire", *map(str, arguments)]
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in "12")
        with pytest.MonkeyPatch.context() as patch, Path(os.devnull).open() as nothing:
            patch.chdir(self.cwd)
            patch.setattr(sys, "argv", command)
            for name, stream in (("stdin", nothing), ("stdout", out), ("stderr", err)):
                patch.setattr(sys, name, stream)
            with pytest.raises(SystemExit) as ended:
                main()
        said = (stream.buffer.getvalue().decode() for stream in (out, err))
        return subprocess.CompletedProcess(command, ended.value.code, *said)


@pytest.fixture
def tapewire_here(tmp_path: Path) -> TapewireHere:
    """The command line, called in the test's own folder."""
    return TapewireHere(tmp_path)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Commands in processes of their own that have not to import everything again."""
    with tempfile.TemporaryDirectory(prefix="tw-") as folder:
        process = Forks(Path(folder))
        try:
            yield process
        finally:
            process.close()


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """A PostgreSQL server of this session: it starts, or every test that asks for it fails."""
    with postgresql() as server:
        yield Databases(server)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the address of a socket (107 bytes) below it."""
    with tempfile.TemporaryDirectory(prefix="tw-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def synthetic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic session: 30,000 records of TWA1, uncompressed."""
    from tapewire.replay.synth import synthesize

    path = tmp_path_factory.mktemp("synthetic") / "day.mbo.dbn"
    synthesize(path, events=30_000, instruments=1, seed=7)
    return path


#: Files by the processor time they take, the longest first. Workers take a file at a time, so these
#: come before the many short ones, which fill the end.
LONGEST = (
    "test_run_docs.py", "test_run.py", "test_run_faults.py", "test_bridge_client.py",
    "test_model_processes.py", "test_execution.py", "test_report.py", "test_models_run.py",
    "test_run_prepared.py", "test_book.py", "test_bench_sections.py", "test_notebook.py",
    "test_run_memory.py", "test_wire_peers.py", "test_collector_process.py", "test_book_truth.py",
    "test_kernel_cache.py", "test_bench.py", "test_new_strategy.py", "test_run_keys.py",
    "test_bench_growth.py", "test_examples.py", "test_bridge_keys.py", "test_fill_bounds.py",
    "test_wire_floods.py", "test_environments.py", "test_feature_rows.py", "test_ray_cluster.py",
    "test_simulated_bridge.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))
    for item in items:
        if item.get_closest_marker("soak") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(soaking.TIMEOUT_S))


#: Compiles what orders of a live session at a broker take.
_ABROAD = (
    "from tapewire.config.loading import make_config; from tapewire.runs.wiring import warm_up; "
    "data = {'type': 'databento', 'files': ['a.dbn']}; "
    "config = {'backtest': {'data_source': data}, 'strategy': {'type': 'market_maker'}}; "
    "warm_up(make_config(config), print, abroad=True)"
)


def pytest_configure(config: pytest.Config) -> None:
    """Compile the kernels once, before tests that have deadlines and workers side by side do."""
    from tapewire.compiled.kernel_cache import is_compiled

    config.stash[_SOAKED] = []
    parts = ("simulation", "strategy-market_maker", "strategy-sma_crossover", "replay")
    at_work = hasattr(config, "workerinput") or config.option.collectonly
    if at_work or all(is_compiled(part) for part in parts):
        return
    with tempfile.TemporaryDirectory(prefix="tw-") as folder:
        tapewire = f"{shlex.quote(sys.executable)} -m tapewire"
        data = "day.dbn --events 20000"
        both = "-s market_maker -s sma_crossover"
        # The loop takes one core as long as everything else does another; what is wrong here the
        # tests will say.
        script = f"""
            {tapewire} data synth -o {data}
            {tapewire} run day.dbn {both} --transport ipc -o run &
            {tapewire} data book day.dbn -o book.parquet
            {tapewire} features day.dbn --every 1s --labels mid_return_1s -o rows.parquet
            {tapewire} data check day.dbn
            {tapewire} data derive day.dbn --schema mbp-10 -o levels.dbn
            {tapewire} data synth -o market --days 1 --events 20000
            {tapewire} validate placebo day.dbn
            wait
            {shlex.quote(sys.executable)} -c {shlex.quote(_ABROAD)}
        """
        subprocess.run(["sh", "-c", script], cwd=folder, check=False, capture_output=True)


def pytest_report_header() -> str:
    there = "found" if DATA_DIR.is_dir() else "NOT FOUND: every test on real data will be skipped"
    return f"market data: {DATA_DIR} ({there})"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if soaked := terminalreporter.config.stash[_SOAKED]:
        terminalreporter.write_sep("=", "soaked")
        terminalreporter.write_line("\n".join(soaked))
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and _MISSING_DATA in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.write_sep("!", f"{len(skipped)} tests skipped: {_MISSING_DATA}", red=True)
