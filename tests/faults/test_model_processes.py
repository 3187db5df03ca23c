"""Models' processes that are killed, stopped, never there: the run ends as its policy says."""

import functools
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapewire as tw
from model_runs import Killer, Stage, eventually, one_space, stage

__all__ = ["stage"]
#: After a kill the policy has taken hold within this, on top of what the run would take.
END_TIMEOUT_S = 5.0
SIGNAL_TIMEOUT_S = 2.0
#: What waiting for a process and reading its end may add on a busy two-core machine.
SLACK_S = 1.0
START_TIMEOUT_S = 60.0
POLICIES = ("halt", "flatten", "continue_without", "restart")
SLOW = {"sleep_s": 0.006}
LONG = functools.partial(pytest.param, marks=pytest.mark.long)
#: Of the time from its start to the run's end; some come when it has ended by itself.
MOMENT_LAST = 1.05


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """By kind of model: the digests of a run, and how long its model's process was there."""
    return {}


def undisturbed_run(stage: Stage, here: Any, known: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind not in known:
        stage.config(stage.model(kind=kind, parameters=SLOW))
        here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "warm")
        came = Killer(stage, 0.0, 0)
        out = stage.folder / "alone"
        done = here("run", stage.folder / "config.yaml", "-q", "-o", out)
        assert done.returncode == 0, done.stderr
        manifest = stage.manifest("alone")
        came.join()
        assert came.lived_s is not None
        assert manifest["results"]["strategies"]["lean"]["fills"] > 20
        known[kind] = {"lived_s": came.lived_s, "digests": manifest["digests"]}
    return dict(known[kind])


def play_killed(
    stage: Stage, here: Any, known: dict[str, Any], policy: str, moment: float, kind: str
) -> bool:
    """A run whose model is killed at a moment; whether that made a difference."""
    alone = undisturbed_run(stage, here, known, kind)
    stage.config(stage.model(kind=kind, parameters=SLOW, on_failure=policy))
    shutil.rmtree(stage.folder / "out", ignore_errors=True)  # one that halts would keep it
    killer = Killer(stage, moment * alone["lived_s"])
    done = here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    ended_s = time.monotonic()
    killer.join()
    stage.require_nothing_left()
    if killer.sent_s is not None:
        rest_s = max(1 - moment, 0) * alone["lived_s"] + SLACK_S  # its report is written
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
    if policy == "flatten":
        assert held_by(stage.folder / "out") == 0
    return True


def held_by(folder: Path, strategy: str = "lean") -> int:
    """Lots that a strategy holds at the end of a run."""
    rows = tw.RunResult.load(folder).fills.to_pylist()
    return sum(
        row["last_qty"] * (1 if row["order_side"] == "BUY" else -1)
        for row in rows
        if row["strategy_id"] == strategy
    )


def moments(policy: str, n: int) -> list[float]:
    """Over the whole life of a process: one in each of n parts."""
    drawn = np.random.default_rng([7, POLICIES.index(policy)]).random(n)
    return [round(float(x), 3) for x in (np.arange(n) + drawn) / n * MOMENT_LAST]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("policy", "moment", "kind"),
    [(policy, moment, "Counting") for policy in POLICIES for moment in moments(policy, 2)],
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
    # What has answered its last row and waits for the run's end is there as well, and has no part.
    assert sum(hit) >= 8, "many of them made a difference"


# --- commands that are none -----------------------------------------------------------------


def script(text: str) -> list[str]:
    """A command of a few lines of Python; the address comes behind it."""
    return [sys.executable, "-c", text]


COMMANDS = {
    "there is none": (["/no/such/program"], "can't be started: /no/such/program: No such file"),
    "it exits at once": (script("raise SystemExit(3)"), "ended with 3"),
    "it says why": (script("import sys; sys.exit('no weights here')"), "no weights here"),
    "it writes rubbish": (
        script("import os, sys; os.write(2, bytes(range(256)) * 4_000); sys.exit(1)"),
        "ended with 1",
    ),
    "it floods": (
        script("import os\nwhile True: os.write(2, b'x' * 65_536)"), "has not connected for 1 s"
    ),
    "it never connects": (script("import time; time.sleep(600)"), "has not connected for 1 s"),
}  # fmt: skip


