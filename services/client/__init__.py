"""The typed client of a server."""

from tapewire.services.client.calling import Client, ServerRefusal
from tapewire.services.client.credentials import Credentials

__all__ = ["Client", "Credentials", "ServerRefusal"]
