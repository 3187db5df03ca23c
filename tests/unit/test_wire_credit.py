"""Credit: never more under way than granted, never a sender left waiting for nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ProtocolError
from tapewire.wire.credit import CreditReturn, CreditWindow


def test_no_more_is_sent_than_was_granted() -> None:
    credit = CreditWindow(2)
    for _ in range(2):
        assert credit.open
        credit.spend()
    assert not credit.open
    with pytest.raises(RuntimeError, match="2 messages are under way and 2 granted"):
        credit.spend()
    assert credit.sent == 2


def test_credit_opens_the_window_by_as_much_as_came_back() -> None:
    credit = CreditWindow(2)
    credit.spend()
    credit.spend()
    credit.release(1)
    credit.spend()
    assert not credit.open
    assert not credit.idle
    credit.release_all()
    assert credit.open
    assert credit.idle


@pytest.mark.parametrize("released", [0, 3, 2**62])
def test_credit_goes_neither_back_nor_beyond_what_was_sent(released: int) -> None:
    credit = CreditWindow(4)
    credit.spend()
    credit.spend()
    credit.release(1)
    with pytest.raises(ProtocolError, match=f"batches before {released}, expected 1 to 2"):
        credit.release(released, "batches")
    assert (credit.sent, credit.released) == (2, 1)


@pytest.mark.parametrize(("window", "said_at"), [(1, [1, 2, 3, 4]), (4, [2, 4]), (5, [3])])
def test_credit_goes_back_in_halves(window: int, said_at: list[int]) -> None:
    credit = CreditReturn(window)
    said = []
    for number in range(1, 5):
        if credit.release():
            said.append(number)
            credit.told()
    assert said == said_at
    assert credit.owed == (said[-1] < 4)


@given(st.integers(1, 64), st.integers(1, 200), st.data())
def test_whatever_the_order_of_things_all_messages_come_and_few_are_under_way(
    window: int, count: int, data: st.DataObject
) -> None:
    """Both ends over a line that delays both ways, in any order; only time may pass in vain."""
    sender, receiver = CreditWindow(window), CreditReturn(window)
    under_way, credits_under_way, done = 0, list[int](), 0
    while done < count:
        steps = []
        if sender.open and sender.sent < count:
            steps.append("send")
        if under_way:
            steps.append("consume")
        if not under_way and receiver.owed:  # it is about to wait: all that is owed goes back
            steps.append("wait")
        if credits_under_way:
            steps.append("credit")
        assert steps, "both ends wait for each other"
        step = data.draw(st.sampled_from(steps))
        if step == "send":
            sender.spend()
            under_way += 1
        elif step == "consume":
            under_way -= 1
            done += 1
            if receiver.release():
                credits_under_way.append(receiver.released)
                receiver.told()
        elif step == "wait":
            credits_under_way.append(receiver.released)
            receiver.told()
        else:
            sender.release(credits_under_way.pop(0))
        assert under_way <= sender.sent - sender.released <= window
        assert len(credits_under_way) <= window
    assert sender.sent == receiver.released == count
