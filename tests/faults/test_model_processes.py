"""Models' processes that are killed, stopped, never there: the run ends as its policy says."""

import time
from typing import Any

import numpy as np
import pytest

from model_runs import Killer, Stage, stage

__all__ = ["stage"]
#: After a kill the policy has taken hold within this, on top of what the run would take.
END_TIMEOUT_S = 5.0
SIGNAL_TIMEOUT_S = 2.0
#: What waiting for a process and reading its end may add on a busy two-core machine.
SLACK_S = 1.0
START_TIMEOUT_S = 60.0
POLICIES = ("halt", "flatten", "continue_without", "restart")
SLOW = {"sleep_s": 0.006}
#: Of the time from its start to the run's end; some come when it has ended by itself.
MOMENT_LAST = 1.05


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """Filled by the first run: its digests by kind of model, and how long its model was there."""
    return {}


def undisturbed_run(stage: Stage, here: Any, known: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind not in known:
        known["warm"] = known.get("warm") or here("run", stage.data, "-q", "-o", stage.folder / "w")
        stage.config(stage.model(kind=kind, parameters=SLOW))
        came = Killer(stage, 0.0, 0)  # signal 0: it only looks
        out = stage.folder / "alone"
        done = here("run", stage.folder / "config.yaml", "-q", "-o", out)
        assert done.returncode == 0, done.stderr
        manifest = stage.manifest("alone")
        assert came.sent_s is not None
        assert manifest["results"]["strategies"]["lean"]["fills"] > 20
        known[kind] = {"lived_s": time.monotonic() - came.sent_s, "digests": manifest["digests"]}
    return dict(known[kind])


def play_killed(
    stage: Stage, here: Any, known: dict[str, Any], policy: str, moment: float, kind: str
) -> bool:
    """A run whose model is killed at a moment; whether that made a difference."""
    alone = undisturbed_run(stage, here, known, kind)
    stage.config(stage.model(kind=kind, parameters=SLOW, on_failure=policy))
    killer = Killer(stage, moment * alone["lived_s"])
    done = here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out", "--force")
    ended_s = time.monotonic()
    killer.join()
    stage.require_nothing_left()
    if killer.sent_s is not None:
        rest_s = max(1 - moment, 0) * alone["lived_s"]
        if policy == "restart":
            rest_s += alone["lived_s"]  # it starts again, and goes over some rows again
        assert ended_s - killer.sent_s < END_TIMEOUT_S + rest_s
    manifest = stage.manifest()
    model = manifest["models"]["lean"]
    if not model["faults"]:
        assert done.returncode == 0, done.stderr
        assert manifest["digests"] == alone["digests"]
        return False
    assert f"the model of lean (pid {killer.pid}) was killed by SIGKILL" in model["faults"][0]
    warnings = [text for text in manifest["warnings"] if text.startswith("lean: ")]
    if any("nothing hung on it any more" in text for text in warnings):
        assert done.returncode == 0
        assert manifest["digests"] == alone["digests"]
        assert model["deterministic"]
        return False
    if policy == "halt":
        assert done.returncode == 6, done.stderr
        assert "lean" in done.stderr
        assert "was killed by SIGKILL" in done.stderr
        assert manifest["status"] == "failed"
        assert manifest["failure"]["strategy_id"] == "lean"
        assert (stage.folder / "out" / "fills.parquet").exists()
        return True
    assert done.returncode == 0, done.stderr
    assert manifest["status"] == "complete"
    if policy == "restart":
        assert model["restarts"] == 1
        assert model["deterministic"]
        assert manifest["digests"] == alone["digests"]
        assert len(warnings) == 1
        return True
    assert not model["deterministic"]
    assert any(f"(on_failure: {policy})" in text for text in warnings)
    assert manifest["digests"]["market_maker"] == alone["digests"]["market_maker"]
    return True


def moments(policy: str, n: int) -> list[float]:
    """Over the whole life of a process: one in each of n parts."""
    drawn = np.random.default_rng([7, POLICIES.index(policy)]).random(n)
    return [round(float(x), 3) for x in (np.arange(n) + drawn) / n * MOMENT_LAST]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("policy", "moment", "kind"),
    [
        (policy, moment, "Counting" if policy == "restart" else "Leaning")
        for policy in POLICIES
        for moment in moments(policy, 2)
    ],
)
def test_a_model_killed_at_a_random_moment(
    stage: Stage, tapewire_here: Any, undisturbed: dict[str, Any],
    policy: str, moment: float, kind: str,
) -> None:  # fmt: skip
    play_killed(stage, tapewire_here, undisturbed, policy, moment, kind)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["Leaning", "Counting"])
def test_a_model_killed_at_twenty_random_moments(
    stage: Stage, tapewire_here: Any, undisturbed: dict[str, Any], policy: str, kind: str
) -> None:
    hit = [
        play_killed(stage, tapewire_here, undisturbed, policy, moment, kind)
        for moment in moments(policy, 20)
    ]
    assert sum(hit) >= 14, "most of them made a difference"
