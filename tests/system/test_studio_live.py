"""Sessions over HTTP: who may start and end them, what is seen of them, what is refused."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from browsers import Browser
from served import PASSWORD, Inner, inner_server
from tapewire.services.client import Client, ServerRefusal
from tapewire.services.server.live import DURATION_S_MAX
from tapewire.store import JobStore
from tapewire.store.jobs import ONCE

ROLES = {"ada": "trader", "vera": "viewer"}
CONFIG = """\
backtest:
  data_source: {type: synthetic, events: 1000}
  replay: {speed: realtime}
strategy: {type: market_maker}
"""
FEED = "live: {dataset: GLBX.MDP3, symbols: [ESH4]}\nstrategy: {type: market_maker}\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inner]:
    folder = tmp_path_factory.mktemp("live")
    with inner_server(folder, ROLES, web="127.0.0.1:0", runs=folder / "runs") as inner:
        yield inner


def browser_of(served: Inner, name: str) -> Browser:
    browser = Browser(served.server.web_port)
    assert browser.login(name, PASSWORD)[0] == 200
    return browser


@pytest.fixture(scope="module")
def ada(served: Inner) -> Browser:
    return browser_of(served, "ada")


def call(browser: Browser, name: str, **told: Any) -> tuple[int, dict[str, Any]]:
    return browser.call(f"LiveTradingService/{name}", **told)


def started(browser: Browser, key: str, config: str = CONFIG) -> int:
    status, found = call(browser, "Start", config=config, idempotency_key=key)
    assert status == 200, found
    return int(found["job"]["id"])


def told(body: bytes) -> list[dict[str, Any]]:
    """What a stream told, but for its end."""
    parts = body.decode().split("\n\n")
    return [json.loads(one[6:]) for one in parts if one.startswith("data: ")]


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        (CONFIG.replace("realtime", "max"), "backtest.replay.speed: expected realtime"),
        (FEED.replace("[ESH4]", "[]"), "live.symbols"),
        (FEED.replace("[ESH4]", "[ESH4], gateway: 'host:1'"), "live.gateway: expected none"),
        (FEED.replace("[ESH4]", "[ESH4], orders: {}"), "live.orders: expected none from a server"),
        (FEED.replace("market_maker", "/etc/passwd.py"), "strategy.type"),
        ("live: 3", "live: expected a mapping"),
    ],
)
def test_what_may_not_be_asked_for_is_said_with_its_key(ada: Browser, yaml: str, said: str):
    status, found = call(ada, "CheckConfig", yaml=yaml)
    assert status == 200
    assert any(said in one for one in found["problems"]), found["problems"]
    status, found = call(ada, "Start", config=yaml, idempotency_key="k")
    assert status == 400
    assert said in found["error"]


def test_a_form_has_the_feed_and_both_examples_can_be_started(ada: Browser):
    _, found = call(ada, "Describe")
    live = json.loads(found["schema"])["properties"]["live"]["properties"]
    assert {"dataset", "symbols", "max_lag_ms"} <= set(live)
    assert "orders" not in live
    for yaml in (found["example"], FEED):
        assert call(ada, "CheckConfig", yaml=yaml)[1]["problems"] == []


def test_a_session_is_a_job_that_is_begun_once(served: Inner, ada: Browser):
    first = started(ada, "one")
    assert started(ada, "one") == first
    job = served.store.job(first)
    assert (job.kind, job.attempts_max) == ("live", 1)
    for duration_s in (0, -1, DURATION_S_MAX + 1):
        status, found = call(
            ada, "Start", config=CONFIG, idempotency_key="x", duration_s=duration_s
        )
        assert status == 400
        assert "duration_s" in found["error"]
    status, found = call(ada, "Pause", job_id=first)
    assert status in (404, 409)
    assert "has not begun" in found["error"]
    ada.call("JobService/Cancel", job_id=first)


def test_who_looks_sees_a_session_and_only_a_trader_ends_it(served: Inner, ada: Browser):
    job_id = started(ada, "two")
    claimed = served.store.claim_job("test", ONCE, lease_s=60)
    assert claimed is not None
    assert claimed.id == job_id
    vera = browser_of(served, "vera")
    with JobStore.of_job(served.store.url, job_id, claimed.attempt) as session:
        session.tell_live(job_id, None)
        for number in range(3):
            session.tell_live(job_id, json.dumps({"number": number}))
        for name in ("Start", "Stop", "Pause", "Resume", "Kill", "CheckConfig"):
            assert call(vera, name, job_id=job_id)[0] in (400, 403)
        assert call(vera, "Kill", job_id=job_id)[0] == 403
        for name, wish in (("Pause", "pause"), ("Resume", "go"), ("Stop", "stop")):
            status, found = call(ada, name, job_id=job_id)
            assert (status, found["session"]["wish"]) == (200, wish)
            assert session.tell_live(job_id, None)[0] == wish
        session.finish({"run": "job-x"})
    status, _, body = vera.ask(
        "POST", "/api/stream/LiveTradingService/Watch",
        json.dumps({"job_id": job_id}), x_tapewire="1", content_type="application/json",
    )  # fmt: skip
    assert status == 200
    (seen,) = told(body)
    assert json.loads(seen["state"]) == {"number": 2}
    assert (seen["session"]["wish"], seen["session"]["wished_by"]) == ("stop", "ada")
    assert seen["job"]["state"] == "JOB_STATE_DONE"
    status, found = call(ada, "Kill", job_id=job_id)
    assert "found it done" in found["error"]
    actions = [one.action for one in served.store.audit(limit=50)]
    assert [one for one in actions if one.endswith("_session")] == [
        "stop_session", "go_session", "pause_session",
    ]  # fmt: skip


def test_a_session_that_is_canceled_ends_in_order_and_at_once_the_second_time(
    served: Inner, ada: Browser
):
    job_id = started(ada, "canceled")
    claimed = served.store.claim_job("test", ONCE, lease_s=60)
    assert claimed is not None

    def cancel() -> bool:
        """Whether its worker is to end it."""
        status, found = ada.call("JobService/Cancel", job_id=job_id)
        assert (status, found["job"]["state"]) == (200, "JOB_STATE_RUNNING")
        return served.store.renew_job(job_id, claimed.attempt, lease_s=60)

    with JobStore.of_job(served.store.url, job_id, claimed.attempt) as session:
        session.tell_live(job_id, None)
        assert cancel() is False
        assert session.tell_live(job_id, None)[0] == "stop"
        assert cancel() is True
        assert session.tell_live(job_id, None)[0] == "stop"
        assert [one.action for one in served.store.audit(limit=2)] == ["cancel_job", "stop_session"]
        session.finish({"run": "job-x"})
    # One that was killed is not told to stop, and one that has told nothing yet ends at once.
    for wish in ("kill", ""):
        job_id = started(ada, f"canceled {wish}")
        claimed = served.store.claim_job("test", ONCE, lease_s=60)
        assert claimed is not None
        with JobStore.of_job(served.store.url, job_id, claimed.attempt) as session:
            if wish:
                session.tell_live(job_id, None)
                assert call(ada, "Kill", job_id=job_id)[0] == 200
            assert cancel() is True
            assert session.tell_live(job_id, None)[0] == wish
            session.finish({"run": "job-x"})


def test_the_client_starts_watches_and_ends_a_session(served: Inner):
    with Client(served.address) as client:
        client.login("ada", PASSWORD)
        job = client.start_session(CONFIG, duration_s=60.0, key="client")
        assert client.start_session(CONFIG, duration_s=60.0, key="client") == job
        assert (job.kind, job.state) == ("live", "waiting")
        with pytest.raises(ServerRefusal, match="has not begun"):
            client.stop_session(job.id)
        claimed = served.store.claim_job("test", ONCE, lease_s=60)
        assert claimed is not None
        with JobStore.of_job(served.store.url, job.id, claimed.attempt) as session:
            session.tell_live(job.id, json.dumps({"number": 1}))
            watch = client.watch_session(job.id)
            first = next(watch)
            assert (first.state, first.wish, first.job.state) == ({"number": 1}, "", "running")
            assert client.pause_session(job.id) == "pause"
            assert client.resume_session(job.id) == "go"
            assert client.stop_session(job.id) == "stop"
            assert client.kill_session(job.id) == "kill"
            session.finish({"run": "job-x"})
        (*_, last) = watch
        assert (last.wish, last.wished_by, last.job.state) == ("kill", "ada", "done")
        assert last.seq > first.seq
        assert client.job_result(job.id) == {"run": "job-x"}


def test_a_watch_has_four_messages_a_second_at_most(served: Inner, ada: Browser):
    job_id = started(ada, "three")
    claimed = served.store.claim_job("test", ONCE, lease_s=60)
    assert claimed is not None

    def tells() -> None:
        with JobStore.of_job(served.store.url, job_id, claimed.attempt) as session:
            for number in range(60):
                session.tell_live(job_id, json.dumps({"number": number}))
                time.sleep(0.02)
            session.finish({"run": "job-x"})

    telling = threading.Thread(target=tells)
    began_s = time.monotonic()
    telling.start()
    _, _, body = ada.ask(
        "POST", "/api/stream/LiveTradingService/Watch",
        json.dumps({"job_id": job_id}), x_tapewire="1", content_type="application/json",
    )  # fmt: skip
    elapsed_s = time.monotonic() - began_s
    telling.join()
    states = told(body)
    assert 3 <= len(states) <= 4 * elapsed_s + 3 < 60
    assert json.loads(states[-1]["state"]) == {"number": 59}
