"""One connection to a gateway: let in, subscribed, and its bytes handed on as they come.

Authentication and subscription are Databento's own client's. What comes then is not made objects of
Python there: it is cut into blocks of whole records.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from databento.common.error import BentoError
from databento.live.protocol import DatabentoLiveProtocol

from tapewire.errors import FeedError, TapewireError
from tapewire.live.subscription import HEARTBEAT_S, FeedRequest, GatewayAddress

CONNECT_TIMEOUT_S: Final = 10.0
LOGIN_TIMEOUT_S: Final = 30.0
#: Behind a heartbeat that is due (s): a gateway that says nothing for longer is gone.
GRACE_S: Final = 5.0

# What it logs of errors is told by who has the session.
logging.getLogger("databento").addHandler(logging.NullHandler())


class SessionCutError(Exception):
    """A session could not begin, or has ended: another one may do better."""


class KeyRefusedError(Exception):
    """The gateway lets this key not in."""


class GatewaySession(DatabentoLiveProtocol):
    """A connection that is read.

    Attributes
    ----------
    heard_s : float
        When something came, by the loop's clock.
    fault : TapewireError or None
        Of whoever took what came.
    """

    def __init__(self, key: str, dataset: str, take: Callable[[bytes], None]) -> None:
        # All records are wanted, however late: MBO has no other way to a book.
        super().__init__(
            key, dataset, heartbeat_interval_s=HEARTBEAT_S, slow_reader_behavior="warn"
        )
        self._take = take
        self._now_s = asyncio.get_running_loop().time
        self.heard_s = self._now_s()
        self.fault: TapewireError | None = None

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self.heard_s = self._now_s()
        if not self.is_streaming:
            super().buffer_updated(nbytes)
            return
        if self.fault is not None:
            return
        try:
            self._take(bytes(memoryview(self.get_buffer(0))[:nbytes]))
        except TapewireError as error:
            self.fault = error
            self.transport.close()

    @property
    def silence_s(self) -> float:
        """How long nothing has come."""
        return self._now_s() - self.heard_s

    def require_heard(self) -> None:
        """Raise if the gateway has said nothing for too long, or has hung up.

        Raises
        ------
        SessionCutError
            Saying which.
        TapewireError
            What `fault` is.
        """
        if self.fault is not None:
            raise self.fault
        if self.disconnected.done():
            error = self.disconnected.exception()
            raise SessionCutError(f"has hung up{f': {error}' if error else ''}")
        if self.silence_s > HEARTBEAT_S + GRACE_S:
            raise SessionCutError(f"has said nothing for {self.silence_s:.0f} s")

    def abort(self) -> None:
        """Hang up at once."""
        self.transport.abort()
        if self.disconnected.done():
            self.disconnected.exception()  # so that nobody is told that it was not looked at


async def open_session(
    address: GatewayAddress, key: str, dataset: str, take: Callable[[bytes], None]
) -> GatewaySession:
    """Connect and be let in.

    Raises
    ------
    SessionCutError
        If nobody is there, or answers.
    KeyRefusedError
        If the key is refused.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, session = await loop.create_connection(
                lambda: GatewaySession(key, dataset, take), address.host, address.port
            )
    except TimeoutError:
        raise SessionCutError(f"can't be reached within {CONNECT_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise SessionCutError(f"can't be reached: {error.strerror or error}") from None
    try:
        async with asyncio.timeout(LOGIN_TIMEOUT_S):
            done, _ = await asyncio.wait(
                (session.authenticated, session.disconnected), return_when=asyncio.FIRST_COMPLETED
            )
    except TimeoutError:
        session.abort()
        raise SessionCutError(f"lets nobody in within {LOGIN_TIMEOUT_S:.0f} s") from None
    except BaseException:
        session.abort()
        raise
    if session.authenticated not in done:
        fault = session.disconnected.exception()
        why = f": {fault}" if fault else ""
        raise SessionCutError(f"has hung up before it let anybody in{why}")
    refusal = session.authenticated.exception()
    if refusal is not None:
        session.abort()
        raise KeyRefusedError(str(refusal))
    return session


def begin(session: GatewaySession, request: FeedRequest, *, start_ns: int | None) -> None:
    """Subscribe, and have it begin.

    Parameters
    ----------
    start_ns
        From where on what was is to be sent first; None: now, with a snapshot of the books.

    Raises
    ------
    FeedError
        If the client won't have it so, which it never will.
    """
    try:
        for schema in request.schemas:
            start: Any = start_ns
            if start is None and schema == "definition":
                start = 0  # what instruments are was said when the session of the venue began
            session.subscribe(
                schema, list(request.symbols), request.stype_in,
                start=start, snapshot=start is None and schema == "mbo",
            )  # fmt: skip
        session.start()
    except (BentoError, ValueError) as error:
        raise FeedError(f"Databento's client refuses what is asked: {error}") from None
