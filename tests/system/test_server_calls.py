"""What a call meets at a server: numbers, figures, spans, a busy server, one that ends."""

import asyncio
import contextlib
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from served import Inner, bearer, inner_server, refused
from tapewire.errors import ConfigError, EndpointError
from tapewire.services.client import Client
from tapewire.services.proto import (
    accounts_pb2,
    accounts_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    strategies_pb2,
)
from tapewire.services.server.accounts import Accounts
from tapewire.services.server.rules import SERVICES
from tapewire.services.server.settings import ServerSettings
from tapewire.services.server.traces import Traces

WHO = "/tapewire.v1.AuthService/WhoAmI"


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inner]:
    with inner_server(tmp_path_factory.mktemp("inner"), metrics="127.0.0.1:0") as server:
        yield server


@pytest.fixture(scope="module")
def token(inner: Inner) -> str:
    return inner.token()


@pytest.fixture
def channel(inner: Inner) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(inner.address) as channel:
        yield channel


class Held:
    """``WhoAmI`` answers when it is let, so that a test knows that calls go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.going, self._gate = threading.Semaphore(0), asyncio.Event()

        async def held(_self: Any, request: Any, context: Any) -> Any:
            self.going.release()
            await self._gate.wait()
            return accounts_pb2.WhoAmIResponse()

        monkeypatch.setattr(Accounts, "WhoAmI", held)

    def let(self, inner: Inner) -> None:
        inner.loop.call_soon_threadsafe(self._gate.set)


# --- numbers and figures --------------------------------------------------------------------------


def test_a_call_has_a_number_that_its_client_and_the_log_know(
    inner: Inner, channel: grpc.Channel, token: str
) -> None:
    who = accounts_pb2_grpc.AuthServiceStub(channel).WhoAmI
    _, call = who.with_call(accounts_pb2.WhoAmIRequest(), metadata=bearer(token), timeout=20)
    own = dict(call.trailing_metadata())["x-request-id"]
    given = (*bearer(token), ("x-request-id", "mine-7.a"))
    _, call = who.with_call(accounts_pb2.WhoAmIRequest(), metadata=given, timeout=20)
    assert dict(call.trailing_metadata())["x-request-id"] == "mine-7.a"
    wrong = (*bearer(token), ("x-request-id", 'forged", "user": "root'))
    _, call = who.with_call(accounts_pb2.WhoAmIRequest(), metadata=wrong, timeout=20)
    numbers = [own, "mine-7.a", dict(call.trailing_metadata())["x-request-id"]]
    assert len(set(numbers)) == 3
    with pytest.raises(grpc.RpcError) as error:
        who(accounts_pb2.WhoAmIRequest(), timeout=20)
    numbers.append(dict(error.value.trailing_metadata())["x-request-id"])
    logged = {number: inner.logged(number) for number in numbers}
    assert "forged" not in inner.text()
    assert logged[own]["user"] == "ada"
    assert logged[own]["address"] == "127.0.0.1"
    assert logged[numbers[-1]]["reason"] == "NO_TOKEN"


def test_the_page_has_the_names_of_the_specification(
    inner: Inner, channel: grpc.Channel, token: str
) -> None:
    before = inner.figure("grpc_server_handling_seconds_count", method=WHO, code="OK")
    who = accounts_pb2_grpc.AuthServiceStub(channel).WhoAmI
    for _ in range(3):
        who(accounts_pb2.WhoAmIRequest(), metadata=bearer(token), timeout=20)
    counted = inner.figure("grpc_server_handling_seconds_count", method=WHO, code="OK")
    assert counted - before == 3
    page = inner.server.measures._page
    with urllib.request.urlopen(f"http://127.0.0.1:{page.server_port}/metrics") as answer:
        text = answer.read().decode()
    for name in (
        'trading_strategies_total{status="generated"}',
        'trading_strategies_total{status="tested"}',
        "trading_live_positions_open 0.0",
        "trading_live_pnl_total 0.0",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "grpc_server_handling_seconds_bucket{",
        "grpc_server_msg_received_total{",
        "grpc_server_msg_sent_total{",
        "db_connections_active",
        'db_query_duration_seconds_bucket{le="0.005",query="user"}',
        'tapewire_refused_total{reason="NO_TOKEN"}',
    ):
        assert f"\n{name}" in text, name


def test_a_page_that_can_not_be_served_is_told(inner: Inner) -> None:
    port = inner.server.measures._page.server_port
    with pytest.raises(EndpointError, match="nobody can listen there for metrics"):
        type(inner.server.measures)().serve("127.0.0.1", port)


# --- gRPC's own services --------------------------------------------------------------------------


def test_health_as_load_balancers_ask_for_it(
    inner: Inner, channel: grpc.Channel, token: str
) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", *SERVICES):
        asked = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(asked, timeout=20).status == health_pb2.HealthCheckResponse.SERVING
    unknown = health_pb2.HealthCheckRequest(service="tapewire.v1.Nothing")
    assert refused(health.Check, unknown) == ("NOT_FOUND", "SERVICE")
    with pytest.raises(grpc.RpcError) as error:
        next(health.Watch(health_pb2.HealthCheckRequest(), timeout=20))
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_health_is_told_with_all_that_was_looked_at(inner: Inner) -> None:
    with Client(inner.address) as client:
        fine, details = client.health()
    assert fine
    kinds = {"database", "disk", "memory", "cpu", "services", "workers", "data"}
    assert set(details) == kinds
    assert details["workers"] == "0 at work, jobs: 0 running, 0 waiting"


def test_who_is_known_may_ask_what_calls_there_are(channel: grpc.Channel, token: str) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)

    def ask(**what: str) -> Any:
        request = reflection_pb2.ServerReflectionRequest(**what)
        return next(stub.ServerReflectionInfo(iter((request,)), metadata=bearer(token), timeout=20))

    listed = {one.name for one in ask(list_services="").list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health"} <= listed
    found = ask(file_containing_symbol="tapewire.v1.StrategyService").file_descriptor_response
    assert any(b"ListStrategiesRequest" in one for one in found.file_descriptor_proto)
    with pytest.raises(grpc.RpcError) as error:
        next(stub.ServerReflectionInfo(iter(()), timeout=20))
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


# --- messages that are none -----------------------------------------------------------------------


def test_what_is_no_message_is_refused_counted_and_logged(
    inner: Inner, channel: grpc.Channel, token: str
) -> None:
    call = channel.unary_unary("/tapewire.v1.StrategyService/List")
    malformed = inner.figure("tapewire_refused_total", reason="MALFORMED")
    never = inner.figure("tapewire_refused_total", reason="NO_MESSAGE")
    assert refused(call, b"\xff" * 40, metadata=bearer(token)) == ("INVALID_ARGUMENT", "MALFORMED")
    large = strategies_pb2.ListStrategiesRequest(where="x" * (5 << 20)).SerializeToString()
    assert refused(call, large, metadata=bearer(token))[0] == "RESOURCE_EXHAUSTED"
    assert inner.figure("tapewire_refused_total", reason="MALFORMED") == malformed + 1
    until = time.monotonic() + 10
    while inner.figure("tapewire_refused_total", reason="NO_MESSAGE") == never:
        assert time.monotonic() < until
        time.sleep(0.02)
    told = {one["fields"].get("status") for one in inner.lines()}
    assert {"INVALID_ARGUMENT", "NO_MESSAGE"} <= told


# --- a busy server, and one that ends -------------------------------------------------------------


def test_a_busy_server_sends_calls_away_and_says_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    with (
        inner_server(tmp_path, calls_max=3) as inner,
        grpc.insecure_channel(inner.address) as channel,
    ):
        token = inner.token()
        stub = accounts_pb2_grpc.AuthServiceStub(channel)
        asked = accounts_pb2.WhoAmIRequest()
        going = [stub.WhoAmI.future(asked, metadata=bearer(token), timeout=60) for _ in range(3)]
        assert all(held.going.acquire(timeout=30) for _ in range(3))
        for _ in range(5):
            came = refused(stub.WhoAmI, asked, metadata=bearer(token))
            assert came == ("RESOURCE_EXHAUSTED", "BUSY")
        health = health_pb2_grpc.HealthStub(channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=20).status == serving
        held.let(inner)
        assert all(one.result() is not None for one in going)
        assert stub.WhoAmI(asked, metadata=bearer(token), timeout=20) is not None
        assert inner.figure("tapewire_refused_total", reason="BUSY") == 5


def test_calls_that_go_on_end_and_new_ones_are_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    with inner_server(tmp_path, drain_s=30.0) as inner:
        token = inner.token()
        with grpc.insecure_channel(inner.address) as channel:
            stub = accounts_pb2_grpc.AuthServiceStub(channel)
            asked = accounts_pb2.WhoAmIRequest()
            watched = health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest(), metadata=bearer(token), timeout=60
            )
            assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
            going = [stub.WhoAmI.future(asked, metadata=bearer(token)) for _ in range(4)]
            assert all(held.going.acquire(timeout=30) for _ in range(4))
            ends = asyncio.run_coroutine_threadsafe(inner.server.stop(), inner.loop)
            assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert list(watched) == []
            with grpc.insecure_channel(inner.address, (("made", 2),)) as other:
                late = accounts_pb2_grpc.AuthServiceStub(other).WhoAmI
                assert refused(late, asked, metadata=bearer(token))[0] == "UNAVAILABLE"
            assert not ends.done()
            held.let(inner)
            assert all(one.result(30) is not None for one in going)
            ends.result(30)


def test_who_watches_a_job_is_sent_on_when_the_server_ends(tmp_path: Path) -> None:
    """At once, not when what may go on is cut off; the same job goes on at another server."""
    with inner_server(tmp_path, drain_s=60.0) as inner:
        token = inner.token()
        job = inner.store.add_job("generate", {}, 1, key="one")
        with grpc.insecure_channel(inner.address) as channel:
            stub = jobs_pb2_grpc.JobServiceStub(channel)

            def watch(after_seq: int) -> Any:
                request = jobs_pb2.WatchJobRequest(job_id=job.id, after_seq=after_seq)
                return stub.Watch(request, metadata=bearer(token), timeout=60)

            watched = [watch(0), watch(0), watch(job.seq)]
            assert [next(one).job.seq for one in watched[:2]] == [job.seq] * 2
            began_s = time.monotonic()
            ends = asyncio.run_coroutine_threadsafe(inner.server.stop(), inner.loop)
            for one in watched:
                with pytest.raises(grpc.RpcError) as error:
                    next(one)
                assert error.value.code() is grpc.StatusCode.UNAVAILABLE
            told = watched[0].details()
            assert f"watch job {job.id} again behind seq {job.seq}, another one takes over" in told
            assert dict(watched[0].trailing_metadata())["tapewire-reason"] == "DRAINING"
            ends.result(30)
            assert time.monotonic() - began_s < 30
    with inner_server(tmp_path) as other, grpc.insecure_channel(other.address) as channel:
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        request = jobs_pb2.WatchJobRequest(job_id=job.id, after_seq=job.seq)
        goes_on = stub.Watch(request, metadata=bearer(other.token()), timeout=60)
        other.store.cancel_job(job.id, by="test")
        assert [one.job.state for one in goes_on] == [jobs_pb2.JOB_STATE_CANCELED]


def test_calls_that_do_not_end_in_time_are_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    with inner_server(tmp_path, drain_s=0.3) as inner:
        token = inner.token()
        with grpc.insecure_channel(inner.address) as channel:
            stub = accounts_pb2_grpc.AuthServiceStub(channel)
            one = stub.WhoAmI.future(accounts_pb2.WhoAmIRequest(), metadata=bearer(token))
            assert held.going.acquire(timeout=30)
            began = time.monotonic()
            inner.done(inner.server.stop())
            assert time.monotonic() - began < 20
            assert one.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def test_who_calls_on_a_line_that_was_open_is_told_that_the_server_ends(
    inner: Inner, channel: grpc.Channel, token: str
) -> None:
    who = accounts_pb2_grpc.AuthServiceStub(channel).WhoAmI
    inner.server._guard.is_draining = True
    try:
        came = refused(who, accounts_pb2.WhoAmIRequest(), metadata=bearer(token))
    finally:
        inner.server._guard.is_draining = False
    assert came == ("UNAVAILABLE", "DRAINING")


# --- spans ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A receiver of OTLP over gRPC, and the spans that it got."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc

    got: list[Any] = []

    class Receiver(pb_grpc.TraceServiceServicer):  # type: ignore[misc]
        def Export(self, request: Any, context: Any) -> Any:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    got.extend(scope.spans)
            return pb.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    pb_grpc.add_TraceServiceServicer_to_server(Receiver(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}", got
    finally:
        server.stop(1).wait()


def test_spans_reach_a_collector_below_those_of_the_client(tmp_path: Path) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with collector() as (endpoint, got):
        with inner_server(tmp_path, traces=endpoint) as inner:
            token = inner.token()
            with grpc.insecure_channel(inner.address) as channel:
                told = (*bearer(token), ("traceparent", f"00-{trace}-{parent}-01"))
                who = accounts_pb2_grpc.AuthServiceStub(channel).WhoAmI
                who(accounts_pb2.WhoAmIRequest(), metadata=told, timeout=20)
                exported = channel.unary_stream("/tapewire.v1.StrategyService/Export")
                with pytest.raises(grpc.RpcError):
                    list(exported(b"", metadata=told, timeout=20))
        # The server has ended, and has sent what it had.
        ours = [one for one in got if one.trace_id.hex() == trace]
    call = next(one for one in ours if one.name == WHO.strip("/"))
    assert call.parent_span_id.hex() == parent
    asked = [one for one in ours if one.parent_span_id == call.span_id]
    assert {one.name for one in asked} == {"db.user", "db.session"}
    statuses = {
        one.name: part.value.string_value
        for one in ours
        for part in one.attributes
        if part.key == "rpc.grpc.status_code"
    }
    assert statuses[WHO.strip("/")] == "OK"
    assert statuses["tapewire.v1.StrategyService/Export"] == "INVALID_ARGUMENT"


def test_spans_of_calls_in_memory() -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from tapewire.services.server.traces import span_of

    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    traces = Traces(provider)
    with span_of(traces, "/a.B/C", {"authorization": "Bearer secret"}, "7") as span:
        with traces.asking("user"):
            pass
        span.end("INTERNAL")
    inner, outer = kept.get_finished_spans()
    assert (inner.name, outer.name) == ("db.user", "a.B/C")
    assert inner.parent.span_id == outer.context.span_id
    assert outer.attributes["tapewire.request_id"] == "7"
    assert not outer.status.is_ok
    assert "secret" not in outer.to_json()
    with span_of(None, "/a.B/C", {}, "8") as span:
        span.end("OK")
    assert len(kept.get_finished_spans()) == 2


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"gateways": 0}, "gateways: expected 1 to 64, found 0"),
        ({"gateways": 2, "metrics": "127.0.0.1:65535"}, "metrics: expected a port up to 65535"),
        ({"metrics": "9464"}, "metrics: expected as 127.0.0.1"),
        ({"drain_s": -1.0}, "drain: expected 0 to 3,600 s"),
        ({"traces": "collector"}, "traces: expected as http://127.0.0.1:4317"),
    ],
)
def test_settings_that_can_not_be(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        ServerSettings("127.0.0.1:0", "x.db", bytes(32), **given)
