"""The Table service's HTTP face: answers what `azure-data-tables` sends as Azurite does."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from simulation.storage import batch
from simulation.storage.odata import FilterError, parse
from simulation.storage.tables import Entity, Properties, RefusedError, Tables, Write
from simulation.wire import Request, Response

_JSON = "application/json;odata=minimalmetadata"
_ENTITY = re.compile(r"/(?P<table>\w+)\(PartitionKey='(?P<pk>.*)',\s*RowKey='(?P<rk>.*)'\)")
_PARTITION = re.compile(r"PartitionKey eq '([^']*)' and ")
_NEXT = "x-ms-continuation-next"
_MESSAGES = {
    "TableNotFound": "The table specified does not exist.",
    "TableAlreadyExists": "The table specified already exists.",
    "EntityAlreadyExists": "The specified entity already exists.",
    "ResourceNotFound": "The specified resource does not exist.",
    "UpdateConditionNotSatisfied": "The update condition specified in the request was not"
    " satisfied.",
    "InvalidDuplicateRow": "The batch request contains multiple changes with same row key.",
    "InvalidInput": "One of the request inputs is not valid.",
}
_IMPLIED = frozenset({"Edm.String", "Edm.Int32", "Edm.Boolean", "Edm.Double"})


class TableService:
    """Answers requests; `page` says how many entities the next page holds at most, 0 included."""

    def __init__(self, tables: Tables, page: Callable[[], int] = lambda: 1000) -> None:
        self._tables = tables
        self._page = page

    def __call__(self, request: Request) -> Response:
        """Acts on one request."""
        try:
            if request.path == "/$batch":
                return self._batch(request)
            if request.path == "/Tables":
                return self._create_table(request)
            if request.path.endswith("()"):
                return self._query(request)
            if request.method == "GET":
                return self._get(request)
            return self._write(request)
        except RefusedError as refused:
            return _error(refused)

    def _batch(self, request: Request) -> Response:
        parts = [_write_of(part) for part in batch.requests_of(request)]
        table = parts[0][0]
        try:
            entities = self._tables.write(table, [write for _, write in parts])
        except RefusedError as refused:
            error = _error(refused, f"{refused.index}:")
            error.headers = {"Content-ID": str(refused.index + 1), **error.headers}
            return batch.answer(request, [error])
        return batch.answer(
            request,
            (
                Response(201 if write.kind == "insert" else 204, _etag(entity))
                for (_, write), entity in zip(parts, entities, strict=True)
            ),
        )

    def _create_table(self, request: Request) -> Response:
        name = json.loads(request.body)["TableName"]
        self._tables.create(name)
        return Response(201, {"Content-Type": _JSON}, json.dumps({"TableName": name}).encode())

    def _get(self, request: Request) -> Response:
        match = _matched(request.path)
        entity = self._tables.get(match["table"], _key(match))
        return Response(200, {"Content-Type": _JSON, **_etag(entity)}, _body(_shown(entity)))

    def _write(self, request: Request) -> Response:
        table, write = _write_of(request)
        (entity,) = self._tables.write(table, [write])
        if write.kind == "insert" and entity is not None:
            headers = {"Content-Type": _JSON, **_etag(entity)}
            return Response(201, headers, _body(_shown(entity)))
        return Response(204, _etag(entity))

    def _query(self, request: Request) -> Response:
        table, text = request.path[1:-2], request.query.get("$filter", "")
        try:
            accepts = parse(text) if text else lambda _row: True
        except FilterError:
            raise RefusedError(400, "InvalidInput") from None
        partition = _PARTITION.match(text)
        found = self._tables.query(table, partition[1] if partition else None, accepts)
        if "NextPartitionKey" in request.query:
            start = tuple(_decoded(request.query[f"Next{n}Key"]) for n in ("Partition", "Row"))
            found = [entity for entity in found if _keys(entity) >= start]

        limit = min(self._page(), int(request.query.get("$top", "1000")))
        page, rest = found[:limit], found[limit:]
        headers = {"Content-Type": _JSON}
        if rest:
            for name, key in zip(("partition", "row"), _keys(rest[0]), strict=True):
                headers[f"{_NEXT}{name}key"] = b64encode(key.encode()).decode()
        columns = request.query.get("$select", "")
        chosen = frozenset(columns.split(",")) if columns else None
        return Response(200, headers, _body({"value": [_shown(e, chosen) for e in page]}))


def _write_of(request: Request) -> tuple[str, Write]:
    if request.method == "POST":
        properties = _properties(request)
        key = properties["PartitionKey"], properties["RowKey"]
        return request.path[1:], Write("insert", key, properties)

    match = _matched(request.path)
    kinds = {"PUT": "replace", "PATCH": "merge", "MERGE": "merge", "DELETE": "delete"}
    kind = kinds[request.method]
    properties = {} if kind == "delete" else _properties(request)
    key = _key(match)
    properties |= {} if kind == "delete" else {"PartitionKey": key[0], "RowKey": key[1]}
    return match["table"], Write(kind, key, properties, request.headers.get("if-match"))


def _properties(request: Request) -> Properties:
    given: dict[str, Any] = json.loads(request.body)
    return {
        name: value
        for name, value in given.items()
        if not (name.endswith("@odata.type") and value in _IMPLIED)
    }


def _matched(path: str) -> re.Match[str]:
    match = _ENTITY.fullmatch(path)
    if match is None:
        raise RefusedError(400, "InvalidInput")
    return match


def _key(match: re.Match[str]) -> tuple[str, str]:
    return match["pk"].replace("''", "'"), match["rk"].replace("''", "'")


def _keys(entity: Entity) -> tuple[str, ...]:
    return entity.properties["PartitionKey"], entity.properties["RowKey"]


def _decoded(text: str) -> str:
    return b64decode(text).decode()


def _etag(entity: Entity | None) -> dict[str, str]:
    return {"ETag": entity.etag} if entity else {}


def _shown(entity: Entity, columns: frozenset[str] | None = None) -> Properties:
    shown = {"odata.etag": entity.etag, **entity.properties, "Timestamp": entity.timestamp}
    if columns is None:
        return shown
    return {
        name: value
        for name, value in shown.items()
        if name == "odata.etag" or name.removesuffix("@odata.type") in columns
    }


def _body(value: object) -> bytes:
    return json.dumps(value).encode()


def _error(refused: RefusedError, prefix: str = "") -> Response:
    message = {"lang": "en-US", "value": prefix + _MESSAGES[refused.code]}
    body = _body({"odata.error": {"code": refused.code, "message": message}})
    return Response(refused.status, {"x-ms-error-code": refused.code, "Content-Type": _JSON}, body)
