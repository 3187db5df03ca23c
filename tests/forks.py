"""Commands as forks of one process that has everything imported: a start costs seconds.

A fork has what a fresh process has, its own folder, environment and standard streams; it lacks the
time of imports, and has the replay in a thread. What starting itself has to show is shown by
`Tapewire` of conftest.py. Run as a program, this is the process that is forked.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

#: Longest a fork may take; it may have to compile kernels.
TIMEOUT_S = 100
_MESSAGE_BYTES_MAX = 1 << 20
Ended = subprocess.CompletedProcess[str]
#: What ``tapewire`` is on the path of a page: it asks for a fork that takes its place, and hands on
#: to it that it is to end.
_COMMAND = """#!{python} -IS
import json, os, signal, socket, sys
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.connect({address!r})
asked = {{"argv": ["tapewire", *sys.argv[1:]], "cwd": os.getcwd(), "env": dict(os.environ)}}
socket.send_fds(line, [json.dumps(asked | {{"tells_pid": True}}).encode()], [0, 1, 2])
fork = int(line.recv(16))
signal.signal(signal.SIGTERM, lambda *_: os.kill(fork, signal.SIGTERM))
sys.exit((line.recv(1) or b"\\1")[0])
"""


class Forks:
    """The process that is forked, from outside; it and its forks end with this object.

    Parameters
    ----------
    folder
        Where its socket is, and a ``tapewire`` that is a fork.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._address = str(folder / "forks")
        command = folder / "tapewire"
        command.write_text(_COMMAND.format(python=sys.executable, address=self._address))
        command.chmod(0o700)
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    @property
    def env(self) -> dict[str, str]:
        """This environment with a path on which ``tapewire`` is a fork."""
        folders = (self._folder, Path(sys.executable).parent, os.environ["PATH"])
        return {**os.environ, "PATH": ":".join(map(str, folders))}

    def tapewire(self, *arguments: object, cwd: Path) -> Ended:
        """Run ``tapewire …`` in a folder."""
        return self._run(["tapewire", *map(str, arguments)], cwd)

    def python(self, code: str, *arguments: str, cwd: Path) -> Ended:
        """Run code as ``python -c`` does."""
        return self._run(["-c", *arguments], cwd, code=code)

    def _run(self, argv: list[str], cwd: Path, **more: str) -> Ended:
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line,
            Path(os.devnull).open() as nothing,
        ):
            line.settimeout(TIMEOUT_S)
            line.connect(self._address)
            asked = json.dumps({"argv": argv, "cwd": str(cwd), "env": self.env, **more})
            streams = [stream.fileno() for stream in (nothing, out, err)]
            socket.send_fds(line, [asked.encode()], streams)
            ended = line.recv(1) or b"\1"
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read().decode())
        return subprocess.CompletedProcess(argv, ended[0], *said)

    def close(self) -> None:
        """End the process and whatever is left of its forks."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def _serve(address: str) -> None:
    """Be forked, once for each connection."""
    _load()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that none has to be waited for
        assert threading.active_count() == 1
        print("ready", flush=True)
        while True:
            # Nobody ever writes to it: it ends with a session of tests that was killed.
            if sys.stdin in select.select([listening, sys.stdin], [], [])[0]:
                os.killpg(0, signal.SIGKILL)
            line, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _become(line)
            line.close()


def _load() -> None:
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import tapewire.analytics.report
    import tapewire.cli.display
    import tapewire.processes.transports
    import tapewire.runs.assembly
    import tapewire.runs.wiring
    from tapewire.replay.merge import warm_up

    warm_up()
    tapewire.runs.wiring._call_kernels(["market_maker", "sma_crossover"], abroad=False)
    tapewire.processes.transports.cores = lambda: 1


def _become(line: socket.socket) -> None:
    """Do in this fork what was asked for, tell its exit code, and end."""
    text, streams, _, _ = socket.recv_fds(line, _MESSAGE_BYTES_MAX, 3)
    asked = json.loads(text)
    if asked.get("tells_pid"):
        line.send(str(os.getpid()).encode())
    for to, stream in enumerate(streams):
        os.dup2(stream, to)
        os.close(stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as are the next: for life
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = asked["argv"]
    sys.path[0] = "" if "code" in asked else str(Path(sys.executable).parent)
    code = _exit_code(lambda: _main(asked))
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    line.send(bytes([code]))
    os._exit(0)


def _main(asked: dict[str, Any]) -> None:
    if "code" not in asked:
        from tapewire.cli.program import main

        main()
    module = sys.modules["__main__"] = ModuleType("__main__")
    exec(compile(asked["code"], "<string>", "exec"), module.__dict__)


def _exit_code(work: Callable[[], None]) -> int:
    try:
        work()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
