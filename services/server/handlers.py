"""The handlers of a server's calls, for who asks by another way than gRPC."""

from collections.abc import Mapping, Sequence

import grpc
import grpc.aio


class Handlers:
    """Stands before a server where handlers are added to it, and remembers them.

    Parameters
    ----------
    server
        Which gets them.

    Attributes
    ----------
    by_call : dict
        ``/package.Service/Call`` → handler.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self.by_call: dict[str, grpc.RpcMethodHandler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Pass them on."""
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler]
    ) -> None:
        """Pass a service's on, and remember them by their calls."""
        self._server.add_registered_method_handlers(service, handlers)
        self.by_call.update({f"/{service}/{name}": one for name, one in handlers.items()})
