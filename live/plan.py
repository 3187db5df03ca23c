"""What a market stream is to do, as one line for its process."""

from dataclasses import dataclass
from typing import Final, Self

import msgspec

from tapewire.errors import ConfigError
from tapewire.live.feed import PATIENCE_S
from tapewire.live.subscription import FeedRequest, GatewayAddress

#: Has the key, which is in no plan.
KEY_VARIABLE: Final = "DATABENTO_API_KEY"


@dataclass(frozen=True)
class StreamPlan:
    """A feed, and what is done with it.

    Attributes
    ----------
    request
    folder
        Where it is recorded, a new one.
    address
        The gateway's, where it is not Databento's own.
    patience_s
        How long the gateway may be away, once it was there.
    peer_timeout_s
        A run that is silent for so long is lost.
    """

    request: FeedRequest
    folder: str
    address: GatewayAddress | None = None
    patience_s: float = PATIENCE_S
    peer_timeout_s: float = 5.0

    def to_json(self) -> bytes:
        """Return it as one line."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read one.

        Raises
        ------
        ConfigError
            If it is none.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise ConfigError(f"a plan of a market stream: {error}") from None
