"""``tapewire bridge check``: models that keep to their contract, and each way not to."""

from pathlib import Path
from typing import Any

import pytest

GOOD = """
import numpy as np
from tapewire.bridge import StrategyBase

class Mine(StrategyBase):
    def on_features(self, features):
        return np.sign(features[:, 0])
"""
HEAD = "import numpy as np\nfrom tapewire.bridge import StrategyBase\n\nclass Mine(StrategyBase):\n"
STATEFUL = """
    total = 0.0
    def on_features(self, features):
        sums = self.total + np.cumsum(np.nan_to_num(features[:, 0]))
        self.total = sums[-1]
        return np.round(sums)
"""
SAVE = """
    def save(self):
        return np.float64(self.total).tobytes()
"""
LOAD = """
    def load(self, state):
        self.total = np.frombuffer(state)[0]
"""
FEATURES = ("--features", "imbalance_5,returns_1s", "--every", "5ev")


def check(tapewire: Any, source: str, file: Path, *options: str) -> Any:
    (tapewire.cwd / "model.py").write_text(source)
    return tapewire("bridge", "check", "model.py:Mine", file, *FEATURES, *options)


def outcomes(ran: Any) -> dict[str, str]:
    """Name of each check → what came of it; lines that go on from the one before are left out."""
    rows = [line.split("  ") for line in ran.stdout.splitlines() if line[:1].strip()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {row[0]: row[1] for row in cells if len(row) > 1}


def test_a_model_that_keeps_to_its_contract(tapewire_here: Any, synthetic_file: Path) -> None:
    ran = check(tapewire_here, GOOD, synthetic_file)
    assert ran.returncode == 0
    assert "error" not in ran.stderr
    assert ran.stdout.endswith("Mine keeps to its contract\n")
    assert outcomes(ran) == dict.fromkeys((
        "answers", "features not known", "twice the same", "1 row a call", "7 rows a call",
        "256 rows a call", "begins anywhere", "speed, 1 row a call", "speed, 256 rows a call",
        "speed, 4,096 rows a call",
    ), "ok")  # fmt: skip


def test_a_state_that_is_saved_and_loaded(tapewire_here: Any, synthetic_file: Path) -> None:
    ran = check(tapewire_here, HEAD + STATEFUL + SAVE + LOAD, synthetic_file, "--rows", "3000")
    assert ran.returncode == 0
    assert outcomes(ran)["save and load"] == "ok"
    assert "goes on from row 1,500; a state of 8 bytes" in ran.stdout


def test_a_state_that_nobody_keeps_is_a_warning(tapewire_here: Any, synthetic_file: Path) -> None:
    ran = check(tapewire_here, HEAD + STATEFUL, synthetic_file)
    assert ran.returncode == 0
    assert outcomes(ran)["begins anywhere"] == "warning"


STATE = {"save and load"}
SMALL_CALLS = {"1 row a call", "7 rows a call", "256 rows a call"}
HOOK = "    def on_features(self, features):\n"
BY_CALL = f"    n = 0\n{HOOK}        self.n += 1\n        return np.full(len(features), self.n)\n"
BY_HISTORY = f"""
    n = []
{HOOK}
        self.n.append(1)
        return {{"confidence": np.full(len(features), 1 / len(self.n))}}
"""
BY_CHANCE = f"""
{HOOK}
        signals = self.signals()
        for _ in range(np.random.randint(1, 32)):
            signals.cancel(0, 1)
        return signals
"""
NO_NAN = f"{HOOK}        return [np.inf if np.isnan(row).all() else 1 for row in features]\n"
MANY_ROWS = f"{HOOK}        features[6]\n"
WRONG = {
    "depends on the calls": (BY_CALL, SMALL_CALLS),
    "depends on what was before": (BY_HISTORY, {"twice the same", *SMALL_CALLS}),
    "orders by chance": (BY_CHANCE, {"twice the same", *SMALL_CALLS}),
    "cannot have NaN": (NO_NAN, {"features not known"}),
    "a load that forgets": (f"{STATEFUL}{SAVE}    def load(self, state): pass\n", STATE),
    "a save that gives nothing": (f"{STATEFUL}    def save(self): return None\n{LOAD}", STATE),
    "no load": (STATEFUL + SAVE, STATE),
    "needs many rows": (MANY_ROWS, {"1 row a call", "7 rows a call", "speed, 1 row a call"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_model_that_does_not_is_told_which_check_it_fails(
    tapewire_here: Any, synthetic_file: Path, name: str
) -> None:
    body, expected = WRONG[name]
    ran = check(tapewire_here, HEAD + body, synthetic_file, "--rows", "2001")
    found = {check for check, outcome in outcomes(ran).items() if outcome == "failed"}
    assert ran.returncode == 6
    assert found == expected
    assert f"Mine fails {len(found)} of its checks: " in ran.stderr


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("    def on_features(self, features): return [1]\n", "expected shape (2001,), found (1,)"),
        (
            "    def on_start(self, session): session.column('mid')\n",
            "found imbalance_5, returns_1s",
        ),
        ("    def __init__(self, window): pass\n", "can't be made"),
    ],
)
def test_a_model_that_cannot_answer_at_all(
    tapewire_here: Any, synthetic_file: Path, body: str, expected: str
) -> None:
    ran = check(tapewire_here, HEAD + body, synthetic_file, "--rows", "2001")
    assert ran.returncode == 6
    assert expected in ran.stderr


def test_what_cannot_be_checked_is_one_sentence(tapewire_here: Any, synthetic_file: Path) -> None:
    ran = check(tapewire_here, "x = 1\n", synthetic_file)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "expected a subclass of tapewire.bridge.StrategyBase under 'Mine', found nothing" in (
        ran.stderr
    )
    ran = check(tapewire_here, GOOD, Path("none.dbn"))
    assert ran.returncode == 3
    ran = check(tapewire_here, GOOD, synthetic_file, "--start", "2030-01-01")
    assert ran.returncode == 3
    assert "none of the 30000 records read match start 2030-01-01" in ran.stderr
