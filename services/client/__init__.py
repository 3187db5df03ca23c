"""The typed client of a server."""

from tapewire.services.client.calling import Client
from tapewire.services.client.credentials import Credentials
from tapewire.services.client.jobs import ServerJob
from tapewire.services.client.refusals import ServerRefusal
from tapewire.services.client.sessions import ServerSession

__all__ = ["Client", "Credentials", "ServerJob", "ServerRefusal", "ServerSession"]
