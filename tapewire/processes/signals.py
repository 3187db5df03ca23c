"""Ctrl-C and SIGTERM as one error, at a moment that can be cleaned up after."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final, Self

from tapewire.errors import InterruptedRunError, TapewireError

#: How often a thread looks whether others are there.
_LOOK_S: Final = 0.05
#: The bindings of what makes machine code.
_LLVM: Final = "llvmlite"


class Signals:
    """Turns Ctrl-C and SIGTERM into a request that the run looks at between two batches.

    Inside `immediate` the request interrupts at once, by ``KeyboardInterrupt``; so does a second
    one anywhere. Outside the main thread, where Python has no say in signals, nothing is caught.

    An interrupt that comes while a library's object is given back (ZeroMQ looks for signals there)
    can't be raised, and Python drops it: it is made to come once more. One that comes while LLVM
    loads or compiles is put off: its bindings say to whom memory belongs in a second step, and are
    called back by it, where what is raised is lost. Half done, either ends the process as it is.
    """

    def __init__(self) -> None:
        self._number = 0
        self._immediate = False
        self._previous: dict[int, Any] = {}
        self._lost: list[TapewireError] = []
        self._put_off_second: bool | None = None  # of one that is put off: whether it is a second
        self._told_of_dropped: Callable[[sys.UnraisableHookArgs], Any] = sys.unraisablehook

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._caught)
            self._told_of_dropped = sys.unraisablehook
            sys.unraisablehook = self._dropped
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._previous:
            sys.unraisablehook = self._told_of_dropped
        self._previous = {}

    def _caught(self, number: int, frame: FrameType | None) -> None:
        second, self._put_off_second = self._put_off_second, None
        if second is None:  # else it comes once more
            second = bool(self._lost) or self._number != 0
        if not self._lost:
            self._number = number
        if not (self._immediate or second):
            return
        if not _is_within(_LLVM, frame):
            raise KeyboardInterrupt
        self._put_off_second = second
        self._put_off()

    def _dropped(self, what: "sys.UnraisableHookArgs") -> None:
        if not issubclass(what.exc_type, KeyboardInterrupt):
            self._told_of_dropped(what)
            return
        self._put_off()  # raised in here it would be dropped again

    def _put_off(self) -> None:
        """Have the signal come once more, from a thread."""
        timer = threading.Timer(_LOOK_S, self._come_again)
        timer.daemon = True
        timer.start()

    def _come_again(self) -> None:
        if self._previous:
            signal.pthread_kill(threading.main_thread().ident or 0, self._number or signal.SIGINT)

    @contextlib.contextmanager
    def immediate(self) -> Iterator[None]:
        """Let a signal interrupt what has no step to stop at: compiling, writing a report."""
        self.check()
        self._immediate = True
        try:
            yield
        finally:
            self._immediate = False

    @contextlib.contextmanager
    def watching(self, check: Callable[[], None]) -> Iterator[None]:
        """Let what a check raises end what asks nobody, which may take minutes: compiling.

        ``check`` is called in a thread; inside `immediate`, as a signal would.

        Raises
        ------
        TapewireError
            What it raised.
        """
        if not self._previous:
            yield
            return
        done = threading.Event()

        def look() -> None:
            while not done.wait(_LOOK_S):
                try:
                    check()
                except TapewireError as error:
                    self._lost.append(error)
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                    return

        thread = threading.Thread(target=look, name="tapewire-watching", daemon=True)
        try:
            thread.start()  # in here: it may have looked before this one goes on
            try:
                yield
            finally:
                done.set()
                thread.join()
                if self._lost:
                    time.sleep(4 * _LOOK_S)  # its signal comes in here, if it has not come yet
        except KeyboardInterrupt:
            if not self._lost:
                raise
            raise self._lost.pop() from None

    @property
    def asked(self) -> bool:
        """Whether the user asked to stop."""
        return self._number != 0

    def check(self) -> None:
        """Raise `InterruptedRunError` if the user asked to stop."""
        if self._number:
            raise self.error()

    def error(self) -> InterruptedRunError:
        """Return the error that says which signal stopped the run."""
        number = self._number or signal.SIGINT
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        error = InterruptedRunError(f"stopped by {name} before the end of the data")
        error.exit_code = 128 + number
        return error


def _is_within(package: str, frame: FrameType | None) -> bool:
    """Whether what was interrupted was called by a package, or is it."""
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == package:
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def heeding(wanted: bool) -> Iterator[Callable[[], None]]:
    """Catch signals, if wanted; give what is to be called where they may end what goes on."""
    if not wanted:
        yield _heed_nothing
        return
    with Signals() as signals:
        yield signals.check


def _heed_nothing() -> None:
    """Nobody is asked."""


@contextlib.contextmanager
def interruptible() -> Iterator[Signals]:
    """Let Ctrl-C and SIGTERM end at once what has no step to stop at.

    Raises
    ------
    InterruptedRunError
        Saying which signal it was, once everything inside has cleaned up after itself.
    """
    with Signals() as signals:
        try:
            with signals.immediate():
                yield signals
        except KeyboardInterrupt:
            raise signals.error() from None
