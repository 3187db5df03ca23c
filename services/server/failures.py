"""What goes wrong, as a client is told: the sentence of the command line, a status, a reason."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tapewire.errors import (
    ConfigError,
    InputError,
    InterruptedRunError,
    KeyReuseError,
    MissingFileError,
    OutputError,
    QueueFullError,
    StoreAwayError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    TapewireError,
    reason_of,
)

if TYPE_CHECKING:
    import grpc

#: Trailing metadata of a call that failed: the kind of error, and the command line's exit code.
REASON: Final = "tapewire-reason"
EXIT_CODE: Final = "tapewire-exit-code"

#: Kind of error → gRPC's name of its status; of several that fit, the first.
_STATUS: Final[tuple[tuple[type[TapewireError], str], ...]] = (
    (MissingFileError, "NOT_FOUND"),
    (ConfigError, "INVALID_ARGUMENT"),
    (InputError, "FAILED_PRECONDITION"),
    (StoreLockedError, "UNAVAILABLE"),
    (StoreAwayError, "UNAVAILABLE"),
    (StoreFullError, "RESOURCE_EXHAUSTED"),
    (QueueFullError, "RESOURCE_EXHAUSTED"),
    (KeyReuseError, "ALREADY_EXISTS"),
    (StoreError, "FAILED_PRECONDITION"),
    (OutputError, "INTERNAL"),
    (InterruptedRunError, "CANCELLED"),
)


@dataclass(frozen=True)
class CallFailure:
    """How a call ends that can't be answered.

    Attributes
    ----------
    status : str
        gRPC's name of it.
    reason : str
        For programs.
    sentence : str
        For people.
    exit_code : int
        What the command line would end with.
    """

    status: str
    reason: str
    sentence: str
    exit_code: int = 1

    @property
    def code(self) -> "grpc.StatusCode":
        """The same as gRPC's own."""
        import grpc

        return grpc.StatusCode[self.status]

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        """Trailing metadata."""
        return ((REASON, self.reason), (EXIT_CODE, str(self.exit_code)))


def failure_of(error: TapewireError) -> CallFailure:
    """Return what a client is told of an error of ours."""
    status = next((name for kind, name in _STATUS if isinstance(error, kind)), "INTERNAL")
    return CallFailure(status, reason_of(type(error).__name__), str(error), error.exit_code)
