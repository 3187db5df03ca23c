"""Numbers, times and whole messages of FIX 4.4, by examples worked by hand and published ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tapewire.errors import BrokerError, ProtocolError
from tapewire.live.brokers.fix import fields as fld
from tapewire.live.brokers.fix.frames import (
    BODY_BYTES_MAX,
    NOISE_BYTES_MAX,
    FixFrames,
    FixReceived,
    frame_of,
    require_sendable,
    trailer,
)
from tapewire.live.brokers.fix.values import (
    lots_of,
    number_of,
    price_of,
    price_text,
    time_of,
    time_text,
)

HEAD = [(49, "FIRM"), (56, "VENUE"), (34, "2"), (52, "20261128-14:30:00.123")]


def soh(text: str) -> bytes:
    return text.replace("|", "\x01").encode("latin-1")


#: By hand: from ``35=`` to the last SOH before ``10=`` are 5 + 8 + 9 + 5 + 25 = 52 bytes; all bytes
#: before ``10=`` come to 3,449, which is 13 * 256 + 121.
HEARTBEAT = soh("8=FIX.4.4|9=52|35=0|49=FIRM|56=VENUE|34=2|52=20261128-14:30:00.123|10=121|")
#: https://en.wikipedia.org/wiki/Financial_Information_eXchange, "Body length" and "Checksum": an
#: execution report of FIX 4.2 of 178 bytes whose sum is 128.
PUBLISHED = soh(
    "8=FIX.4.2|9=178|35=8|49=PHLX|56=PERS|52=20071123-05:30:00.000|11=ATOMNOCCC9990900|20=3|150=E"
    "|39=E|55=MSFT|167=CS|54=1|38=15|40=2|44=15|58=PHLX EQUITY TESTING|59=0|47=C|32=0|31=0|151=15"
    "|14=0|6=0|10=128|"
)


def read(data: bytes) -> list[FixReceived]:
    return list(FixFrames().feed(data))


def test_the_sum_of_a_published_message_is_what_it_says() -> None:
    assert trailer(PUBLISHED[: PUBLISHED.index(b"10=128")]) == b"10=128\x01"
    body = PUBLISHED.split(b"\x01", 2)[2]
    assert body.index(b"10=128") == 178


def test_a_message_is_what_is_worked_out_by_hand() -> None:
    assert frame_of("0", HEAD, []) == HEARTBEAT
    [message] = read(HEARTBEAT)
    assert (message.kind, message.number) == ("0", 2)
    assert (message.get(49), message.get(58)) == ("FIRM", "")


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_bytes_may_come_in_any_pieces(size: int) -> None:
    data, frames = HEARTBEAT * 3, FixFrames()
    found = [
        message for at in range(0, len(data), size) for message in frames.feed(data[at : at + size])
    ]
    assert len(found) == 3
    assert frames.garbled == 0


@pytest.mark.parametrize(
    "bad",
    [
        HEARTBEAT.replace(b"10=121", b"10=122"),
        HEARTBEAT.replace(b"9=52", b"9=53"),
        HEARTBEAT.replace(b"9=52", b"9=5"),
        HEARTBEAT.replace(b"9=52", b"9=99999"),
        HEARTBEAT.replace(b"9=52", b"9=-52"),
        HEARTBEAT.replace(b"34=2", b"34=X"),
        HEARTBEAT[:40],
        b"8=FIX.4.4\x019=",
        b"8=FIX",
        b"\x00\x01\x02\xff" * 50,
        b"8=FIXXXXXXXXXXXXXXXXXXXXXXXX\x01",
        trailer(b"") * 3,
    ],
)
def test_what_is_garbled_is_passed_over_and_the_next_one_found(bad: bytes) -> None:
    # A message that claims more bytes than it has takes the next ones with it.
    found = read(bad + HEARTBEAT * (2 + BODY_BYTES_MAX // len(HEARTBEAT)))
    assert {message.number for message in found} == {2}


def test_noise_without_end_and_other_versions_are_no_session() -> None:
    frames = FixFrames()
    with pytest.raises(ProtocolError, match="bytes that are none"):
        list(frames.feed(b"x" * (NOISE_BYTES_MAX + 10)))
    with pytest.raises(ProtocolError, match=r"expected a session of FIX.4.4, found one of FIX.4.2"):
        read(PUBLISHED)


@given(some.binary(max_size=400))
def test_no_bytes_break_it(data: bytes) -> None:
    frames = FixFrames()
    try:
        found = list(frames.feed(data))
    except ProtocolError:
        return
    assert all(isinstance(message, FixReceived) for message in found)


def test_control_characters_of_a_venue_are_not_passed_on() -> None:
    message = frame_of("5", HEAD, [(58, "\x1b[2J gone")])
    assert read(message)[0].get(58) == "\\x1b[2J gone"


def test_groups_are_told_apart() -> None:
    body = [(552, "2"), (54, "1"), (37, "A"), (54, "2"), (37, "B"), (11, "x"), (58, "t")]
    [message] = read(frame_of("AE", HEAD, body))
    assert message.groups(fld.NO_SIDES, fld.SIDE) == [
        {54: "1", 37: "A"}, {54: "2", 37: "B", 11: "x", 58: "t", 10: message.get(10)},
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["", "a\x01b", "\n", "é"])
def test_what_no_field_can_have_is_not_sent(value: str) -> None:
    with pytest.raises(BrokerError, match="field 55 of a message over FIX: expected printable"):
        require_sendable([(55, value)])


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (0, "0"), (1, "0.000000001"), (-1, "-0.000000001"), (5_000_250_000_000, "5000.25"),
        (-37_630_000_000, "-37.63"), (109_757_812_500, "109.7578125"), (10**18, "1000000000"),
        (2**63 - 2, "9223372036.854775806"), (-(2**63 - 2), "-9223372036.854775806"),
    ],
)  # fmt: skip
def test_prices_go_both_ways(price: int, text: str) -> None:
    assert price_text(price) == text
    assert price_of(text) == price


@pytest.mark.parametrize(
    ("text", "price"),
    [("5000.250", 5_000_250_000_000), ("007", 7 * 10**9), (".5", 5 * 10**8), ("5.", 5 * 10**9),
     ("0.0000000010000", 1), ("-0", 0), ("00.10", 10**8)],
)  # fmt: skip
def test_prices_may_be_written_otherwise(text: str, price: int) -> None:
    assert price_of(text) == price


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "+1", "1e5", "nan", "inf", "1,5", " 1", "1 ", "0x1", "--1", "1.0000000001",
     "9223372036.854775807", "99999999999999", "١"],
)  # fmt: skip
def test_what_is_no_price_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        price_of(text)


@given(some.integers(-(2**63) + 2, 2**63 - 2))
def test_every_price_goes_both_ways(price: int) -> None:
    assert price_of(price_text(price)) == price


def test_lots_are_whole() -> None:
    assert (lots_of("3"), lots_of("3.000"), lots_of("0")) == (3, 3, 0)
    for text in ("-1", "0.5", "2147483648", "?", "many"):
        with pytest.raises(ValueError, match="expected"):
            lots_of(text)


def test_numbers_have_an_end() -> None:
    """Python reads none of more than 4,300 digits, and nothing is counted so far."""
    assert number_of("0017") == 17
    assert number_of("9" * 18) == 10**18 - 1
    for text in ("", "-1", "1.0", "x", "\u00b2"):
        assert number_of(text) is None
    for digits in (19, 4_400):
        with pytest.raises(ProtocolError, match=f"at most 18 digits, found one of {digits:,}: 999"):
            number_of("9" * digits)


def test_times_go_both_ways() -> None:
    # By hand: 20,785 days of 86,400 s from 1970 to 28 November 2026, and 14:30.
    assert time_of("20261128-14:30:00") == (20_785 * 86_400 + 52_200) * 10**9
    assert time_text(time_of("20261128-14:30:00.123")) == "20261128-14:30:00.123"
    assert time_of("20261128-14:30:00.123456789999") % 10**9 == 123_456_789
    assert time_of("20261231-23:59:60") == time_of("20270101-00:00:00")


@pytest.mark.parametrize(
    "text",
    ["", "20261128", "20261128-24:00:00", "20261128-14:60:00", "20261328-14:30:00",
     "2026-11-28T14:30:00Z", "20261128-14:30:61", "20261128-14:30:00."],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|does not match|unconverted"):
        time_of(text)
