"""Scenes of `killing` whose processes are stopped for a while, or whose user has had enough.

What may come of a stop: nothing, or an error that names a process and a deadline. What has to come
of Ctrl-C and SIGTERM: an end within two seconds, one sentence, nothing half-written, and a command
that goes on or begins anew.
"""

import os
import random
import signal
import time
from collections.abc import Callable

from killing import (
    COMMAND_TIMEOUT_S,
    END_TIMEOUT_S,
    SLACK_S,
    Scene,
    clear,
    require_no_debris,
    require_whole_again,
    started,
)
from model_runs import alive

#: Far below any deadline; and beyond those of the run's own processes.
STOP_S, LONG_STOP_S = (0.05, 1.0), (7.0, 10.0)
#: What a stopped user waits at most, on top of `SLACK_S` of a busy machine, s.
SIGNAL_TIMEOUT_S = 2.0
_SIGNALS = {signal.SIGINT: ("Ctrl-C", 130), signal.SIGTERM: ("SIGTERM", 143)}


def play_stop(
    scene: Scene, command: Callable[..., list[str]], victim: str, seed: int, *, long: bool
) -> bool:
    """Stop one process for a while; return whether it made a difference."""
    draw = random.Random(f"stop {victim} {seed}")
    moment_s = draw.random() * scene.lives[victim][1]
    stop_s = draw.uniform(*(LONG_STOP_S if long else STOP_S))
    clear(scene)
    with started(scene, command) as one:
        pids = one.wait_for(victim)
        time.sleep(moment_s)
        pids = [pid for pid in pids if alive(pid)]
        pid = draw.choice(pids) if pids else 0
        if pid:
            os.kill(pid, signal.SIGSTOP)
            end_s = time.monotonic() + stop_s
            while time.monotonic() < end_s and alive(pid):  # who names it may have killed it
                time.sleep(0.02)
            if alive(pid):
                os.kill(pid, signal.SIGCONT)
        error = one.wait(COMMAND_TIMEOUT_S)
        code = one.process.returncode
        where = f"{victim} (pid {pid}) stopped {moment_s:.3f} s after its start for {stop_s:.3f} s"
        one.require_gone(time.monotonic() + END_TIMEOUT_S + SLACK_S)
    manifest = scene.manifest()
    if code == 0:
        assert manifest["status"] == "complete", where
        assert manifest["digest"] == scene.digest, where
    else:
        assert long, (where, error)
        assert code in (5, 6), (where, code, error)
        assert error.startswith("error: "), (where, error)
        assert "Traceback" not in error, (where, error)
        assert "(pid " in error, (where, error)
        assert manifest.get("status") != "complete", where
    require_no_debris(scene, where)
    if code:
        require_whole_again(scene, command, where)
    return code != 0


def play_signal(scene: Scene, command: Callable[..., list[str]], seed: int) -> float:
    """Ctrl-C or SIGTERM at a drawn moment, to the command or to all of its terminal.

    Returns how long it took to end, s; below 0 where it was done before.
    """
    draw = random.Random(f"signal {seed}")
    moment_s = draw.random() * scene.lives["command"][1]
    number = draw.choice(list(_SIGNALS))
    to_all = number == signal.SIGINT and draw.random() < 0.5
    clear(scene)
    with started(scene, command) as one:
        time.sleep(moment_s)
        (os.killpg if to_all else os.kill)(one.process.pid, number)
        sent_s = time.monotonic()
        error = one.wait(SIGNAL_TIMEOUT_S + SLACK_S)
        took_s, code = time.monotonic() - sent_s, one.process.returncode
        where = f"{number.name} {moment_s:.3f} s after its start, to all: {to_all}, code {code}"
        one.require_gone(time.monotonic() + SLACK_S)
    require_no_debris(scene, where)
    name, expected = _SIGNALS[number]
    manifest = scene.manifest()
    if code == 0:  # it was done
        assert manifest["digest"] == scene.digest, where
        return -1.0
    if code == -number:  # before Python had said who takes it, or when nobody does any more
        assert not scene.out.exists() or manifest.get("status") == "complete", where
    else:
        assert code == expected, (where, error)
        last = error.splitlines()[-1]
        assert last.startswith("error: "), (where, error)
        assert "stopped" in last, (where, error)
        assert name in last or "--resume" in last, (where, error)
        assert "Traceback" not in error, (where, error)
        if (scene.out / "study.json").exists():
            assert "--resume" in last, (where, error)
    # What is whole may have been so just before: then it is that of an undisturbed run.
    if manifest.get("status") == "complete":
        assert manifest["digest"] == scene.digest, where
    elif scene.out.exists() and not (scene.out / "study.json").exists():
        final = {path.name for path in scene.out.iterdir()}
        assert final <= {"manifest.json"}, (where, final)
    require_whole_again(scene, command, where)
    return took_s
