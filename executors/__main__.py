"""``python -m tapewire.executors``: a worker, which does what its standard input says."""

import contextlib
import os
import signal
import sys
import threading
import time
from typing import IO, Any, Final

from tapewire.executors.lines import LINE_MAX, line_of, message_of
from tapewire.executors.tasks import failure_of, function_of

#: How often a worker looks whether its pool still lives.
_LOOK_S: Final = 0.5
#: What a worker that lost its pool ends with.
_ORPHANED: Final = 70


def main() -> int:
    """Do one task after the other until there are no more."""
    asked = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # What a task prints must not get between the answers.
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with(os.getppid())
    saying = threading.Lock()
    while line := asked.readline(LINE_MAX + 1):
        request = message_of(line)

        def tell(said: Any) -> None:
            _say(answers, saying, {"said": said})

        with contextlib.suppress(BrokenPipeError):
            _say(answers, saying, _answer(request, tell))
    return 0


def _answer(request: dict[str, Any], tell: Any) -> dict[str, Any]:
    try:
        answer = {"value": function_of(request["function"])(request["argument"], tell)}
        line_of(answer)
    except Exception as error:
        return {"failure": vars(failure_of(error))}
    return answer


def _say(answers: IO[bytes], saying: threading.Lock, message: dict[str, Any]) -> None:
    with saying:
        answers.write(line_of(message))
        answers.flush()


def _end_with(parent: int) -> None:
    """End this process when its pool is gone, even in the middle of a task."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(_ORPHANED)

    threading.Thread(target=look, name="tapewire-parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
