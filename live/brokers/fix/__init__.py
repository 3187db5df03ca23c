"""A broker over FIX 4.4: messages and their session, orders and what is said of them."""

from tapewire.live.brokers.fix.broker import FixBroker
from tapewire.live.brokers.fix.settings import FixSettings

__all__ = ["FixBroker", "FixSettings"]
