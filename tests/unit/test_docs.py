"""What the documentation states exists: files, commands, options, links, marks on every block."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import rooms

PAGES = {
    "README.md": 9,
    "docs/formats.md": 4,
    "docs/markets.md": 2,
    "docs/candles.md": 5,
    "docs/candles-event-driven.md": 4,
    "docs/candles-vectorised.md": 6,
    "docs/features.md": 3,
    "docs/strategies.md": 9,
    "docs/compiled-strategies.md": 6,
    "docs/converting.md": 6,
    "docs/data.md": 3,
    "docs/days.md": 3,
    "docs/examples.md": 1,
    "docs/explain.md": 3,
    "docs/orders.md": 3,
    "docs/execution-models.md": 8,
    "docs/metrics.md": 2,
    "docs/results.md": 6,
    "docs/external.md": 7,
    "docs/models.md": 6,
    "docs/placebo.md": 2,
    "docs/record-flags.md": 1,
    "docs/reinforcement-learning.md": 3,
    "docs/reliability.md": 0,
    "docs/report.md": 4,
    "docs/indicators.md": 3,
    "docs/live.md": 4,
    "docs/risk.md": 4,
    "docs/rails.md": 4,
    "docs/rolls.md": 2,
    "docs/rules.md": 3,
    "docs/factory.md": 5,
    "docs/overfitting.md": 1,
    "docs/server.md": 2,
    "docs/operating.md": 5,
    "docs/store.md": 2,
    "docs/studio.md": 1,
    "docs/evolving.md": 2,
    "docs/sources.md": 3,
    "docs/montecarlo.md": 5,
    "docs/studies.md": 6,
    "docs/cluster.md": 3,
    "docs/protocol.md": 6,
    "docs/venues.md": 4,
    "docs/watching.md": 1,
}  #: With the number of blocks that there are at least.
DOCS = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", *PAGES)
_MARK = re.compile(r"<!-- doc: (make|run|python|file \S+) -->\n")
_ROOTS = (*rooms.names(), "docs", "examples", "tapewire", "tests", ".ci", ".typetree")


@pytest.mark.parametrize("name", DOCS)
def test_every_link_leads_somewhere(repo: Path, name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (repo / name).read_text()):
        there = (repo / name).parent / target
        assert target.startswith("https://") or there.exists(), target


def test_every_test_that_holds_a_promise_exists(repo: Path) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (repo / "SECURITY.md").read_text())
    assert len(named) > 25
    for path, test in named:
        assert not test or f"\ndef {test}(" in (repo / path).read_text(), f"{path}::{test}"


def test_every_test_that_a_page_names_exists(repo: Path) -> None:
    sources = (path.read_text() for path in sorted((repo / "tests").rglob("test_*.py")))
    there = {name for text in sources for name in re.findall(r"\ndef (test_\w+)\(", text)}
    for page in ("docs/reliability.md", "docs/days.md"):
        named = set(re.findall(r"`(test_\w+)`", (repo / page).read_text()))
        assert len(named) > 3, page
        assert named - there == set(), page


@pytest.mark.parametrize("name", DOCS)
def test_every_file_that_is_named_exists(repo: Path, name: str) -> None:
    for path in re.findall(r"`([\w.]+/[\w./]*)`", (repo / name).read_text()):
        if path.split("/")[0] in _ROOTS:
            assert (repo / path).exists(), path


def test_the_map_names_every_module_of_the_pipeline(repo: Path) -> None:
    text = (repo / "ARCHITECTURE.md").read_text()
    for room in ("replay", "tapewire"):
        for path in (repo / room).rglob("*.py"):
            name = path.relative_to(repo).as_posix()
            if name not in _UNMAPPED and not path.name.startswith(("__", "_synth")):
                assert name in text, path


def order_steps(repo: Path) -> list[tuple[str, str]]:
    """(function, file) of each step of an order's way, as the map has it."""
    text = (repo / "ARCHITECTURE.md").read_text()
    section = text.split("## An order's way")[1].split("\n## ")[0]
    return re.findall(r"^\| [^|]+ \| `(\w+)` \| `([\w/.]+)` \|$", section, flags=re.M)


def test_an_orders_way_enters_no_file_more_than_three_times(repo: Path) -> None:
    steps = order_steps(repo)
    assert len(steps) > 30
    entered = Counter(file for _, file in steps)
    assert [file for file, n in entered.items() if n > 3] == []


