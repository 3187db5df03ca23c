"""The handlers of a server's calls, gathered for the guard that stands before all of them."""

from collections.abc import Mapping, Sequence

import grpc


class Handlers:
    """Stands where generated code expects a server that it adds handlers to.

    Attributes
    ----------
    by_call : dict
        ``/package.Service/Call`` → handler.
    """

    def __init__(self) -> None:
        self.by_call: dict[str, grpc.RpcMethodHandler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Leave them: the same come by `add_registered_method_handlers`, by name."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler]
    ) -> None:
        """Remember a service's by their calls."""
        self.by_call.update({f"/{service}/{name}": one for name, one in handlers.items()})
