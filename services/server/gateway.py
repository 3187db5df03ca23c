"""One gateway of several: a process that serves the port that others serve, too."""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tapewire.errors import TapewireError
from tapewire.services.server.settings import ServerSettings

#: What a gateway prints when it listens; an error's sentence comes behind the other.
READY: Final = "ready"
FAILED: Final = "failed "
_PATHS: Final = ("certificate", "private_key", "data", "strategies", "runs", "accounts")


def settings_text(settings: ServerSettings, number: int) -> str:
    """Return a line that starts a gateway: its settings, and the number of shared memory."""
    told: dict[str, Any] = asdict(settings)
    told["token_secret"] = settings.token_secret.hex()
    for name in _PATHS:
        told[name] = str(told[name]) if told[name] is not None else None
    return json.dumps({"settings": told, "shared": number}) + "\n"


def settings_of(line: str) -> tuple[ServerSettings, int]:
    """Return what such a line says."""
    told = json.loads(line)
    given = told["settings"]
    given["token_secret"] = bytes.fromhex(given["token_secret"])
    for name in _PATHS:
        given[name] = Path(given[name]) if given[name] is not None else None
    return ServerSettings(**given), int(told["shared"])


def main() -> None:
    """Serve as the first line of standard input says, until that ends or a signal comes."""
    # Not by the buffered stream: nothing of what comes behind may be read already.
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return
        line += byte
    settings, number = settings_of(line.decode())
    from tapewire.services.auth.shared import SharedState
    from tapewire.services.server.launching import fast_loop, prepare
    from tapewire.services.server.serving import serve
    from tapewire.store import Store

    try:
        prepare(settings)
        store = Store.open(settings.store, create=False)
        with asyncio.Runner(loop_factory=fast_loop) as runner:
            runner.run(
                serve(
                    settings,
                    store,
                    shared=SharedState(number),
                    ready=lambda _port, _server: print(READY, flush=True),
                    lifeline=0,
                )
            )
    except TapewireError as error:
        print(f"{FAILED}{error}", flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
