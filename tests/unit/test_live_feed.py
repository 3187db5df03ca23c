"""A live feed from a gateway that breaks off: each record once, and what is missing is told."""

import asyncio
import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import databento as db
import databento_dbn as dbn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streams
from live_gateway import (
    DATASET,
    KEY,
    SNAPSHOT,
    SYMBOLS,
    Cut,
    LiveGateway,
    Script,
    failure,
    market,
    serving,
    system,
)
from tapewire.errors import ConfigError, FeedError, FormatError
from tapewire.live import FeedRequest, GatewayAddress, LiveFeed
from tapewire.live import session as session_module
from tapewire.live.framing import Framer, RecordBlock, bounds, decode_messages
from tapewire.live.overlap import CatchUp, Recent, is_snapshot

REQUEST = FeedRequest(DATASET, ("ESH4",))
TIMEOUT_S = 15.0
PAUSES_S = (0.01, 0.02)


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.headers: list[bytes] = []
        self.blocks: list[RecordBlock] = []
        self.said: list[str] = []
        self.states: list[str] = []
        #: Records that are no part of a snapshot.
        self.live = 0

    def opened(self, header: bytes, metadata: Any) -> None:
        self.headers.append(header)

    def block(self, block: RecordBlock, received_ns: int) -> None:
        self.blocks.append(block)
        said = set(block.messages)
        self.live += sum(
            start not in said and not is_snapshot(block.data, start)
            for start, _ in bounds(block.data)
        )

    def told(self, text: str, state: str | None = None) -> None:
        self.said.append(text)
        self.states += [] if state is None else [state]

    def mbo(self) -> bytes:
        """The market data, one behind the other."""
        return b"".join(
            block.data[start:end].tobytes()
            for block in self.blocks
            for start, end in bounds(block.data)
            if start not in block.messages
        )


def take(
    gateway: LiveGateway, *, until: int | None = None, request: FeedRequest = REQUEST, **more: Any
) -> tuple[LiveFeed, Kept]:
    """Take so many records behind a snapshot, by default all, or what comes until it fails."""
    kept = Kept()
    given = {"address": gateway.address, "pauses_s": PAUSES_S, **more}
    feed = LiveFeed(request, KEY, kept, **given)
    flags = gateway.script.records["flags"]
    wanted = int(np.count_nonzero(flags & SNAPSHOT == 0)) if until is None else until
    until_s = time.monotonic() + TIMEOUT_S

    def should_stop() -> bool:
        assert time.monotonic() < until_s, (feed.counts, kept.said)
        return kept.live >= wanted

    asyncio.run(feed.run(should_stop))
    return feed, kept


# --- cuts -----------------------------------------------------------------------------------------


def test_each_record_comes_once_however_sessions_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "GRACE_S", 0.3 - session_module.HEARTBEAT_S)
    records = market(4_000, late_ns=10**6)
    cuts = [
        Cut(500, 300), Cut(700, 0, "reset"), Cut(400, 10, "part"), Cut(300, 1, "silence"),
        Cut(0, 5), Cut(200, 7, "noise"),
    ]  # fmt: skip
    with serving(Script(records, SYMBOLS, cuts)) as gateway:
        feed, kept = take(gateway)
        assert kept.mbo() == records.tobytes()
    counts = feed.counts
    assert (counts.sessions, counts.cuts, counts.gaps_ns) == (7, 6, [])
    assert counts.repeated > 5_000
    first, *others = (asked[0] for asked in gateway.asked)
    assert (first["snapshot"], first.get("start")) == ("1", None)
    assert [one["snapshot"] for one in others] == ["0"] * 6
    whole = ["cut", "live"] * 6
    # The fifth ends as it begins: its last words may be lost with it.
    assert kept.states in (whole, whole[:9] + whole[10:])
    for part in ("has hung up", "reset", "has said nothing", "can't be read"):
        assert any(part in text for text in kept.said), kept.said


@settings(max_examples=12, deadline=None)
@given(
    cuts=st.lists(
        st.builds(
            Cut,
            st.integers(0, 150),
            st.integers(0, 150),
            st.sampled_from(["close", "reset", "part", "noise"]),
        ),
        max_size=5,
    ),
    seed=st.integers(0, 2**32),
    late_ns=st.sampled_from([0, 1_000, 10**5, 10**9]),
    pieces=st.integers(1, 3_000),
)
def test_any_cuts(cuts: list[Cut], seed: int, late_ns: int, pieces: int) -> None:
    if cuts:  # who has nothing but a part of a snapshot begins anew, later
        cuts[0] = replace(cuts[0], after=cuts[0].after + 1, how="close")
    records = market(600, late_ns=late_ns, seed=seed)
    with serving(Script(records, SYMBOLS, cuts, pieces=pieces)) as gateway:
        feed, kept = take(gateway)
        assert kept.mbo() == records.tobytes()
        assert feed.counts.gaps_ns == []


