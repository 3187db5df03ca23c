"""Frames of the wire and of the bridge: damaged, swapped, lost, forged; read without sockets."""

import asyncio
import re
from typing import Any

import msgspec
import numpy as np

import streams
from fuzzing.mutator import Field, Mutator
from fuzzing.target import Target
from tapewire.bridge import protocol
from tapewire.bridge.answers import signals_of
from tapewire.bridge.dialogue import Dialogue
from tapewire.bridge.model import StrategyBase
from tapewire.errors import ProtocolError, WireError
from tapewire.market.records import MBO_DTYPE
from tapewire.strategies.follower import SIGNAL_CANCEL, SIGNAL_CANCEL_ALL
from tapewire.wire import FileInfo, FileTotals, StreamInfo, SymbolMapping, Totals
from tapewire.wire import messages as msg
from tapewire.wire.checks import StreamChecker, require_sane
from tapewire.wire.codec import array_of
from tapewire.wire.frames import (
    HEADER_BYTES,
    NO_SLOT,
    WIRE_VERSION,
    BatchHeader,
    StreamDigest,
    decode_header,
    encode_header,
    payload_checksum,
)

_PER_BATCH, _BATCHES = 8, 6
_RECORDS = streams.make_records(_PER_BATCH * _BATCHES)
_FILE = FileInfo("a.dbn", 1, 3, True, "D", 0, 0, None)
_INFO = StreamInfo(
    "D", "mbo", (_FILE,), (SymbolMapping("TEST", 7, 0, 1),), 0, 0, _PER_BATCH, 2.5
)  # fmt: skip
_WELCOME = msg.Welcome(WIRE_VERSION, "replay", 1, 99, 4, 4, None, _INFO, 1)
#: What a receiver may send.
_ASKED: tuple[msg.Message, ...] = (
    msg.Hello(WIRE_VERSION, "router", 7, "boot", "auto", 8), msg.More(4_096), msg.Ready("shared"),
    msg.Credit(3), msg.Heartbeat(), msg.Goodbye("no more"),
)  # fmt: skip
#: Of a batch header; msgpack has its numbers anywhere.
_HEADER_FIELDS = [
    Field(4, 2), Field(6, 2), *(Field(at, 8) for at in (8, 16, 24, 40, 48, 56, 64, 72, 80)),
    Field(32, 4), Field(36, 4),
]  # fmt: skip

Frames = list[bytes]


def stream_of() -> list[Frames]:
    """A whole stream as messages of frames: a welcome, batches, an end."""
    out = [[msg.encode_message(_WELCOME)]]
    digest = StreamDigest()
    for k in range(_BATCHES):
        records = _RECORDS[k * _PER_BATCH : (k + 1) * _PER_BATCH]
        times = records["ts_recv"]
        header = BatchHeader(
            0, 99, k, k * _PER_BATCH, _PER_BATCH, NO_SLOT, int(times[0]), int(times[-1]),
            payload_checksum(records), 5, 6,
        )  # fmt: skip
        digest.add(header)
        out.append([encode_header(header), records.tobytes()])
    n = len(_RECORDS)
    totals = Totals(
        n, _BATCHES, int(_RECORDS["ts_recv"][0]), int(_RECORDS["ts_recv"][-1]), digest.hexdigest(),
        0, 0, (FileTotals("a.dbn", n, n, 0, None),), 0.1, 0.2, 0.0,
    )  # fmt: skip
    out.append([msg.encode_message(msg.End(totals))])
    return out


def read_stream(messages: list[Frames]) -> np.ndarray:
    """Records of a stream, by the steps of `Receiver`; raises unless it is whole."""
    parts: list[np.ndarray] = []
    checker: StreamChecker | None = None
    info: StreamInfo | None = None
    for head, *rest in messages:
        if checker is not None and len(head) == HEADER_BYTES and head[:3] == b"TWB":
            header = decode_header(memoryview(head))
            checker.require_next(header)
            if header.shared:
                raise ProtocolError(f"{header} is not inline, as was agreed")
            views = [memoryview(one) for one in rest]
            records = array_of(views, MBO_DTYPE, (header.record_count,), header)
            checker.accept(header, records)
            parts.append(records)
            continue
        message = msg.decode_message(memoryview(head), bytes_max=msg.LARGE_MESSAGE_BYTES_MAX)
        if rest:
            raise ProtocolError("frames behind a control message")
        if isinstance(message, msg.Welcome) and checker is None:
            require_sane(message, "the replay", 8)
            info = message.info
            checker = StreamChecker(message.stream_id, info.batch_records)
        elif isinstance(message, msg.End) and checker is not None and info is not None:
            checker.require_totals(message.totals, info)
            return np.concatenate(parts)
        elif not isinstance(message, msg.Heartbeat | msg.Told):
            raise ProtocolError(f"out of turn: {type(message).__name__}")
    raise ProtocolError("the stream has no end")


