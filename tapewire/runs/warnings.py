"""What a run warns of at its end, in words."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tapewire.compiled.units import NS_PER_DAY
from tapewire.market.times import time_text

if TYPE_CHECKING:
    from tapewire.router import GuessedQueue, LimitTrip, LossHalt
    from tapewire.wire import FileInfo, Totals

#: Trading states that refuse requests, by their counts, as said in warnings.
_STATES: Final = {
    "halted": "halted by the venue",
    "no_cancel": "about to open (nothing is canceled or changed then)",
    "post_close": "open for orders of later days only",
    "closed": "closed",
    "unavailable": "not available for trading",
}
#: Days without a file that are told of by name.
GAPS_TOLD_MAX: Final = 5
#: Days of the week, Monday being 0; the epoch began on a Thursday.
_THURSDAY: Final = 3
_SATURDAY: Final = 5
#: Limits that were reached that are told of by name; the manifest has all of them.
HALTS_TOLD_MAX: Final = 5
#: Books with guessed queues that are told of by name; the manifest has all of them.
GUESSES_TOLD_MAX: Final = 5


def gap_warnings(files: "Sequence[FileInfo]", *, apart: bool = False) -> list[str]:
    """Say which weekdays no file of a dataset covers, between the first of them and the last.

    What that means is said of days that are not played ``apart``.
    """
    then = "" if apart else ": books stand still over a gap"
    said = []
    for dataset in dict.fromkeys(file.dataset for file in files):
        ranges = sorted(
            (file.start_ns, file.end_ns)
            for file in files
            if file.dataset == dataset and file.start_ns and file.end_ns
        )
        missing: list[str] = []
        until_ns = ranges[0][1] if ranges else 0
        for start_ns, end_ns in ranges:
            missing += [
                time_text(day * NS_PER_DAY)[:10]
                for day in range(-(-until_ns // NS_PER_DAY), start_ns // NS_PER_DAY)
                if (day + _THURSDAY) % 7 < _SATURDAY
            ]
            until_ns = max(until_ns, end_ns)
        if missing:
            more = len(missing) - GAPS_TOLD_MAX
            listed = ", ".join(missing[:GAPS_TOLD_MAX]) + (
                f" and {more:,} more" if more > 0 else ""
            )
            said.append(f"{dataset}: no file covers {listed}{then}")
    return said


def halt_warnings(halts: "Sequence[LossHalt]") -> list[str]:
    """Say which strategies were halted by their loss limit; the first few by name."""
    said = [halt.sentence() for halt in halts[:HALTS_TOLD_MAX]]
    if len(halts) > HALTS_TOLD_MAX:
        more = len(halts) - HALTS_TOLD_MAX
        said.append(f"{more:,} more reached max_loss: see loss_halts in manifest.json")
    return said


def guess_warnings(guessed: "Sequence[GuessedQueue]") -> list[str]:
    """Say in words where places were guessed, by whom, and why."""
    said = []
    for has_orders, why in (
        (False, "the data have no orders there"),
        (True, "as was asked for; the data have the orders, fifo would know"),
    ):
        those = [one for one in guessed if one.has_orders == has_orders]
        if not those:
            continue
        books = list(dict.fromkeys(f"{one.symbol} ({one.publisher_id})" for one in those))
        listed = ", ".join(books[:GUESSES_TOLD_MAX])
        if len(books) > GUESSES_TOLD_MAX:
            listed += f" and {len(books) - GUESSES_TOLD_MAX:,} more"
        models = ", ".join(dict.fromkeys(one.model for one in those))
        said.append(
            f"queue estimated: places of orders in {listed} are guessed from the sizes of levels "
            f"by {models} ({why}): fills there are no more certain than the guess"
        )
    return said


def trip_warnings(trips: "Sequence[LimitTrip]") -> list[str]:
    """Say which limits were reached and had something follow, but for what `halt_warnings` says."""
    others = [t for t in trips if t.strategy_id is None or t.limit.key != "max_loss"]
    said = [trip.sentence() for trip in others[:HALTS_TOLD_MAX]]
    if len(others) > HALTS_TOLD_MAX:
        more = len(others) - HALTS_TOLD_MAX
        said.append(f"{more:,} more limits were reached: see limit_trips in manifest.json")
    return said


def log_warnings(counts: Mapping[str, int], now_ns: int) -> list[str]:
    """Say how many rows of order logs were left over when the data ended."""
    unsent = counts.get("log_rows_unsent", 0)
    if not unsent:
        return []
    rows = "row of an order log was" if unsent == 1 else "rows of order logs were"
    return [f"{unsent:,} {rows} not sent: the data ended before, at {time_text(now_ns)}"]


def totals_warnings(totals: "Totals") -> list[str]:
    """Say what of the files was not played: ends that are missing, records that two files have."""
    said = [f"the data are incomplete: {file.truncated}" for file in totals.files if file.truncated]
    said += [
        f"{file.name} mixes schemas: its MBO records were played; definitions, trading states and "
        f"settlement prices were read from the others, which are {file.left_out}"
        for file in totals.files
        if file.left_out
    ]
    if totals.duplicates:
        said.append(
            f"{totals.duplicates:,} records were left out: another file had given them "
            "(duplicates: drop)"
        )
    return said


def count_warnings(counts: Mapping[str, int], totals: "Totals | None") -> list[str]:
    """Say in words which counts deserve a look."""
    said = {
        "locked_events": "events left a book locked (best bid = best ask)",
        "crossed_events": "events left a book crossed (best bid > best ask)",
        "unknown_cancels": "cancels named an order that was not in the book",
        "unknown_modifies": "modifies named an order that was not in the book: taken as adds",
        "duplicate_adds": "adds named an order that was in the book already",
        "ignored_records": "records could not be applied to a book",
        "missing_last": "events had no F_LAST: record boundaries stood in for event boundaries",
        "clamped_ts_event": "records went back in ts_event and were clamped",
    }
    warnings = [f"{counts[key]:,} {text}" for key, text in said.items() if counts.get(key)]
    if totals is not None:
        warnings += totals_warnings(totals)
    if early := counts.get("fills_known_before_capture"):
        lead_us = counts["fills_known_before_capture_ns_max"] / 1000
        fills = "fill was known to its" if early == 1 else "fills were known to their"
        it = "it" if early == 1 else "them"
        warnings.append(
            f"{early:,} {fills} strategy before the record that caused {it} was "
            f"captured, by up to {lead_us:,.1f} µs: order responses do not travel by the feed "
            "(execution.fill_notice: feed makes them wait for it)"
        )
    if held := counts.get("messages_held"):
        held_ms = counts["messages_held_ns_max"] / 1_000_000
        messages = "message" if held == 1 else "messages"
        warnings.append(
            f"{held:,} {messages} waited at the gateway (execution.gateway), by up to "
            f"{held_ms:,.1f} ms"
        )
    if refused := counts.get("cancels_denied"):
        cancels = "cancel was" if refused == 1 else "cancels were"
        warnings.append(f"{refused:,} {cancels} rejected by the gateway: MAX_MESSAGE_RATE")
    if unsent := counts.get("requests_without_session"):
        requests = "request was" if unsent == 1 else "requests were"
        warnings.append(f"{unsent:,} {requests} denied, as the session was cut: NO_SESSION")
    if stale := counts.get("requests_on_stale_data"):
        requests = "request was" if stale == 1 else "requests were"
        warnings.append(
            f"{stale:,} {requests} denied, as market data were late, cut off, or had a gap: "
            "STALE_DATA"
        )
    if kept := counts.get("requests_while_held"):
        requests = "request was" if kept == 1 else "requests were"
        warnings.append(
            f"{kept:,} {requests} denied, as the session was paused or killed, or its rails let "
            "none through: HELD, RAILS"
        )
    if ended := counts.get("orders_canceled_by_disconnect"):
        orders = "order was" if ended == 1 else "orders were"
        warnings.append(
            f"{ended:,} {orders} canceled by the venue, as the session was cut: DISCONNECTED"
        )
    if unsaid := counts.get("events_without_sending_time"):
        warnings.append(
            f"{unsaid:,} times an event did not say when the venue had sent it (ts_in_delta): the "
            "latency from_data went by an earlier one's, or by none"
        )
    if late := counts.get("late_responses"):
        late_us = counts["late_responses_ns_max"] / 1000
        responses = "order response was" if late == 1 else "order responses were"
        warnings.append(
            f"{late:,} {responses} told later than due, by up to {late_us:,.1f} µs: the event that "
            "decided them was captured when their strategy's clock had passed that time"
        )
    warnings += _state_warnings(counts)
    if totals is not None and totals.clamped_ts_recv:
        warnings.append(f"{totals.clamped_ts_recv:,} records went back in ts_recv and were clamped")
    return warnings


def _state_warnings(counts: Mapping[str, int]) -> list[str]:
    """Say what the trading states of the venue stopped."""
    said = []
    for state, text in _STATES.items():
        entered, refused = counts.get(f"entered_{state}", 0), counts.get(f"refused_{state}", 0)
        if not refused and (not entered or state != "halted"):
            continue
        times = "1 time" if entered == 1 else f"{entered:,} times"
        requests = "1 request was" if refused == 1 else f"{refused:,} requests were"
        said.append(f"books were {text} {times}: {requests} refused then")
    return said


def warmup_warnings(warmup: Mapping[str, Any]) -> list[str]:
    """Say how many books had no snapshot where the warm-up was to begin with one."""
    unbegun = warmup.get("books_without_snapshot", 0)
    if warmup["mode"] != "snapshot" or not unbegun:
        return []
    what = f"{unbegun:,} books have no snapshot before start"
    return [f"warmup: snapshot: {what}: they were built from their first record on, as with full"]
