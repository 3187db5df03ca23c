"""Bytes written by a thread: all of them, in order; what goes wrong there is told here."""

import threading

import numpy as np
import pytest

from tapewire.inputs.behind import WriteBehind


def test_everything_arrives_in_order_whatever_becomes_of_the_callers_memory() -> None:
    got: list[bytes] = []
    threads: set[str] = set()

    def consume(data: memoryview) -> None:
        threads.add(threading.current_thread().name)
        got.append(bytes(data))

    block = np.zeros(40, np.uint8)
    wanted = []
    with WriteBehind(consume) as sink:
        for k in range(100):
            block[:] = k
            size = 1 + k % 40
            assert sink.write(block[:size].data) == size
            wanted.append(bytes([k] * size))
    assert got == wanted
    assert len(threads) == 1
    assert threading.current_thread().name not in threads
    assert not [t for t in threading.enumerate() if t.name.startswith("tapewire-write")]


@pytest.mark.parametrize("blocks", [1, 2, 50])
def test_an_error_of_the_thread_reaches_the_caller(blocks: int) -> None:
    def consume(data: memoryview) -> None:
        raise OSError("no space left")

    def write_all() -> None:
        with WriteBehind(consume) as sink:
            for _ in range(blocks):
                sink.write(memoryview(b"abc"))

    with pytest.raises(OSError, match="no space left"):
        write_all()


def test_what_waits_is_dropped_where_the_caller_fails() -> None:
    first, go_on = threading.Event(), threading.Event()
    got: list[bytes] = []

    def consume(data: memoryview) -> None:
        first.set()
        assert go_on.wait(10)
        got.append(bytes(data))

    def fail() -> None:
        with WriteBehind(consume) as sink:
            sink.write(memoryview(b"a"))
            sink.write(memoryview(b"b"))
            assert first.wait(10)
            threading.Timer(0.05, go_on.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert got == [b"a"]
