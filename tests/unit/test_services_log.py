"""Lines of the log: written together, a little later, and none is lost."""

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
import structlog

from tapewire.services.proto import accounts_pb2
from tapewire.services.server import log_lines
from tapewire.services.server.log_lines import LINES_MAX, LogLines, write_log_to
from tapewire.services.server.moments import put_moment


class Writes(io.StringIO):
    """Counts how often it is written to."""

    count = 0

    def write(self, text: str) -> int:
        self.count += 1
        return super().write(text)


@pytest.fixture
def stream() -> Iterator[Writes]:
    yield Writes()
    structlog.reset_defaults()


def test_lines_of_a_loop_are_written_together(stream: Writes) -> None:
    lines = LogLines(stream)

    async def work() -> None:
        for k in range(5):
            lines.info(str(k))
        assert stream.count == 0
        await asyncio.sleep(3 * log_lines.WAIT_S)
        assert (stream.count, stream.getvalue()) == (1, "0\n1\n2\n3\n4\n")
        lines.info("5")
        lines.warning("6")
        assert stream.getvalue().endswith("4\n5\n6\n")

    asyncio.run(work())
    # One that ended before its time came has not taken the next one's with it.
    asyncio.run(asyncio.sleep(0))

    async def again() -> None:
        lines.info("7")
        await asyncio.sleep(3 * log_lines.WAIT_S)

    asyncio.run(again())
    assert stream.getvalue().endswith("6\n7\n")


def test_those_that_wait_are_bounded(stream: Writes) -> None:
    lines = LogLines(stream)

    async def work() -> None:
        for k in range(2 * LINES_MAX + 1):
            lines.info(str(k))

    asyncio.run(work())
    assert stream.count == 2
    lines.flush()
    assert stream.getvalue().split() == [str(k) for k in range(2 * LINES_MAX + 1)]


def test_a_thread_without_a_loop_writes_at_once_and_nothing_is_lost(stream: Writes) -> None:
    lines = LogLines(stream)

    def work(name: int) -> None:
        for k in range(500):
            lines.info(f"{name}-{k}")

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for one in threads:
        one.start()

    async def beside() -> None:
        for k in range(500):
            lines.info(f"loop-{k}")
            await asyncio.sleep(0)

    asyncio.run(beside())
    for one in threads:
        one.join(30)
    lines.flush()
    found = stream.getvalue().split()
    assert len(found) == len(set(found)) == 2_500
    for name in (*range(4), "loop"):
        own = [one for one in found if one.startswith(f"{name}-")]
        assert own == [f"{name}-{k}" for k in range(500)]


def test_a_line_has_the_keys_of_the_specification(stream: Writes) -> None:
    write_log_to(stream, "tapewire.test")
    log = structlog.get_logger("x").bind()
    log.debug("nothing")
    log.info("call", user="ünï", number=1.5, odd=ValueError("x"))
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("bug", method="m")
    one, other = map(json.loads, stream.getvalue().splitlines())
    assert one.pop("timestamp").endswith("Z")
    assert one == {
        "level": "INFO", "target": "tapewire.test", "message": "call",
        "fields": {"user": "ünï", "number": 1.5, "odd": "x"},
    }  # fmt: skip
    assert other["level"] == "ERROR"
    assert "ValueError: broken" in other["fields"]["exception"]


def test_what_no_text_can_hold_is_written_all_the_same(stream: Writes) -> None:
    write_log_to(stream)
    structlog.get_logger().info("odd \ud800", number=float("nan"), deep={"é": [1, None]})
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert line["message"] == "odd \ud800"
    assert line["fields"]["deep"] == {"é": [1, None]}


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 11, 27, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC),
        datetime(2026, 7, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_moments_are_those_of_the_protocols_own_way(moment: datetime) -> None:
    fast, slow = accounts_pb2.User(), accounts_pb2.User()
    put_moment(fast.created_at, moment)
    slow.created_at.FromDatetime(moment)
    assert fast == slow
    assert fast.HasField("created_at")
