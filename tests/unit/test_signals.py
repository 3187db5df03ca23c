"""Ctrl-C, SIGTERM and peers that are lost, where nobody asks for them."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

from tapewire.errors import InterruptedRunError, PeerLostError
from tapewire.processes.signals import Signals, interruptible

LONG_S = 30.0


def lost_after(seconds: float) -> Callable[[], None]:
    until_s = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() >= until_s:
            raise PeerLostError("the replay is gone")

    return check


def fine() -> None:
    """Nobody is lost."""


def test_a_lost_peer_ends_what_asks_nobody() -> None:
    began_s = time.monotonic()
    with Signals() as signals:
        with (
            pytest.raises(PeerLostError, match="the replay is gone"),
            signals.immediate(),
            signals.watching(lost_after(0.1)),
        ):
            time.sleep(LONG_S)
        assert time.monotonic() - began_s < LONG_S / 2
        signals.check()  # it was no signal of the user's
        with signals.immediate():
            time.sleep(0.1)


def test_it_is_told_once_even_where_the_work_ends_at_that_moment() -> None:
    told = 0
    with Signals() as signals:
        for k in range(20):
            try:
                with signals.immediate(), signals.watching(lost_after(0.0)):
                    time.sleep(0.04 + k * 0.001)
            except PeerLostError:
                told += 1
            time.sleep(0.01)  # nothing comes after it
    assert told


def test_the_users_own_signal_stays_one() -> None:
    with Signals() as signals:
        threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGTERM]).start()
        with pytest.raises(KeyboardInterrupt), signals.immediate(), signals.watching(fine):
            time.sleep(LONG_S)
        with pytest.raises(InterruptedRunError, match="stopped by SIGTERM"):
            signals.check()


def test_where_signals_are_not_ours_nobody_watches() -> None:
    done: list[str] = []

    def work() -> None:
        with Signals() as signals, signals.immediate(), signals.watching(lost_after(0.0)):
            time.sleep(0.2)
            done.append("whole")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["whole"]


def sleep_on_a_dropped_interrupt() -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    Finalized()
    time.sleep(LONG_S)


def test_an_interrupt_that_python_drops_comes_again() -> None:
    began_s = time.monotonic()
    before = signal.getsignal(signal.SIGTERM)  # a library may have set its own in this process
    with pytest.raises(InterruptedRunError, match="stopped by SIGTERM"), interruptible():
        sleep_on_a_dropped_interrupt()
    assert time.monotonic() - began_s < LONG_S / 2
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_else_python_drops_is_told_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ZeroDivisionError

    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: told.append(what.exc_type))
    with Signals():
        Broken()
    assert told == [ZeroDivisionError]


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_waits_until_llvm_has_loaded_what_it_loads() -> None:
    """What its callbacks raise is lost, and what was to be loaded is then at address 0."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    source = "define i32 @seven() { ret i32 7 }"
    machine = llvm.Target.from_default_triple().create_target_machine()
    code = machine.emit_object(llvm.parse_assembly(source))
    given: list[int] = []

    def compiled(module: object) -> bytes:
        interrupt()
        time.sleep(0.3)  # and the one that comes once more finds it there, too
        return bytes(code)

    engine = llvm.create_mcjit_compiler(
        llvm.parse_assembly(source), llvm.Target.from_default_triple().create_target_machine()
    )
    engine.set_object_cache(getbuffer_func=compiled)

    def load() -> None:
        engine.finalize_object()
        given.append(engine.get_function_address("seven"))
        time.sleep(LONG_S)

    began_s = time.monotonic()
    with Signals() as signals:
        with pytest.raises(KeyboardInterrupt), signals.immediate():
            load()
        assert signals.asked
    assert time.monotonic() - began_s < LONG_S / 2
    assert ctypes.CFUNCTYPE(ctypes.c_int)(given[0])() == 7


def test_one_that_was_put_off_is_no_second_one() -> None:
    namespace = {"__name__": "llvmlite.binding", "interrupt": interrupt, "time": time}
    exec("def load():\n    interrupt()\n    time.sleep(0.01)\n", namespace)
    with Signals() as signals:
        with signals.immediate():
            namespace["load"]()  # type: ignore[operator]
        time.sleep(0.3)  # it comes where nothing is to be interrupted
        with pytest.raises(InterruptedRunError):
            signals.check()
        with pytest.raises(KeyboardInterrupt):
            interrupt()