def test_a_snapshot_that_was_cut_is_asked_for_anew() -> None:
    records = market(300, snapshot=100)
    script = Script(records, SYMBOLS, [Cut(0, 0, "reset"), Cut(0, 0, "part")])
    with serving(script) as gateway:
        _, kept = take(gateway)
    assert [asked[0]["snapshot"] for asked in gateway.asked] == ["1", "1", "1"]
    assert kept.mbo()[-(300 * 56) :] == records.tobytes()


def test_a_feed_goes_on_behind_what_is_there() -> None:
    records = market(1_000)
    with serving(Script(records, SYMBOLS, [Cut(400, 200)])) as gateway:
        _, kept = take(gateway, until=400)
        recent = Recent()
        for block in kept.blocks:
            recent.add(block)
        gateway.turn.acquire()  # until the first session has ended
        gateway.turn.release()
        _, behind = take(gateway, until=580, recent=recent)
    assert kept.mbo() + behind.mbo() == records.tobytes()


# --- what is missing ------------------------------------------------------------------------------


def test_what_the_gateway_has_no_more_is_a_gap() -> None:
    records = market(1_000)
    script = Script(records, SYMBOLS, [Cut(300, 200), Cut(0, 0)], aged_out=1)
    with serving(script) as gateway:
        feed, kept = take(gateway, until=300 + 480)
    assert [asked[0]["snapshot"] for asked in gateway.asked] == ["1", "0", "1"]
    [(from_ns, to_ns)] = feed.counts.gaps_ns
    assert from_ns == int(records["ts_event"][:320].max())
    assert to_ns >= int(records["ts_event"][520])
    assert any("are missing" in text for text in kept.said)
    live = kept.mbo()
    assert live[: 320 * 56] == records[:320].tobytes()
    assert live[-(480 * 56) :] == records[520:].tobytes()


def test_a_gateway_that_forgets_is_told() -> None:
    records = market(1_000)
    with serving(Script(records, SYMBOLS, [Cut(300, 200)], forgets={250, 251})) as gateway:
        feed, kept = take(gateway)
    assert any("has not sent 2 records again" in text for text in kept.said)
    assert len(feed.counts.gaps_ns) == 1


def test_what_was_missed_is_there_though_all_before_is_forgotten() -> None:
    records = market(1_000)
    with serving(Script(records, SYMBOLS, [Cut(300, 200)], forgets=set(range(320)))) as gateway:
        feed, kept = take(gateway)
    assert kept.mbo() == records.tobytes()
    assert len(feed.counts.gaps_ns) == 1


def test_what_it_skips_is_a_gap() -> None:
    code = dbn.ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING
    slow = system("Warning: slow reading", dbn.SystemCode.SLOW_READER_WARNING)
    says = {500: [slow], 600: [slow, failure("skipped 12 records", code)]}
    records = market(1_000)
    with serving(Script(records, SYMBOLS, says=says, pieces=1)) as gateway:
        feed, kept = take(gateway)
    assert kept.mbo() == records.tobytes()
    assert feed.counts.slow_warnings == 2
    assert len(feed.counts.gaps_ns) == 1
    assert sum("is read too slowly" in text for text in kept.said) == 1


# --- refusals -------------------------------------------------------------------------------------


def refused(script: Script, match: str, **more: Any) -> None:
    with serving(script) as gateway, pytest.raises(FeedError, match=match) as caught:
        take(gateway, **more)
    assert KEY not in str(caught.value)


def test_a_key_that_is_refused_ends_it_at_once() -> None:
    script = Script(market(100), SYMBOLS, refuses=["Authentication failed."])
    refused(script, "refuses the key: Authentication failed.: see databento.com/portal/keys")


def test_a_key_that_it_had_let_in_is_tried_again() -> None:
    records = market(200)
    script = Script(records, SYMBOLS, [Cut(100, 50, then=["too many connections"])])
    with serving(script) as gateway:
        _, kept = take(gateway)
    assert kept.mbo() == records.tobytes()
    assert any("which it had let in: too many connections" in text for text in kept.said)


def test_a_subscription_that_is_refused_ends_it() -> None:
    code = dbn.ErrorCode.INVALID_SUBSCRIPTION
    says = {30: [failure("no such schema for this dataset", code)]}
    refused(Script(market(100), SYMBOLS, says=says), "no such schema for this dataset")