def shuffled(mutator: Mutator, messages: list[Frames]) -> list[Frames]:
    """Lose, double, swap or damage messages, or frames of them."""
    draw = mutator.draw
    out = [list(one) for one in messages]
    for _ in range(draw.randint(1, 2)):
        at, way = draw.randrange(len(out)), draw.randrange(8)
        if way == 0 and len(out) > 1:
            del out[at]
        elif way == 1:
            out.insert(at, out[draw.randrange(len(out))])
        elif way == 2:
            other = draw.randrange(len(out))
            out[at], out[other] = out[other], out[at]
        elif way == 3:
            out[at].append(draw.randbytes(8))
        else:
            frame = draw.randrange(len(out[at]))
            fields = _HEADER_FIELDS if len(out[at][frame]) == HEADER_BYTES else ()
            out[at][frame] = mutator.data(out[at][frame], fields)
    return out


class WireStream(Target):
    """A stream as its receiver reads it: the records as they were sent, or an error."""

    name = "wire-stream"
    refusals = (WireError,)

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self._stream = stream_of()

    def sound(self) -> None:
        assert read_stream(self._stream).tobytes() == _RECORDS.tobytes()

    def broken(self, mutator: Mutator) -> None:
        messages = shuffled(mutator, self._stream)
        if mutator.chance(3):
            self._forge(mutator, messages)
        records = read_stream(messages)
        assert records.tobytes() == _RECORDS.tobytes(), "another stream was presented as whole"

    def _forge(self, mutator: Mutator, messages: list[Frames]) -> None:
        """Have the header of a batch say something else, its own checksum right."""
        at = mutator.draw.randrange(1, _BATCHES)
        frames = messages[at] if at < len(messages) else []
        if not frames or len(frames[0]) != HEADER_BYTES:
            return
        try:
            header = decode_header(frames[0])
        except ProtocolError:
            return
        name = mutator.draw.choice(header._fields[:9])
        bits = 32 if name in ("record_count", "slot") else 16 if name == "flags" else 62
        frames[0] = encode_header(header._replace(**{name: mutator.number() % (1 << bits)}))


class WireMessages(Target):
    """Control messages, either way: one of the messages, or a ProtocolError."""

    name = "wire-messages"
    refusals = (ProtocolError,)

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        sent = (*_ASKED, _WELCOME, msg.Mappings(_INFO.mappings), msg.Error("FormatError", "a.dbn"))
        self._frames = [msg.encode_message(one) for one in sent]
        self._frames.append(stream_of()[-1][0])

    def sound(self) -> None:
        for frame in self._frames:
            msg.decode_message(frame)

    def broken(self, mutator: Mutator) -> None:
        frame = broken_message(mutator, mutator.draw.choice(self._frames))
        read = msg.decode_message(frame, bytes_max=msg.LARGE_MESSAGE_BYTES_MAX)
        # What is read is within its bounds: it can be sent again, and is the same then.
        assert msg.decode_message(msg.encode_message(read), bytes_max=1 << 22) == read


def broken_message(mutator: Mutator, frame: bytes) -> bytes:
    """Break a frame of msgpack: its bytes, or one of its values."""
    if mutator.chance(2):
        return mutator.data(frame)
    values = mutator.tree(msgspec.msgpack.decode(frame[4:]))
    try:
        return frame[:4] + msgspec.msgpack.encode(values)
    except (OverflowError, msgspec.ValidationError, UnicodeEncodeError):
        return mutator.data(frame)


class _Model(StrategyBase):
    """Asks for a lot where the first feature is above 0."""

    def on_features(self, features: np.ndarray) -> Any:
        return np.where(features[:, 0] > 0, 1.0, 0.0)


_ES = protocol.BridgeInstrument(0, 1, 5_002, "ESH4", 250_000_000)
_HELD = protocol.OrderUpdate(5, -5, 0, 1, "FILLED", "QUEUE", 4_800, 2, 2, 1, 4_800, 1, 250)
_CALLED = protocol.BridgeWelcome(
    protocol.PROTOCOL, "mine", "pipelined", ("mid", "imbalance_5"), "float64", 1_000, 16, "{}", 0, 0
)


