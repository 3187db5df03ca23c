"""Sessions with a gateway, one after the other, as one stream: what a cut took is asked for again.

Source: https://databento.com/docs/api-live
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import databento_dbn as dbn

from tapewire.errors import FeedError, FormatError
from tapewire.live.framing import Framer, RecordBlock, decode_messages
from tapewire.live.overlap import CatchUp, Recent, first_live_ns
from tapewire.live.session import (
    GatewaySession,
    KeyRefusedError,
    SessionCutError,
    begin,
    open_session,
)
from tapewire.live.subscription import FeedRequest, GatewayAddress
from tapewire.wire.messages import FeedState

#: How long a gateway may be away (s), at the begin and later: it has what was 24 hours ago.
FIRST_PATIENCE_S: Final = 30.0
PATIENCE_S: Final = 4 * 3600.0
#: Between two tries (s): it doubles from the first to the second.
PAUSES_S: Final = (1.0, 30.0)
_LOOK_S: Final = 0.2
#: Untyped: the vendor's stubs call enum members strings.
_SAYS: Final[Any] = dbn.SystemCode
_FAILS: Final[Any] = dbn.ErrorCode


class FeedSink(Protocol):
    """Who takes a feed."""

    def opened(self, header: bytes, metadata: Any) -> None:
        """Take the metadata that a session begins with."""

    def block(self, block: RecordBlock, received_ns: int) -> None:
        """Take records, once each, and when they were read from the line (`time.monotonic_ns`)."""

    def told(self, text: str, state: FeedState | None = None) -> None:
        """Hear in a sentence what has happened, and what has become of the feed if that is else."""


@dataclass
class FeedCounts:
    """What a feed has had.

    Attributes
    ----------
    records, bytes
        Handed on; records of market data, bytes of all.
    sessions, cuts
        Begun, and ended against our will.
    repeated
        Records that came once more, behind a cut, and were left out.
    slow_warnings
        How often the gateway said that we are slower than it.
    gaps_ns
        From when to when something is missing for good, ns since the epoch.
    """

    records: int = 0
    bytes: int = 0
    sessions: int = 0
    cuts: int = 0
    repeated: int = 0
    slow_warnings: int = 0
    gaps_ns: list[tuple[int, int]] = field(default_factory=list)


class LiveFeed:
    """A request, and whoever takes what comes of it.

    Parameters
    ----------
    request : FeedRequest
    key : str
        The API key; only a hash of it and of the gateway's challenge goes over the line.
    sink : FeedSink
    address : GatewayAddress, optional
        Another than Databento's own.
    recent : Recent, optional
        What there is already, of an earlier feed: this one goes on behind it.
    patience_s : float
        How long a gateway may be away, once it was there.

    Attributes
    ----------
    counts : FeedCounts
    """

    def __init__(
        self, request: FeedRequest, key: str, sink: FeedSink, *,
        address: GatewayAddress | None = None, recent: Recent | None = None,
        patience_s: float = PATIENCE_S, first_patience_s: float = FIRST_PATIENCE_S,
        pauses_s: tuple[float, float] = PAUSES_S,
    ) -> None:  # fmt: skip
        self.counts = FeedCounts()
        self._request, self._key, self._sink = request, key, sink
        self._address = address or GatewayAddress.of_dataset(request.dataset)
        self._patience_s, self._first_patience_s = patience_s, first_patience_s
        self._pauses_s = pauses_s
        self._recent = recent or Recent()
        self._where = f"the gateway at {self._address}"
        self._framer = Framer(self._where)
        self._catch_up: CatchUp | None = None
        self._completed = 0
        self._gap_from_ns = -1
        self._aged_out = False
        self._is_cut = False

    async def run(self, should_stop: Callable[[], bool]) -> None:
        """Hand on what comes until somebody wants no more.

        Parameters
        ----------
        should_stop
            Asked five times a second.

        Raises
        ------
        FeedError
            If the gateway refuses what is asked, or is away for too long.
        TapewireError
            What the sink raises.
        """
        now_s = asyncio.get_running_loop().time
        heard_s, pause_s = now_s(), self._pauses_s[0]
        while not should_stop():
            before = self.counts.records
            try:
                await self._session(should_stop)
                return
            except KeyRefusedError as error:
                if not self.counts.sessions:
                    raise FeedError(
                        f"{self._where} refuses the key: {error}: see databento.com/portal/keys"
                    ) from None
                why = f"refuses the key, which it had let in: {error}"
            except SessionCutError as error:
                why = str(error)
            if self.counts.records > before:
                heard_s, pause_s = now_s(), self._pauses_s[0]
            patience_s = self._patience_s if self.counts.sessions else self._first_patience_s
            away_s = now_s() - heard_s
            if away_s + pause_s > patience_s:
                raise FeedError(
                    f"{self._where} {why}; given up after {away_s:.0f} s: what has come is kept"
                )
            self.counts.cuts += bool(self.counts.sessions)
            self._sink.told(f"{self._where} {why}: tried again in {pause_s:g} s", "cut")
            self._is_cut = self.counts.sessions > 0
            until_s = now_s() + pause_s
            while now_s() < until_s and not should_stop():
                await asyncio.sleep(min(_LOOK_S, pause_s))
            pause_s = min(2 * pause_s, self._pauses_s[1])

    async def _session(self, should_stop: Callable[[], bool]) -> None:
        """Hand on one session, until nobody wants more."""
        self._framer, self._catch_up, self._completed = Framer(self._where), None, 0
        session = await open_session(self._address, self._key, self._request.dataset, self._take)
        try:
            begin(session, self._request, start_ns=self._start())
            self.counts.sessions += 1
            await self._watch(session, should_stop)
        finally:
            session.abort()

    async def _watch(self, session: GatewaySession, should_stop: Callable[[], bool]) -> None:
        while not should_stop():
            await asyncio.wait((session.disconnected,), timeout=_LOOK_S)
            if self._aged_out:
                raise SessionCutError("has nothing from then on any more")
            try:
                session.require_heard()
            except FormatError as error:
                raise SessionCutError(f"has sent what can't be read: {error}") from None

    def _start(self) -> int | None:
        """From where on to ask; None for a snapshot of now."""
        recent = self._recent
        if self._aged_out or recent.ts_event_ns < 0:
            # Nothing but a part of a snapshot has come, or what was is not to be had: begin anew.
            if self._aged_out:
                self._gap_from_ns = recent.ts_event_ns
            self._recent, self._aged_out = Recent(), False
            return self._request.start_ns if self._gap_from_ns < 0 else None
        self._catch_up = CatchUp(recent)
        return recent.start_ns

    # --- what comes -----------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        received_ns = time.monotonic_ns()
        had_header = bool(self._framer.header)
        block = self._framer.feed(data)
        if not had_header and self._framer.header:
            self._sink.opened(self._framer.header, self._framer.metadata)
        if block is None:
            return
        kept = self._new_of(block)
        for message in decode_messages(block, self._framer.metadata):
            self._hear(message)
        if kept is None:
            return
        block = kept
        if self._gap_from_ns >= 0 and (live_ns := first_live_ns(block)) >= 0:
            self._note_gap(self._gap_from_ns, live_ns)
            self._gap_from_ns = -1
        self._recent.add(block)
        self.counts.records += block.records - len(block.messages)
        self.counts.bytes += block.data.nbytes
        self._sink.block(block, received_ns)
        if self._is_cut and self._catch_up is None and block.ts_event_ns >= 0:
            self._is_cut = False
            self._sink.told(f"{self._where} is heard again", "live")

    def _new_of(self, block: RecordBlock) -> RecordBlock | None:
        """What had not come before the last cut."""
        catch_up = self._catch_up
        if catch_up is None:
            return block
        before = catch_up.dropped
        kept = catch_up.left_of(block)
        self.counts.repeated += catch_up.dropped - before
        if catch_up.is_over:
            self._met(catch_up)
        return kept

    def _met(self, catch_up: CatchUp) -> None:
        """The new session has come to where the one before was cut."""
        self._catch_up = None
        if catch_up.missing:
            self._sink.told(
                f"{self._where} has not sent {catch_up.missing:,} records again that had come: "
                "others from then may be missing, too"
            )
            self._note_gap(self._recent.start_ns, self._recent.ts_event_ns)

    def _note_gap(self, from_ns: int, to_ns: int) -> None:
        self.counts.gaps_ns.append((from_ns, to_ns))
        self._sink.told(
            f"{self._where}: {(to_ns - from_ns) / 1e9:,.1f} s from {from_ns} ns on are missing",
            "gap",
        )

    def _hear(self, message: Any) -> None:
        """Act on what the gateway says of itself."""
        if isinstance(message, dbn.ErrorMsg):
            self._hear_error(message)
        elif isinstance(message, dbn.SystemMsg) and not message.is_heartbeat():
            if message.code == _SAYS.SLOW_READER_WARNING:
                self.counts.slow_warnings += 1
                if self.counts.slow_warnings == 1:
                    self._sink.told(f"{self._where} is read too slowly: {message.msg}")
            elif message.code == _SAYS.REPLAY_COMPLETED and self._catch_up is not None:
                self._completed += 1
                if self._completed >= len(self._request.schemas):
                    self._met(self._catch_up)

    def _hear_error(self, message: Any) -> None:
        text = f"{self._where} says: {message.err}"
        if message.code in (_FAILS.AUTH_FAILED, _FAILS.API_KEY_DEACTIVATED,
                            _FAILS.INVALID_SUBSCRIPTION):  # fmt: skip
            raise FeedError(text)
        if message.code == _FAILS.REPLAY_DATA_AGED_OUT:
            self._aged_out = True
        elif message.code == _FAILS.SKIPPED_RECORDS_AFTER_SLOW_READING:
            self._gap_from_ns = self._recent.ts_event_ns
        self._sink.told(text)
