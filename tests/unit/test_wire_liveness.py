"""Liveness in virtual time: who is silent, who only says that it is alive, who is due a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import PeerLostError, ProtocolError
from tapewire.wire import messages as msg
from tapewire.wire.liveness import HEARTBEAT_S, UNHEARD_HEARTBEATS_MAX, Patience, Presence
from tapewire.wire.peers import Peer

NAME = "the model process (pid 7)"


def test_silence_over_the_deadline_names_the_peer() -> None:
    peer = Presence(NAME, 1.5)
    peer.heard(10.0)
    peer.require_heard(11.5, "after frame 3")
    assert not peer.silent(11.5)
    with pytest.raises(PeerLostError) as caught:
        peer.require_heard(11.6, "after frame 3")
    assert str(caught.value) == f"{NAME} fell silent for 1.5 s after frame 3"


def test_a_word_begins_the_deadline_anew() -> None:
    peer = Presence(NAME, 1.0)
    for now_s in range(10):
        peer.heard(float(now_s))
        peer.require_heard(now_s + 0.9, "")
    assert peer.silent(10.1)


def test_before_its_first_word_nobody_is_silent() -> None:
    peer = Presence(NAME, 1.0)
    assert not peer.silent(1e9)
    assert not peer.was_heard
    peer.heard(1e9)
    assert peer.was_heard
    assert peer.silent(1e9 + 2)


def test_silence_is_excused_while_nobody_listened() -> None:
    peer = Presence(NAME, 1.0)
    peer.heard(0.0)
    peer.excuse(100.0)
    assert not peer.silent(100.9)
    assert peer.silent(101.1)


def test_heartbeats_are_due_only_where_nothing_else_was_said() -> None:
    peer = Presence(NAME)
    assert peer.heartbeat_due(0.0)
    peer.said(0.0)
    assert not peer.heartbeat_due(HEARTBEAT_S)
    assert peer.heartbeat_due(HEARTBEAT_S + 0.1)
    peer.said(HEARTBEAT_S)
    assert not peer.heartbeat_due(HEARTBEAT_S + 0.1)


def test_heartbeats_to_a_busy_peer_are_bounded() -> None:
    peer = Presence(NAME)
    sent = 0
    for tick in range(100_000):  # a bit under three hours
        if peer.heartbeat_due(tick / 10):
            peer.said(tick / 10)
            peer.said_heartbeat()
            sent += 1
    assert sent == UNHEARD_HEARTBEATS_MAX
    peer.heard(10_000.0)
    assert peer.heartbeat_due(10_000.0)


def test_of_two_ends_that_are_alive_none_is_lost() -> None:
    """Each looks in every 0.1 s, says a heartbeat when it is due, and hears of it 0.4 s later."""
    ends = [Presence("one", 2.0), Presence("other", 2.0)]
    under_way: list[tuple[float, int]] = []
    beats = 0
    for end in ends:
        end.excuse(0.0)
    for tick in range(36_000):
        now_s = tick / 10
        while under_way and under_way[0][0] <= now_s:
            ends[under_way.pop(0)[1]].heard(now_s)
        for index, end in enumerate(ends):
            end.require_heard(now_s, "")
            if end.heartbeat_due(now_s):
                end.said(now_s)
                end.said_heartbeat()
                beats += 1
                under_way.append((now_s + 0.4, 1 - index))
    assert 2 * 3_000 < beats <= 2 * 3_600


@given(st.floats(0.1, 10.0), st.lists(st.floats(0.0, 20.0), max_size=20))
def test_a_peer_is_lost_at_the_first_gap_beyond_its_deadline(
    timeout_s: float, gaps_s: list[float]
) -> None:
    peer = Presence(NAME, timeout_s)
    now_s = 0.0
    peer.heard(now_s)
    for gap_s in gaps_s:
        before_s, now_s = now_s, now_s + gap_s
        assert peer.silent(now_s) == (now_s - before_s > timeout_s)
        peer.heard(now_s)


def test_who_is_alive_and_gets_nothing_done_is_given_up_by_name() -> None:
    peer, patience = Presence(NAME, 1.0), Patience(5.0)
    patience.renew(0.0)
    for tick in range(50):
        peer.heard(tick / 10)  # heartbeats extend nothing
        patience.require(tick / 10, peer, "has answered nothing", "after frame 2")
    peer.heard(5.1)
    with pytest.raises(PeerLostError) as caught:
        patience.require(5.1, peer, "has answered nothing", "after frame 2")
    assert str(caught.value) == f"{NAME} is alive but has answered nothing for 5 s after frame 2"
    patience.renew(5.1)
    patience.require(10.0, peer, "has answered nothing")
    with pytest.raises(PeerLostError, match=r"answered nothing for 5 s$"):
        patience.require(10.2, peer, "has answered nothing")


# --- a receiver of the stream: both, and its credit --------------------------------------------


@pytest.fixture
def receiver() -> Peer:
    hello = msg.Hello(2, "router", 7, "", "inline", 2)
    peer = Peer(b"x", hello, None, 0.0, timeout_s=1.0, stall_timeout_s=10.0)
    peer.welcomed(0.0, 0)
    return peer


def test_a_receiver_with_nothing_to_consume_did_not_stall(receiver: Peer) -> None:
    receiver.require_alive(1_000.0, "")  # not in its loop yet: it may be as silent as it likes
    receiver.spend(1_000.0)
    receiver.require_alive(1_010.0, "")
    with pytest.raises(PeerLostError, match=r"has consumed nothing for 10 s after batch 0"):
        receiver.require_alive(1_010.1, "after batch 0")


def test_a_receiver_with_something_to_consume_may_be_silent(receiver: Peer) -> None:
    receiver.release(0, 0.0)
    receiver.spend(0.0)
    receiver.require_alive(9.0, "")
    receiver.release(1, 9.0)
    receiver.heard(9.0)
    receiver.require_alive(10.0, "")
    with pytest.raises(PeerLostError, match=r"the router process \(pid 7\) fell silent for 1 s"):
        receiver.require_alive(10.1, "")


def test_each_credit_begins_the_time_to_consume_anew(receiver: Peer) -> None:
    receiver.spend(0.0)
    receiver.spend(5.0)
    receiver.release(1, 9.0)
    receiver.require_alive(19.0, "")
    with pytest.raises(PeerLostError, match="has consumed nothing"):
        receiver.require_alive(19.1, "")
    with pytest.raises(ProtocolError, match="credit for batches before 3, expected 1 to 2"):
        receiver.release(3, 19.1)


def test_a_credit_that_is_said_again_is_no_progress(receiver: Peer) -> None:
    receiver.spend(0.0)
    receiver.spend(0.0)
    receiver.release(1, 5.0)
    for now_s in range(6, 16):
        receiver.release(1, float(now_s))
    receiver.require_alive(15.0, "")
    with pytest.raises(PeerLostError, match="has consumed nothing for 10 s"):
        receiver.require_alive(15.1, "")