@pytest.mark.parametrize("which", COMMANDS)
def test_a_command_that_is_no_model(stage: Stage, tapewire_here: Any, which: str) -> None:
    command, said = COMMANDS[which]
    bridge = {"connect_timeout_s": 1}
    stage.config(stage.model(command=command, bridge=bridge, on_failure="halt"))
    done = tapewire_here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    assert done.returncode in (5, 6)
    assert done.stderr.startswith("error: ")
    assert said in one_space(done.stderr)
    assert "lean" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 4_000
    stage.require_nothing_left()


@pytest.mark.parametrize("policy", [LONG("flatten"), "continue_without"])
def test_without_a_model_that_never_came(stage: Stage, tapewire_here: Any, policy: str) -> None:
    command = COMMANDS["it exits at once"][0]
    stage.config(stage.model(command=command, on_failure=policy))
    done = tapewire_here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    assert done.returncode == 0, done.stderr
    manifest = stage.manifest()
    assert not manifest["models"]["lean"]["deterministic"]
    assert manifest["results"]["strategies"]["market_maker"]["fills"] > 0
    stage.require_nothing_left()


def test_what_dies_again_and_again_is_given_up(stage: Stage, tapewire_here: Any) -> None:
    command = COMMANDS["it exits at once"][0]
    stage.config(stage.model(command=command, on_failure="restart"))
    done = tapewire_here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    assert done.returncode == 6
    assert "ended with 3; it was started again 3 times" in done.stderr
    assert len(stage.manifest()["models"]["lean"]["faults"]) == 4
    stage.require_nothing_left()


# --- those that hang ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["pipelined", LONG("lockstep")])
def test_a_stopped_model_misses_its_deadline(stage: Stage, tapewire_here: Any, mode: str) -> None:
    bridge = {"answer_timeout_s": 1}
    settings = {"parameters": {"sleep_s": 0.05}, "mode": mode, "every": "50ev"}
    stage.config(stage.model(bridge=bridge, **settings))
    killer = Killer(stage, 0.5, signal.SIGSTOP, called="lean")
    done = tapewire_here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    ended_s = time.monotonic()
    killer.join()
    assert killer.sent_s is not None
    assert ended_s - killer.sent_s < END_TIMEOUT_S
    assert done.returncode == 6, done.stderr
    assert re.search(r"the model of lean has not answered row \d+ for 1 s", done.stderr)
    stage.require_nothing_left()


def test_the_lost_model_in_lockstep_leaves_no_position(stage: Stage, tapewire_here: Any) -> None:
    held = {}
    for policy in ("flatten", "continue_without"):
        settings = {"parameters": {"sleep_s": 0.002}, "mode": "lockstep", "on_failure": policy}
        stage.config(stage.model(**settings))
        killer = Killer(stage, 0.5, called="lean")
        out = stage.folder / policy
        done = tapewire_here("run", stage.folder / "config.yaml", "-q", "-o", out)
        killer.join()
        (stage.folder / "lean.pid").unlink()
        assert done.returncode == 0, done.stderr
        held[policy] = held_by(out)
        stage.require_nothing_left(policy)
    assert held["flatten"] == 0
    assert abs(held["continue_without"]) == 2


