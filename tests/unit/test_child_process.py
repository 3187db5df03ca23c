"""A child process says what went wrong in its own words, and never outlives its owner."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model_runs import alive
from tapewire.children import Child
from tapewire.errors import FormatError, PeerLostError
from tapewire.processes.child import ChildProcess


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of its own, which a child can be started with by the name ``spoken``."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "spoken.py"


def ended(child: ChildProcess) -> BaseException:
    while (error := child.error()) is None:
        time.sleep(0.02)
    with pytest.raises(type(error)) as caught:
        child.check()
    return caught.value


def test_it_reads_what_it_is_told_and_its_first_line_is_heard_whole(module: Path) -> None:
    module.write_text("import sys; print(sys.stdin.read(), sys.argv[1]); print('more')")
    with ChildProcess("the child", "spoken", ["--loudly"], told=b"hello") as child:
        while (line := child.first_line()) is None:
            child.check()
        child.wait_end()
    assert line == "hello --loudly"


def says(kind: str) -> str:
    line = f'{{"kind": "{kind}", "message": "no DBN"}}'
    return f"print({line!r}, file=sys.stderr); print('kind {kind}', file=sys.stderr); sys.exit(3)"


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (says("FormatError"), FormatError, "no DBN"),
        (
            says("Exception"),
            PeerLostError,
            "the child (pid {pid}) ended with 3; its last words: kind Exception",
        ),
        ("sys.exit(7)", PeerLostError, "the child (pid {pid}) ended with 7"),
        (
            f"os.kill(os.getpid(), {int(signal.SIGKILL)})",
            PeerLostError,
            "the child (pid {pid}) was killed by SIGKILL",
        ),
    ],
)
def test_its_end_is_an_error_of_the_class_it_named_or_says_how_it_ended(
    module: Path, code: str, kind: type[Exception], message: str
) -> None:
    module.write_text(f"import os, sys\n{code}\n")
    with ChildProcess("the child", "spoken") as child:
        error = ended(child)
    assert type(error) is kind
    assert str(error) == message.format(pid=child.pid)


def test_one_that_does_not_read_what_it_is_told_is_not_waited_for_for_ever() -> None:
    child = Child([sys.executable, "-c", "import time; time.sleep(600)"], has_stdin=True)
    try:
        with pytest.raises(TimeoutError, match="has read nothing more in"):
            child.tell(bytes(1 << 20), timeout_s=0.2)
    finally:
        child.end(0.0)


def test_one_that_does_not_want_to_end_is_killed(module: Path) -> None:
    module.write_text(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('here'); time.sleep(600)\n"
    )
    with ChildProcess("the child", "spoken") as child:
        while child.first_line() is None:
            child.check()
        assert child.error() is None  # it lives
    assert str(child.error()) == f"the child (pid {child.pid}) was killed by SIGKILL"


def test_an_end_that_takes_its_time_is_waited_for(module: Path) -> None:
    """As on a busy host: its connection is closed, and it still has to put things away."""
    late = says("FormatError").replace("sys.exit(3)", "import time; time.sleep(1.5); sys.exit(3)")
    module.write_text(f"import sys; print('on my way', flush=True); {late}")
    with ChildProcess("the child", "spoken") as child:
        while child.first_line() is None:
            time.sleep(0.02)
        assert child.error(0.01) is None
        assert isinstance(child.error(10.0), FormatError)


OWNER = """
import time
from tapewire.processes.child import ChildProcess
print(ChildProcess("the child", "spoken").pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("loaded", [False, True], ids=["loading", "loaded"])
def test_one_that_is_still_loading_ends_with_its_owner(module: Path, loaded: bool) -> None:
    """What is loaded tidies up first: nobody else ends it."""
    said = module.with_name("said")
    begun = "from tapewire.children import is_loaded; is_loaded()\n" if loaded else ""
    module.write_text(f"{begun}open({str(said)!r}, 'w').close()\nimport time; time.sleep(60)")
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    while not said.exists():
        time.sleep(0.02)
    owner.kill()
    owner.communicate()
    until_s = time.monotonic() + (0.3 if loaded else 5.0)
    while time.monotonic() < until_s and alive(pid):
        time.sleep(0.02)
    assert alive(pid) == loaded
    if loaded:
        os.kill(pid, signal.SIGKILL)


def test_one_whose_owner_was_gone_before_it_began_does_not_begin(module: Path) -> None:
    module.write_text("print('begun')")
    command = [sys.executable, "-m", "tapewire.children", str(os.getppid()), "spoken"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (70, "")
