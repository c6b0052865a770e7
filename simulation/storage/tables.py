"""The state of the Table service: entities, ETags, and transactions that are all or nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulation.storage.odata import Predicate

Properties = dict[str, Any]
"""An entity's JSON as it is sent, types in `<name>@odata.type`; the two keys included."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entity:
    """A stored entity."""

    properties: Properties
    etag: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class Write:
    """One operation. `match`: the ETag that the entity must have, `*` any; None: no condition."""

    kind: str  # insert, replace, merge, delete
    key: Key
    properties: Properties
    match: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did to one entity."""

    table: str
    key: Key
    before: Entity | None
    after: Entity | None


class RefusedError(Exception):
    """An operation was refused: HTTP status, the service's code, which one of a transaction."""

    def __init__(self, status: int, code: str, index: int = 0) -> None:
        super().__init__(code)
        self.status, self.code, self.index = status, code, index


class Tables:
    """Every table of an account. `now` gives seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._tables: dict[str, dict[str, dict[str, Entity]]] = {}
        self._versions = 0
        self.committed: Callable[[list[Change]], None] = lambda _changes: None

    def create(self, table: str) -> None:
        """Makes a table. Raises RefusedError when it is there."""
        if table in self._tables:
            raise RefusedError(409, "TableAlreadyExists")
        self._tables[table] = {}

    def get(self, table: str, key: Key) -> Entity:
        """One entity. Raises RefusedError."""
        found = self._partition(table, key[0]).get(key[1])
        if found is None:
            raise RefusedError(404, "ResourceNotFound")
        return found

    def query(self, table: str, partition: str | None, accepts: Predicate) -> list[Entity]:
        """The entities that pass, in the order of their keys. Raises RefusedError."""
        partitions = self._existing(table)
        names = sorted(partitions) if partition is None else [partition]
        return [
            entity
            for name in names
            for _, entity in sorted(partitions.get(name, {}).items())
            if accepts(entity.properties)
        ]

    def entities(self, table: str) -> Iterable[Entity]:
        """Every entity of a table; none where there is no table."""
        for partition in self._tables.get(table, {}).values():
            yield from partition.values()

    def write(self, table: str, writes: list[Write]) -> list[Entity | None]:
        """Carries out all operations or none; what each left. Raises RefusedError."""
        partitions = self._existing(table)
        staged: dict[Key, Entity | None] = {}
        for index, write in enumerate(writes):
            if write.key in staged:
                raise RefusedError(400, "InvalidDuplicateRow", index)
            before = partitions.get(write.key[0], {}).get(write.key[1])
            try:
                staged[write.key] = self._apply(write, before)
            except RefusedError as refused:
                raise RefusedError(refused.status, refused.code, index) from None

        changes = []
        for key, after in staged.items():
            rows = partitions.setdefault(key[0], {})
            changes.append(Change(table, key, rows.get(key[1]), after))
            if after is None:
                del rows[key[1]]
            else:
                rows[key[1]] = after

        self.committed(changes)
        return list(staged.values())

    def _apply(self, write: Write, before: Entity | None) -> Entity | None:
        if write.kind == "insert":
            if before is not None:
                raise RefusedError(409, "EntityAlreadyExists")
            return self._entity(write.properties)

        if before is None:
            if write.match is not None:
                raise RefusedError(404, "ResourceNotFound")
        elif write.match not in (None, "*", before.etag):
            raise RefusedError(412, "UpdateConditionNotSatisfied")

        if write.kind == "delete":
            return None
        if write.kind == "merge" and before is not None:
            return self._entity({**before.properties, **write.properties})
        return self._entity(write.properties)

    def _entity(self, properties: Properties) -> Entity:
        self._versions += 1
        moment = datetime.fromtimestamp(self._now(), UTC)
        timestamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{self._versions % 10_000_000:07d}Z"
        etag = f"W/\"datetime'{timestamp.replace(':', '%3A')}'\""
        return Entity(properties, etag, timestamp)

    def _existing(self, table: str) -> dict[str, dict[str, Entity]]:
        if table not in self._tables:
            raise RefusedError(404, "TableNotFound")
        return self._tables[table]

    def _partition(self, table: str, name: str) -> dict[str, Entity]:
        return self._existing(table).get(name, {})
