"""A measured process says what went wrong, and nothing of it outlives the bench."""

import os
import sys
import time
from pathlib import Path

import pytest

from tapewire.bench.processes import run_child
from tapewire.errors import SimulationError


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_its_output_is_returned_and_its_environment_is_given() -> None:
    code = "import os; print(os.environ.get('BENCH_TEST'))"
    assert run_child(python(code), env={**os.environ, "BENCH_TEST": "yes"}) == "yes\n"


def test_a_failure_is_one_sentence_with_its_last_line() -> None:
    with pytest.raises(SimulationError, match=r"ended with code 3: the reason"):
        run_child(python("import sys; print('noise\\nthe reason', file=sys.stderr); sys.exit(3)"))
    with pytest.raises(SimulationError, match="it said nothing"):
        run_child(python("import sys; sys.exit(1)"))


def test_one_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(SimulationError, match=r"expected this to end within 1 s"):
        run_child(python(code), timeout_s=1)
    deadline_s = time.monotonic() + 5
    while any(_lives(int(pid)) for pid in pids.read_text().split()):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_how_far_it_is_is_told_meanwhile_and_is_no_reason() -> None:
    code = (
        "import sys; print('progress: half', file=sys.stderr); print('said');"
        "print('the reason', file=sys.stderr); print('progress: all', file=sys.stderr);"
        "sys.exit(int(sys.argv[1]))"
    )
    told: list[str] = []
    assert run_child([*python(code), "0"], tell=told.append) == "said\n"
    assert told == ["half", "all"]
    with pytest.raises(SimulationError, match="code 3: the reason"):
        run_child([*python(code), "3"], tell=told.append)
