"""What all tests share: where the market data is, and how loudly its absence is told."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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


def pytest_report_header() -> str:
    there = "found" if DATA_DIR.is_dir() else "NOT FOUND: every test on real data will be skipped"
    return f"market data: {DATA_DIR} ({there})"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and _MISSING_DATA in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.write_sep("!", f"{len(skipped)} tests skipped: {_MISSING_DATA}", red=True)