class BridgeModel(Target):
    """What a run says to a model, as the model's end takes it."""

    name = "bridge-model"
    refusals = (WireError,)

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        rows = [np.arange(4), np.zeros(4, "<i4"), np.linspace(-1, 1, 8).reshape(4, 2)]
        sent: list[tuple[protocol.Message, list[np.ndarray]]] = [
            (_CALLED, []),
            (protocol.Instruments((_ES,)), []),
            (protocol.FeatureBatch(0, 4, False), rows),
            (protocol.BridgeHeartbeat(), []),
            (protocol.Updates((_HELD,)), []),
            (protocol.FeatureBatch(4, 4, True), rows),
            (protocol.Close(9, True), []),
            (protocol.BridgeGoodbye(""), []),
        ]
        self._said = [
            [protocol.encode_message(one), *(a.tobytes() for a in arrays)] for one, arrays in sent
        ]

    def sound(self) -> None:
        answers = asyncio.run(self._heard(self._said))
        assert sum(one.rows for one in answers if isinstance(one, protocol.SignalBatch)) == 8

    def broken(self, mutator: Mutator) -> None:
        messages = shuffled(mutator, self._said)
        if mutator.chance(2):
            at = mutator.draw.randrange(len(messages))
            messages[at][0] = broken_message(mutator, self._said[at % len(self._said)][0])
        asyncio.run(self._heard(messages))

    async def _heard(self, messages: list[Frames]) -> list[protocol.Message]:
        answers: list[protocol.Message] = []

        async def send(message: protocol.Message, *parts: Any) -> None:
            protocol.decode_message(protocol.encode_message(message))
            answers.append(message)

        dialogue = Dialogue(_Model, {}, "the run", send, lambda text: None)
        for head, *rest in messages:
            if not await dialogue.take(memoryview(head), [memoryview(one) for one in rest]):
                break
        return answers


class BridgeRun(Target):
    """What a model says to a run: signals within what may be, or a ProtocolError with the row."""

    name = "bridge-run"
    refusals = (ProtocolError,)
    where = re.compile(r"row|request|array|message|payload")

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self._sent: list[Frames] = []
        requests = np.zeros(3, protocol.REQUEST)
        requests["row"], requests["kind"] = [0, 2, 3], [protocol.SUBMIT, protocol.CANCEL, 3]
        requests["side"], requests["order_type"] = 1, protocol.LIMIT
        requests["time_in_force"], requests["quantity"] = protocol.GTC, 1
        requests["instrument"], requests["price"] = protocol.SAME_INSTRUMENT, 10**9
        confidence, targets = np.full(4, 0.5), np.array([1, -1, protocol.NO_TARGET, 0])
        for arrays in ([targets], [targets, confidence], [targets, confidence, requests]):
            many = len(arrays[2]) if len(arrays) > 2 else 0
            head = protocol.SignalBatch(0, 4, len(arrays) > 1, many, 5)
            self._sent.append(
                [protocol.encode_message(head), *(array.tobytes() for array in arrays)]
            )
        hello = protocol.BridgeHello(protocol.PROTOCOL, "mine", 7, "float64", True)
        for one in (hello, protocol.State(4, 0), protocol.BridgeError("no")):
            self._sent.append([protocol.encode_message(one)])

    def sound(self) -> None:
        assert [self._read(one) for one in self._sent] == [3, 3, 6, 0, 0, 0]

    def broken(self, mutator: Mutator) -> None:
        sent = mutator.draw.choice(self._sent)
        if mutator.chance(2):
            self._read([broken_message(mutator, sent[0]), *sent[1:]])
        else:
            self._read(broken_frames(mutator, sent))

    def _read(self, frames: Frames) -> int:
        head, *rest = frames
        message = protocol.decode_message(head)
        arrays = protocol.read_arrays(message, [memoryview(one) for one in rest], 2)
        if not isinstance(message, protocol.SignalBatch):
            return 0
        effect, books = np.zeros(message.rows, np.int64), np.zeros(message.rows, np.int64)
        signals, rows = signals_of(message, arrays, effect, books, np.array([True, False]))
        assert len(signals) == len(rows)
        assert not len(rows) or (rows.min() >= 0 and rows.max() < message.rows)
        assert set(signals["leg"].tolist()) <= {0}, "a signal for a book it was not told of"
        lots = signals["quantity"][~np.isin(signals["kind"], (SIGNAL_CANCEL, SIGNAL_CANCEL_ALL))]
        assert ((lots >= 1 - 2**31) & (lots <= 2**31 - 1)).all(), "lots beyond what may be"
        return len(signals)


def broken_frames(mutator: Mutator, message: Frames) -> Frames:
    """Damage one of the frames of a message, or add or lose one."""
    frames = list(message)
    at = mutator.draw.randrange(len(frames))
    if mutator.chance(8):
        frames.append(mutator.draw.randbytes(32))
    elif mutator.chance(8) and len(frames) > 1:
        del frames[-1]
    elif at:
        numbers = [Field(k, 8) for k in range(0, 120, 8)] + [Field(k, 1) for k in range(120)]
        frames[at] = mutator.same_length(frames[at], numbers)
    else:
        frames[at] = mutator.data(frames[at])
    return frames