def test_nobody_there_and_nobody_there_any_more() -> None:
    refused(
        Script(market(100), SYMBOLS),
        r"can't be reached: .*given up after 0 s",
        address=GatewayAddress("127.0.0.1", 1),
        first_patience_s=0.05,
    )
    script = Script(market(100), SYMBOLS, [Cut(50), *[Cut(0)] * 50])
    refused(script, "has hung up; given up after", patience_s=0.1)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"dataset": "glbx"}, "dataset: expected one like GLBX.MDP3, found 'glbx'"),
        ({"symbols": ()}, "symbols: expected 1 to 2,000, found 0"),
        ({"symbols": ("ES|x=1",)}, "expected plain symbols, found"),
        ({"schemas": ("trades",)}, "schemas: expected mbo, and beside it some of"),
        ({"stype_in": "isin"}, "stype_in: expected one of raw_symbol"),
    ],
)
def test_what_can_not_be_asked(bad: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        replace(REQUEST, **bad)


@pytest.mark.parametrize("text", ["gateway", "host:", "host:0", "host:70000", ":13000"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="expected host:port"):
        GatewayAddress.typed(text)


# --- its parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"HTTP/1.1 400 Bad Request", "expected the header of a DBN stream, found b'HTTP/1.1'"),
        (b"DBN\x03" + (2**31).to_bytes(4, "little"), "expected the header"),
        (b"DBN\x03" + (4).to_bytes(4, "little") + b"abcd", "its header can't be read"),
    ],
)
def test_what_is_no_stream(data: bytes, match: str) -> None:
    with pytest.raises(FormatError, match=match):
        Framer("here").feed(data)


@given(cuts=st.lists(st.integers(0, 3_000), max_size=8))
@settings(max_examples=30, deadline=None)
def test_bytes_in_any_pieces_are_the_same_records(cuts: list[int]) -> None:
    records = market(40, snapshot=0).tobytes()
    said = system("Heartbeat", dbn.SystemCode.HEARTBEAT)
    data = streams.dbn_header(schema=None) + records[:560] + said + records[560:]
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    framer, blocks = Framer("here"), []
    for begin, end in itertools.pairwise(edges):
        block = framer.feed(data[begin:end])
        if block is not None:
            blocks.append(block)
            for message in decode_messages(block, framer.metadata):
                assert message.is_heartbeat()
    assert (
        b"".join(block.data.tobytes() for block in blocks) == records[:560] + said + records[560:]
    )
    assert sum(block.records for block in blocks) == 41
    assert sum(len(block.messages) for block in blocks) == 1
    assert framer.left_bytes == 0


def test_what_is_kept_is_bounded() -> None:
    """With more than may be kept in two seconds, less of them is asked for again."""
    records = market(4_000, snapshot=0)
    recent = Recent(kept_bytes_max=20_000)
    for block in blocks_of(records, 100):
        recent.add(block)
    start_ns = recent.start_ns
    again = records[records["ts_event"] >= start_ns]
    assert 200 <= len(again) <= 400
    catch_up = CatchUp(recent)
    [block] = blocks_of(again, len(again))
    assert catch_up.left_of(block) is None
    assert (catch_up.missing, catch_up.dropped, catch_up.is_over) == (0, len(again), True)


def blocks_of(records: np.ndarray, size: int) -> list[RecordBlock]:
    return [
        RecordBlock(
            np.frombuffer(part.tobytes(), np.uint8), len(part), (), int(part["ts_event"].max())
        )
        for part in (records[at : at + size] for at in range(0, len(records), size))
    ]


def test_a_message_that_is_none_ends_the_session() -> None:
    records = market(300)
    said = bytearray(system("Heartbeat", dbn.SystemCode.HEARTBEAT))
    said[0] = 5  # as long as no such message is
    script = Script(records, SYMBOLS, [Cut(80)], says={150: [bytes(said[:20])]})
    with serving(script) as gateway:
        feed, kept = take(gateway)
    assert kept.mbo() == records.tobytes()
    assert feed.counts.cuts == 2
    assert any("can't be read" in text for text in kept.said)


# --- the gateway of these tests -------------------------------------------------------------------


def test_databentos_own_client_is_served_by_it() -> None:
    """So that what is proven here is proven against their protocol."""
    records = market(500)
    heard: list[bytes] = []
    with serving(Script(records, SYMBOLS, [Cut(480)])) as gateway:
        client = db.Live(key=KEY, gateway="127.0.0.1", port=gateway.address.port)
        client.subscribe(DATASET, "mbo", ["ESH4"], snapshot=True)
        client.add_callback(lambda record: heard.append(bytes(record)))
        client.start()
        client.block_for_close(timeout=TIMEOUT_S)
    assert b"".join(one for one in heard if one[1] == 0xA0) == records.tobytes()
    assert gateway.asked[0][0]["schema"] == "mbo"


def test_nothing_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with serving(Script(market(300), SYMBOLS, [Cut(50)] * 3)) as gateway:
        take(gateway)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
