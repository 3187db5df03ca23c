"""The bridge room: strategies whose decisions come from models in processes of their own.

A model derives from `StrategyBase` (`model`), asks through `RowSignals` (`signals`), and is served
by `client`; what both ends say to each other is `protocol`. None of these loads compiled code, so a
model's process starts at once. Names are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapewire.bridge.client import serve
    from tapewire.bridge.model import ModelRows, ModelSession, StrategyBase
    from tapewire.bridge.protocol import NO_PRICE, NO_TARGET, BridgeInstrument, OrderUpdate
    from tapewire.bridge.signals import RowSignals

__all__ = [
    "NO_PRICE",
    "NO_TARGET",
    "BridgeInstrument",
    "ModelRows",
    "ModelSession",
    "OrderUpdate",
    "RowSignals",
    "StrategyBase",
    "serve",
]

_HOMES = {
    "NO_PRICE": "tapewire.bridge.protocol",
    "NO_TARGET": "tapewire.bridge.protocol",
    "BridgeInstrument": "tapewire.bridge.protocol",
    "OrderUpdate": "tapewire.bridge.protocol",
    "ModelRows": "tapewire.bridge.model",
    "ModelSession": "tapewire.bridge.model",
    "StrategyBase": "tapewire.bridge.model",
    "RowSignals": "tapewire.bridge.signals",
    "serve": "tapewire.bridge.client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tapewire.bridge' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value
