"""A server for a team as a process of its own, with a folder of data and workers."""

import signal
import subprocess
import sys
from pathlib import Path

from served import PASSWORD
from tapewire.services.client import Client


class Serving:
    """A server with a folder of data, and as many workers as it is asked for."""

    def __init__(self, folder: Path, data: Path, workers: int) -> None:
        self.folder = folder
        command = [
            sys.executable, "-m", "tapewire", "serve", "--dev", "--address", "127.0.0.1:0",
            "--data", str(data), "--workers", str(workers),
        ]  # fmt: skip
        self.log = (folder / "log.jsonl").open("w")
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(3)]
        self.process.stdout.close()
        self.address, self.password = lines[0].split()[-1], lines[1].split()[-1]

    def client(self, name: str = "dev") -> Client:
        client = Client(self.address)
        client.login(name, self.password if name == "dev" else PASSWORD)
        return client

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        self.log.close()


def logged_in(server: Serving) -> None:
    """Log in, from the command line, as who may do all."""
    login = subprocess.run(
        [sys.executable, "-m", "tapewire", "login", server.address, "--user", "dev",
         "--password-stdin"],
        input=f"{server.password}\n", text=True, capture_output=True, timeout=100, check=True,
    )  # fmt: skip
    assert "admin" in login.stdout