def test_each_step_of_an_orders_way_is_called_from_an_earlier_one(repo: Path) -> None:
    # Time and strategies drive the rest: the loop, and the callback by address.
    known = [repo / "router" / "_loop.py", repo / "strategies" / "market_maker.py"]
    for function, file in order_steps(repo):
        path = repo / file
        defined = {n.name for n in rooms.parse(path).body if isinstance(n, ast.FunctionDef)}
        assert function in defined, (function, file)
        callers = [one for one in known if re.search(rf"\b{function}\(", one.read_text())]
        assert callers, f"nothing before it calls {function}"
        known.append(path)


#: Modules that are no step of an event's way.
_UNMAPPED = {
    "replay/plan.py", "replay/sizes.py",
    "tapewire/cli/bench.py", "tapewire/cli/display.py", "tapewire/cli/foreground.py",
    "tapewire/cli/replay.py", "tapewire/inputs/books.py", "tapewire/inputs/inspection.py",
    "tapewire/inputs/telling.py",
}  # fmt: skip


def test_every_page_is_looked_at(repo: Path) -> None:
    found = {f"docs/{path.name}" for path in (repo / "docs").glob("*.md")}
    assert found == {name for name in PAGES if name.startswith("docs/")}


def test_every_test_that_a_row_names_exists(repo: Path) -> None:
    tests = {
        node.name
        for path in (repo / "tests").rglob("test_*.py")
        for node in rooms.parse(path).body
        if isinstance(node, ast.FunctionDef)
    }
    named = {
        name
        for page in (repo / "docs").glob("*.md")
        for name in re.findall(r"`(test_\w+)`", page.read_text())
    }
    assert len(named) > 15
    assert named - tests == set()


@pytest.mark.parametrize(("name", "blocks_min"), PAGES.items())
def test_every_block_is_marked(repo: Path, name: str, blocks_min: int) -> None:
    text = (repo / name).read_text()
    blocks = re.findall(r"^```\w", text, flags=re.MULTILINE)
    marked = re.findall(_MARK.pattern + r"```\w", text)
    assert len(blocks) == len(marked) >= blocks_min


def test_every_make_command_is_a_target(repo: Path) -> None:
    texts = [(repo / name).read_text() for name in DOCS]
    named = {verb for text in texts for verb in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.M)}
    assert {
        "run",
        "setup",
        "test",
        "test-long",
        "soak",
        "bounds",
        "check",
        "bench",
        "docs",
    } <= named
    makefile = (repo / "Makefile").read_text()
    for verb in named:
        assert re.search(rf"^{verb}:", makefile, flags=re.MULTILINE), verb
        subprocess.run(["make", "-n", verb], cwd=repo, check=True, capture_output=True)


def test_the_scripts_can_be_executed_and_parsed(repo: Path) -> None:
    for name, shell in ((".ci/run", "bash"), (".ci/setup", "sh")):
        assert (repo / name).stat().st_mode & 0o111 == 0o111
        subprocess.run([shell, "-n", name], cwd=repo, check=True)


def test_no_line_of_the_documentation_is_longer_than_it_reads_well(repo: Path) -> None:
    for name in DOCS:
        for number, line in enumerate((repo / name).read_text().splitlines(), 1):
            assert len(line) <= 110 or line.startswith("|"), f"{name}:{number}"


def test_every_rule_of_orders_names_a_test_that_exists(repo: Path) -> None:
    rules = re.findall(r"^\| [^|]+ \| [^|]+ \| [^|]+ \| (.*) \|$", _orders_page(repo), re.MULTILINE)
    named = [name for cell in rules[1:] for name in re.findall(r"`(\w+)`", cell)]
    assert len(named) == len(rules) - 1 > 60, "each rule names one test"
    assert set(named) <= _tests(repo, "test_orders_*.py")


@pytest.mark.parametrize(
    "story", ["at_once", "bounded", "expiry", "stops", "iceberg", "reduce_only", "groups", "pegged"]
)
def test_every_story_of_orders_is_a_rule(repo: Path, story: str) -> None:
    assert _tests(repo, f"test_orders_{story}.py") <= set(
        re.findall(r"`(\w+)`", _orders_page(repo))
    )


def _orders_page(repo: Path) -> str:
    return (repo / "docs" / "orders.md").read_text().partition("## The rules")[2]


def _tests(repo: Path, pattern: str) -> set[str]:
    files = (repo / "tests" / "unit").glob(pattern)
    return {name for f in files for name in re.findall(r"^def (test_\w+)", f.read_text(), re.M)}
