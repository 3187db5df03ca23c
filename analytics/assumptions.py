"""What a run took for granted, in words: first in its report, since every figure hangs on it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tapewire.analytics import formats as f


def trust(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return whether a run is whole, the same every time, and free of warnings."""
    models = manifest.get("models", {})
    free = [name for name, model in models.items() if not model["deterministic"]]
    warned = len(manifest["warnings"])
    return [
        ("Complete", _whole(manifest)),
        ("Deterministic", f"no: answers of {', '.join(free)} took effect when they came" if free
         else "yes: the same input, configuration, seed and version give the same digest"),
        ("Warnings", f"{warned}, above" if warned else "none"),
    ]  # fmt: skip


def _whole(manifest: Mapping[str, Any]) -> str:
    if manifest["status"] != "complete":
        return f"no: {manifest['status']}"
    if not manifest.get("data_complete", True):
        cut = [Path(i["file"]).name for i in manifest["inputs"] if i.get("truncated")]
        return f"no: {', '.join(cut)} ended too soon, and what is whole of it was played"
    return "yes: the data were read to their end and the books balance"


def in_short(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the chief assumptions by name, each in a word or two."""
    config = manifest["config"]
    execution = _part(_part(config, "backtest"), "execution")
    parts = (("Fills", "fill_model"), ("Latency", "latency_model"), ("Impact", "market_impact"),
             ("Fees", "fees"))  # fmt: skip
    found = [(name, _words(_part(execution, key), "type")) for name, key in parts]
    queue = _part(execution, "fill_model").get("queue_position_model", "not stated")
    free = [1 for model in manifest.get("models", {}).values() if not model["deterministic"]]
    if _of_their_own(config.get("strategy")):
        found.append(("Some strategies", "have their own"))
    warned = len(manifest["warnings"])
    return [
        found[0], ("Queue", f"{queue}, estimated" if manifest.get("queues") else str(queue)),
        *found[1:],
        *([] if manifest.get("data_complete", True) else [("Data", "incomplete")]),
        ("Deterministic", "no" if free else "yes"), ("Warnings", str(warned) if warned else "none"),
    ]  # fmt: skip


def assumptions(
    config: Mapping[str, Any], queues: Sequence[Mapping[str, Any]] = ()
) -> list[tuple[str, str]]:
    """Return what the simulation assumed, read off the configuration with its defaults.

    ``queues`` are the books whose queues were estimated, as the manifest has them.
    """
    backtest = _part(config, "backtest")
    execution = _part(backtest, "execution")
    fill, impact = _part(execution, "fill_model"), _part(execution, "market_impact")
    fill = dict(fill)
    queue = str(fill.pop("queue_position_model", "not stated"))
    queue += _estimated_words(queues)
    fees, limits = _part(execution, "fees"), _part(backtest, "risk_limits")
    known = {k: v for k, v in limits.items() if v is not None}
    if "max_loss" not in known:
        known.pop("on_max_loss", None)
    return [
        ("Fill model", _words(fill, "type", rest=True)),
        ("Queue position", queue),
        ("Latency", _latency_words(_part(execution, "latency_model"))),
        ("Market impact", _words(impact, "type", rest=True)),
        ("Fees", _words(fees, "type", rest=True)),
        ("Gateway", _gateway_words(_part(execution, "gateway"))),
        ("Crossed book", f.plain(execution.get("crossed_book", "not stated"))),
        ("Market order in a halt", f.plain(execution.get("market_order_in_halt", "not stated"))),
        ("Trade without a resting order", f.plain(execution.get("unseen_trades", "not stated"))),
        ("Clear of the book", f.plain(execution.get("book_clear", "not stated"))),
        ("Fills are known", _NOTICES.get(str(execution.get("fill_notice")), "not stated")),
        ("Risk limits", ", ".join(f"{k.replace('_', ' ')} {f.plain(v)}" for k, v in known.items())
         or "none"),
        *_position_words(backtest),
        ("Seed", str(backtest.get("seed", "not stated"))),
        *_days_words(_part(backtest, "replay")),
        *_of_their_own(config.get("strategy")),
    ]  # fmt: skip


def _position_words(owner: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say how positions are kept, where that is stated."""
    mode = _part(owner, "account").get("position_mode")
    return [("Positions", str(mode))] if mode is not None else []


def _days_words(replay: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say that days were apart, where they were, and how each ended."""
    if replay.get("days") != "apart":
        return []
    ends = {"flatten": "what was held was closed at the last best price of the other side",
            "refuse": "nothing was held"}  # fmt: skip
    end = ends.get(str(replay.get("day_end")), "not stated")
    return [("Days", f"apart: each began anew, and at its end open orders were canceled and {end}")]


def _estimated_words(queues: Sequence[Mapping[str, Any]]) -> str:
    """Say of how many books queues were estimated."""
    if not queues:
        return ""
    books = len({(one["publisher_id"], one["instrument_id"]) for one in queues})
    models = ", ".join(dict.fromkeys(str(one["model"]) for one in queues))
    return f"; estimated from level sizes in {books:,} book{'s' * (books != 1)} by {models}"


def _of_their_own(strategies: object) -> list[tuple[str, str]]:
    """Return what strategies have in place of the backtest's."""
    found = []
    for entry in strategies if isinstance(strategies, list) else []:
        own, limits = _part(entry, "execution"), _part(entry, "risk_limits")
        words = [f"{key.replace('_', ' ')} {_words(own[key], 'type', rest=True)}" for key in own
                 if key != "gateway"]  # fmt: skip
        words += [f"gateway {_gateway_words(own['gateway'])}"] if own.get("gateway") else []
        words += [f"{k.replace('_', ' ')} {f.plain(v)}" for k, v in limits.items()]
        words += [f"positions {mode}" for _, mode in _position_words(entry)]
        words += [f"seed {entry['seed']}"] if entry.get("seed") is not None else []
        if words:
            found.append((f"Of {entry['name']} alone", ", ".join(words)))
    return found


_NOTICES: Final = {
    "response": "one response latency after they happen, also before the feed shows why",
    "feed": "no earlier than the feed shows why",
}


def _latency_words(model: Mapping[str, Any]) -> str:
    network, processing = model.get("network_latency_us"), model.get("processing_latency_us")
    of_legs = {f"{leg}_latency_us" for leg in ("entry", "cancel", "replace", "response")}
    if network is None or processing is None or of_legs & set(model):
        return _words(model, "type", rest=True)
    feed = model.get("feed_latency_us") or 0
    return (
        f"{f.plain(model.get('type', 'fixed'))}: order to exchange and answer back "
        f"{f.plain(network + processing)} µs each way "
        f"(network {f.plain(network)} + processing {f.plain(processing)}); "
        f"market data {f.plain(feed)} µs"
    )


def _gateway_words(gateway: Mapping[str, Any]) -> str:
    if not gateway:
        return "takes any number of messages"
    rate, then = gateway.get("max_messages_per_second"), gateway.get("when_exceeded")
    words = []
    if rate is not None:
        words.append(f"{f.plain(rate)} messages of a session in any second, more: {then}")
    if cuts := gateway.get("disconnects"):
        times = "once" if len(cuts) == 1 else f"{len(cuts):,} times"
        after = f.plain(gateway.get("detection_ms", 0))
        words.append(f"cut {times}, then {gateway.get('on_disconnect')} after {after} ms")
    return "; ".join(words)


def _part(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key)
    return value if isinstance(value, Mapping) else {}


def _words(model: Mapping[str, Any], key: str, *, rest: bool = False) -> str:
    if key not in model:
        return "not stated"
    others = [f"{k.replace('_', ' ')} {f.plain(v)}" for k, v in model.items()
              if k != key and v is not None] if rest and model[key] != "none" else []  # fmt: skip
    return f"{model[key]}" + (f": {', '.join(others)}" if others else "")
