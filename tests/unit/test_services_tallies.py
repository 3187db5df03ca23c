"""Figures that are told by tallies, against those of Prometheus' own client library."""

import random
import threading

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from tapewire.services.server.measures import Measures
from tapewire.services.server.tallies import LabelTally

BOUNDS = (0.001, 0.005, 0.5, 1.0, 60.0)


def lines_of(registry: CollectorRegistry) -> list[str]:
    found = generate_latest(registry).decode().splitlines()
    return [line for line in found if "_created" not in line]


def test_a_page_has_the_same_lines() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = LabelTally("took_seconds", "What it took.", ("method", "code"), BOUNDS)
    ours.register(tally)
    slow = Histogram("took_seconds", "What it took.", ("method", "code"), registry=theirs,
                     buckets=BOUNDS)  # fmt: skip
    draw = random.Random(7)
    for value in (*BOUNDS, 0.0, 100.0, *(draw.expovariate(5) for _ in range(200))):
        labels = (draw.choice(("/a/B", '/c"\n/D')), draw.choice(("OK", "NOT_FOUND")))
        tally.add(labels, value)
        slow.labels(*labels).observe(value)
    assert lines_of(ours) == lines_of(theirs)
    assert sum(tally.counts().values()) == 207


def test_threads_lose_no_count() -> None:
    tally = LabelTally("took_seconds", "What it took.", ("query",), BOUNDS)
    threads = [
        threading.Thread(target=lambda: [tally.add(("x",), 0.5) for _ in range(5_000)])
        for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert tally.counts() == {("x",): 20_000}


def test_messages_are_those_of_calls_and_of_streams() -> None:
    measures = Measures()
    for status in ("OK", "OK", "NOT_FOUND"):
        measures.handled("/a/B", status, 0.002)
    for _ in range(3):
        measures.sent("/a/Watch")
    measures.handled("/a/Watch", "OK", 1.0)

    def figure(name: str, method: str, **more: str) -> float | None:
        return measures.registry.get_sample_value(name, {"method": method, **more})

    assert figure("grpc_server_msg_received_total", "/a/B") == 3
    assert figure("grpc_server_msg_sent_total", "/a/B") == 2
    assert figure("grpc_server_msg_sent_total", "/a/Watch") == 4
    assert figure("grpc_server_handling_seconds_count", "/a/B", code="NOT_FOUND") == 1
    assert figure("grpc_server_handling_seconds_bucket", "/a/B", code="OK", le="0.002") == 2
