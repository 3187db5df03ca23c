"""The typed client of a server."""

from tapewire.services.client.calling import Client
from tapewire.services.client.credentials import Credentials
from tapewire.services.client.jobs import ServerJob
from tapewire.services.client.refusals import ServerRefusal

__all__ = ["Client", "Credentials", "ServerJob", "ServerRefusal"]
