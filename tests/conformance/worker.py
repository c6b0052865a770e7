"""Microsoft's own worker code (`azure-functions-runtime`), driven without gRPC and without a host.

It indexes an app as in Azure and runs its functions on the payloads that the host would send.
The worker keeps its state in its modules: one app a process.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import azure_functions_runtime as runtime

from tests.conformance import protos
from tests.conformance.protos import Message, ParameterBinding, StatusResult, TypedData


class IndexingError(Exception):
    """The worker refused the app; the text is what an operator reads in the host's log."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function as the worker announces it to the host."""

    name: str
    id: str
    bindings: tuple[Mapping[str, Any], ...]

    @property
    def trigger(self) -> Mapping[str, Any]:
        """Its only binding."""
        (binding,) = self.bindings
        return binding


@dataclass(frozen=True, slots=True)
class Invocation:
    """How an invocation ended; `fault` is what the host logs of a failure."""

    succeeded: bool
    fault: str | None = None


class Worker:
    """A worker that has indexed and loaded an app."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.functions = functions

    @classmethod
    async def start(cls, directory: Path) -> Self:
        """Index the app of a directory and load its functions. Raises IndexingError."""
        sys.path.insert(0, str(directory))
        init = Message(capabilities={}, function_app_directory=str(directory))
        _check(await runtime.worker_init_request(_request(worker_init_request=init)))
        answer = await runtime.functions_metadata_request(_request())
        _check(answer)
        functions = [
            Function(one.name, one.function_id, tuple(map(json.loads, one.raw_bindings)))
            for one in answer.function_metadata_results or ()
        ]
        for function in functions:
            load = Message(function_id=function.id)
            _check(await runtime.function_load_request(_request(function_load_request=load)))
        return cls({function.name: function for function in functions})

    async def invoke(
        self, name: str, data: TypedData, metadata: Mapping[str, TypedData] | None = None
    ) -> Invocation:
        """Run a function with what its trigger brought."""
        function = self.functions[name]
        invocation = Message(
            invocation_id=str(uuid4()),
            function_id=function.id,
            input_data=[ParameterBinding(name=function.trigger["name"], data=data)],
            trigger_metadata=metadata or {},
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await runtime.invocation_request(_request(invocation_request=invocation))
        if answer.result.status == StatusResult.Success:
            return Invocation(succeeded=True)
        return Invocation(succeeded=False, fault=answer.result.exception.message)


def _request(**content: object) -> Message:
    return Message(request=Message(**content), properties={"host": "127.0.0.1", "protos": protos})


def _check(answer: Message) -> None:
    if answer.result.status != StatusResult.Success:
        raise IndexingError(answer.result.exception.message)
