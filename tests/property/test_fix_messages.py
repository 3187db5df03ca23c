"""Whatever a venue writes into its messages, what comes of them is an event within its bounds."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as some

import fix_tables
from fix_exchange import encode
from tapewire.live import orders as said
from tapewire.live.brokers.fix import FixBroker, FixSettings
from tapewire.live.brokers.fix.commands import known_order
from tapewire.live.brokers.fix.frames import FixFrames
from tapewire.live.brokers.fix.reporting import Inquiry
from tapewire.live.brokers.fix.session import Now

KINDS = ["8", "9", "3", "j", "AE", "AQ", "AO", "AP"]
NOW = Now(0.0, 1_795_000_000 * 10**9)
WORDS = some.sampled_from(
    ["0", "1", "2", "3", "5", "-1", "2147483647", "2147483648", "0.5", "9223372036.8", "1e9", "nan",
     "s-1", "s-1.5f", "s-9", "../x", "x" * 500, "Y", "N", "NONE", "20261128", "20261128-14:30:00",
     "20269999-99:99:99", "\xff\x1b[2J"]
)  # fmt: skip


#: What each field has where nothing is changed.
USUAL = {
    1: "A", 6: "0", 11: "s-1", 12: "1", 13: "3", 14: "2", 17: "E1", 19: "E0", 31: "1.5", 32: "2",
    37: "V1", 38: "5", 39: "1", 41: "s-1", 44: "1", 45: "3", 54: "1", 55: "ES", 58: "so",
    60: "20261128-14:30:00", 75: "20261128", 150: "F", 151: "3", 372: "D", 380: "3", 434: "1",
    552: "1", 568: "report-7", 569: "0", 570: "N", 571: "T1", 581: "1", 584: "report-7",
    702: "1", 703: "TQ", 704: "2", 705: "0", 710: "report-7", 715: "20261128", 721: "P1",
    727: "1", 728: "0", 729: "0", 730: "0", 731: "1", 734: "0", 748: "1", 749: "0", 750: "0",
    911: "1", 912: "Y",
}  # fmt: skip
#: Beside what a message must have.
ALSO = {
    "8": {11, 12, 13, 19, 31, 32, 38, 44, 60},
    "AE": {11, 17, 568, 748, 912},
    "AP": {55, 704, 705},
}
ASKED = {"8": {584, 911, 912}, "AO": {710, 727}, "AP": {710, 727}, "AQ": {748}}


def message(kind: str) -> some.SearchStrategy[list[tuple[int, str]]]:
    """One as the standard has it, in which a few fields are gone, or others."""
    fields = fix_tables.REQUIRED[kind] | ALSO.get(kind, set())

    def made(asked: bool, codes: str, changes: dict[int, str], gone: set[int]) -> Any:
        tags = (fields | (ASKED.get(kind, set()) if asked else set())) - gone
        values = {**USUAL, 150: codes[0], 39: codes[1], **changes}
        # What counts the entries of a group comes before them.
        return [
            (tag, values[tag]) for tag in sorted(tags, key=lambda tag: (tag not in (552, 702), tag))
        ]

    codes = some.tuples(*map(some.sampled_from, ("03456789ABCDEFGHIZ", "0123456789ABCEZ")))
    return some.builds(
        made, some.booleans(), codes.map("".join),
        some.dictionaries(some.sampled_from(sorted(fields)), WORDS, max_size=2),
        some.sets(some.sampled_from(sorted(fields)), max_size=1),
    )  # fmt: skip


def whole(kind: str, asked: bool, **changes: str) -> tuple[str, list[tuple[int, str]]]:
    """A message of all its fields, some of them others."""
    tags = fix_tables.REQUIRED[kind] | ALSO.get(kind, set()) | (ASKED[kind] if asked else set())
    values = {**USUAL, **{int(name[1:]): value for name, value in changes.items()}}
    return kind, [(tag, values[tag]) for tag in sorted(tags)]


@example([whole("8", True, f55="x" * 500, f150="I")])
@example([whole("8", False, f12="9223372036.8", f13="1")])
@given(some.lists(some.sampled_from(KINDS).flatmap(
    lambda kind: some.tuples(some.just(kind), message(kind))), max_size=6))  # fmt: skip
def test_no_message_breaks_an_adapter(messages: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = FixSettings(
            host="127.0.0.1", port=1, sender_comp_id="FIRM", target_comp_id="VENUE", account="A",
            folder=Path(folder), tls=False,
        )  # fmt: skip
        broker = FixBroker(settings)
        order = said.NewOrder("s-1", "s", "ES", 1, 2, 1, 10**9, 2**63 - 1, 5, False, False, 1)
        known = known_order(order, settings)
        broker._orders.add(known)
        broker._inquiry = Inquiry(
            settings, broker._orders, broker._executions, number=7, since_ns=0, named=(known,),
            begun_s=0.0,
        )  # fmt: skip
        frames = FixFrames()
        for number, (kind, body) in enumerate(messages, 1):
            for one in frames.feed(encode(kind, number, body)):
                broker._hear(one, NOW)
        broker._end_inquiry(NOW)
        for event in broker._events:
            frame = said.ORDERS.encode(event)
            assert said.ORDERS.decode(frame, bytes_max=said.MESSAGE_BYTES_MAX)
        assert isinstance(broker._events[-1], said.AccountReport)
