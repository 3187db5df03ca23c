"""What a server says of a call, or a job, that came to nothing."""

from tapewire.errors import TapewireError


class ServerRefusal(TapewireError):
    """A server's own error: its sentence, its reason for programs, its exit code.

    Attributes
    ----------
    reason : str
    status : str
        gRPC's name of it.
    """

    def __init__(self, sentence: str, reason: str, status: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.reason, self.status, self.exit_code = reason, status, exit_code