# --- the run ends ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "number", "code"),
    [
        ("Leaning", signal.SIGINT, 130),
        ("Stubborn", signal.SIGTERM, 143),
        ("LateStart", signal.SIGINT, 130),
        LONG("LateStart", signal.SIGTERM, 143),
    ],
)
def test_the_user_stops_a_run_with_a_slow_model(
    stage: Stage, tapewire: Any, kind: str, number: signal.Signals, code: int
) -> None:
    parameters = {"sleep_s": 1.5}
    settings = {"bridge": {"answer_timeout_s": 600}}
    models = [stage.model(f"lean{k}", kind, parameters=parameters, **settings) for k in (1, 2)]
    stage.config(*models)
    run = tapewire.start("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    try:
        eventually(lambda: len(stage.pids()) == 2, START_TIMEOUT_S, "its models")
        out = stage.folder / "out"
        eventually(lambda: out.exists() and any(out.iterdir()), START_TIMEOUT_S, "a run under way")
        time.sleep(1.0)
        run.send_signal(number)
        before_s = time.monotonic()
        _, error = run.communicate(timeout=SIGNAL_TIMEOUT_S + SLACK_S)
        assert time.monotonic() - before_s < SIGNAL_TIMEOUT_S + SLACK_S
    finally:
        run.kill()
        run.communicate()
    assert run.returncode == code, error
    assert error.startswith("error: stopped by ")
    assert error.count("\n") == 1
    assert stage.manifest()["status"] == "incomplete"
    stage.require_nothing_left()


@pytest.mark.parametrize("kind", [LONG("Leaning"), "LateStart"])
def test_a_killed_run_leaves_no_model(stage: Stage, tapewire: Any, kind: str) -> None:
    stage.config(stage.model(kind=kind, parameters={"sleep_s": 1.5}))
    run = tapewire.start("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    eventually(stage.pids, START_TIMEOUT_S, "its model")
    time.sleep(0.0 if kind == "LateStart" else 2.5)
    run.kill()
    run.communicate()
    eventually(lambda: not stage.pids(), END_TIMEOUT_S + SLACK_S, "the end of the orphaned model")


def test_a_run_that_fails_otherwise_ends_its_models(
    stage: Stage, tapewire_here: Any, synthetic_file: Path
) -> None:
    stage.data = stage.folder / "cut.mbo.dbn"
    stage.data.write_bytes(synthetic_file.read_bytes()[:-17])
    stage.config(stage.model(parameters={"sleep_s": 0.01}))
    threads = threading.active_count()
    done = tapewire_here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    assert done.returncode == 3
    assert "cut.mbo.dbn" in done.stderr
    assert threading.active_count() <= threads
    stage.require_nothing_left()


def test_another_strategys_failure_ends_the_models(stage: Stage, tapewire_here: Any) -> None:
    """Paced: the next batch would come in hours."""
    (stage.folder / "bad.py").write_text(
        "import tapewire as tw\n\n\nclass Bad(tw.Strategy):\n"
        "    def on_trade(self, trade, context):\n        raise ValueError('of its own')\n"
    )
    bad = {"type": "bad.py:Bad"}
    stage.config(stage.model(), bad, replay={"speed": "realtime"})
    began_s = time.monotonic()
    done = tapewire_here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    assert time.monotonic() - began_s < 40
    assert done.returncode == 6
    assert "of its own" in done.stderr
    stage.require_nothing_left()


def test_one_of_two_dies(stage: Stage, tapewire_here: Any) -> None:
    digests = []
    for dies in (False, True):
        stage.config(
            stage.model("good", parameters=SLOW),
            stage.model("lean", parameters=SLOW, on_failure="continue_without"),
        )
        killer = None
        out = stage.folder / f"out{dies}"
        if dies:
            (stage.folder / "lean.pid").unlink()
            killer = Killer(stage, 0.3, called="lean")
        done = tapewire_here("run", stage.folder / "config.yaml", "-q", "-o", out)
        assert done.returncode == 0, done.stderr
        manifest = stage.manifest(out.name)
        digests.append(manifest["digests"])
        assert bool(manifest["models"]["lean"]["faults"]) == dies
        assert manifest["models"]["good"]["faults"] == []
        if killer is not None:
            killer.join()
    assert digests[0]["good"] == digests[1]["good"]
    assert digests[0]["market_maker"] == digests[1]["market_maker"]
    assert digests[0]["lean"] != digests[1]["lean"]
    stage.require_nothing_left(out.name)


@pytest.mark.parametrize("killed", [LONG(False), True])
def test_what_a_model_has_forked_is_gone_too(
    stage: Stage, tapewire_here: Any, killed: bool
) -> None:
    stage.config(stage.model(kind="Forking", on_failure="continue_without", parameters=SLOW))
    killer = Killer(stage, 0.2, called="lean") if killed else None
    done = tapewire_here("run", stage.folder / "config.yaml", "-q", "-o", stage.folder / "out")
    assert done.returncode == 0, done.stderr
    if killer is not None:
        killer.join()
        assert killer.sent_s is not None
    stage.require_nothing_left()
