"""Stand-ins for the messages of the Functions worker protocol, as far as this app meets them.

The worker gets this module instead of the generated classes. Only what it looks at is real: the
numbers of the enumerations, and `WhichOneof`; a field that is not there raises AttributeError.
"""

from types import SimpleNamespace


class Message(SimpleNamespace):
    """Any message: its fields as attributes."""


class TypedData(SimpleNamespace):
    """One value, in the one field that names its type: `TypedData(string="…")`."""

    def WhichOneof(self, group: str) -> str:  # noqa: N802 - the protocol's name
        """Return the field that is set."""
        assert "data" == group
        (field,) = vars(self)
        return field


class ParameterBinding(SimpleNamespace):
    """The value of one parameter: `name` and `data`."""

    def WhichOneof(self, group: str) -> str:  # noqa: N802 - the protocol's name
        """Return the field that is set; there is no shared memory here."""
        assert "rpc_data" == group
        return "data"


class StatusResult(SimpleNamespace):
    """How a request went: `status`, and `exception` when it failed."""

    Failure = 0
    Success = 1


class BindingInfo(SimpleNamespace):
    """One binding: type, data type, direction."""

    inout = 2
    out = 1
    undefined = 0


FunctionLoadResponse = FunctionMetadataResponse = InvocationResponse = Message
RpcException = RpcFunctionMetadata = RpcRetryOptions = Message
WorkerInitResponse = WorkerMetadata = Message
