"""PostgresSearch: the paths by which Postgres answers searches, and which one is taken.

An index over vectors returns its nearest rows and then drops those that fail the other
conditions, so with a filter it loses neighbours. It is therefore only asked for the
nearest of a whole bank; everything else is ranked exactly, over the rows that pass the
filter, which costs a third of a millisecond per thousand vectors of 384 numbers.

Statements rank and name versions. The texts are fetched apart and kept by revision.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from psycopg import Connection, Cursor, sql
from psycopg.rows import DictRow

from skillbank.changes import SkillRef
from skillbank.database import Database, literal
from skillbank.errors import EmbeddingError, UnknownSkill
from skillbank.gate import checked_vector, no_space
from skillbank.postgres_rows import skill_of
from skillbank.postgres_writer import space_of
from skillbank.skill import Skill
from skillbank.store import Found, Result, Search, Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INDEX_FROM = 10_000
"""Vectors from which an index is worth building."""
_EXACT_UP_TO = 4_000
"""Vectors up to which ranking all of them is as fast as asking an index."""
_BREADTH = 100
"""Candidates an index looks at, as `show_bank_to_read` sets it (pgvector's ef_search)."""
_MAX_BREADTH = 1000
_MAX_SPACES = 100
_MAX_SKILLS = 5_000
_ALL_KINDS = frozenset({"general", "task", "mistake"})
_SCOPES = {
    "any": "(select) wanted",
    "some": "(select %(kinds)s::text[] as kinds) wanted",
    "each": "(select array[kind] as kinds from unnest(%(kinds)s::text[]) as kind) wanted",
}
"""Skills of any kind together, of some kinds together, and of each kind apart."""
_TABLES = {"search_by_age": "v", "search_by_text": "v", "search_by_vector": "e"}
"""Which table a search finds what it filters by in."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a bank at its newest revision, so that it need not be asked."""

    revision: int = -1
    indexed: bool | None = None
    """Whether its vectors are many and indexed; None before it was looked up."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A search on its way."""

    search: Search
    revision: int
    by_index: bool
    bound: dict[str, object]
    answer: Cursor[DictRow]


class PostgresSearch:
    """Answers the searches of one bank."""

    def __init__(self, database: Database, bank_id: str) -> None:
        """Search the bank `bank_id`."""
        self._database = database
        self._bank_id = bank_id
        self._known = _Known()
        # By revision, whose space never changes.
        self._spaces: dict[int, tuple[int, Space]] = {}
        # The skills that searches found lately, by the revision they looked at.
        self._skills: dict[int, dict[SkillRef, Skill]] = {}
        self._by_index: dict[int, sql.Composed] = {}
        self._statements = {
            (name, *key): _filled(database.queries[name], table, *key)
            for name, table in _TABLES.items()
            for key in product(_SCOPES, (False, True), (False, True))
        }

    def answer(self, searches: Sequence[Search]) -> list[Result]:
        """Answer searches on one state of the bank."""
        if not searches:
            return []
        with self._database.reading(self._bank_id) as connection:
            # Asked as if nothing had been written since the last time, which saves a
            # journey; if something has been, asked again.
            known = self._known
            asked = self._ask_early(connection, known, searches)
            rows = [one.answer.fetchall() for one in asked or ()]
            newest = next((part[0]["newest"] for part in rows if part), None)
            if newest is None:
                newest = self._newest(connection)
            if asked is None or newest != known.revision:
                for search in searches:
                    if search.revision is not None and not 0 <= search.revision <= newest:
                        raise UnknownSkill(
                            f"this bank has revisions 0 to {newest}, got {search.revision}"
                        )
                known = self._known = self._look(connection, known, newest, searches)
                asked = [self._start(connection, known, search) for search in searches]
                rows = [one.answer.fetchall() for one in asked]
            return [
                self._finish(connection, one, part) for one, part in zip(asked, rows, strict=True)
            ]

    def vectors(self, refs: Collection[SkillRef]) -> dict[SkillRef, "NDArray[np.float32]"]:
        """Return the vectors of versions in the present space, where they have one."""
        with self._database.reading(self._bank_id) as connection:
            found = self._space(connection, self._newest(connection))
            return {} if found is None else self._vectors(connection, found[0], refs)

    def build_index(self) -> None:
        """Build the index over the present space's vectors, if there are enough."""
        with self._database.reading(self._bank_id) as connection:
            found = self._space(connection, self._newest(connection))
            if found is None or self._count(connection, found[0], INDEX_FROM) < INDEX_FROM:
                return
            if self._index_is_valid(connection, found[0]):
                return
        space_id, space = found
        values = {
            "name": sql.Identifier(self._index_name(space_id)),
            "dimensions": sql.Literal(space.model.dimensions),
            "bank_id": sql.Literal(self._bank_id),
            "space_id": sql.Literal(space_id),
        }
        self._database.run_as_owner(
            sql.SQL(literal(self._database.queries[name])).format(**values)
            for name in ("prepare_index_build", "drop_vector_index", "create_vector_index")
        )
        self._known = _Known()

    def _ask_early(
        self, connection: Connection[DictRow], known: _Known, searches: Sequence[Search]
    ) -> list[_Asked] | None:
        for search in searches:
            revision = known.revision if search.revision is None else search.revision
            if not 0 <= revision <= known.revision:
                return None
            if search.vector is not None and (
                known.indexed is None or revision not in self._spaces
            ):
                return None
        try:
            return [self._start(connection, known, search) for search in searches]
        except EmbeddingError:
            return None  # perhaps no longer true

    def _look(
        self,
        connection: Connection[DictRow],
        known: _Known,
        newest: int,
        searches: Sequence[Search],
    ) -> _Known:
        if newest != known.revision:
            known = _Known(newest)
        if known.indexed is None and any(search.vector is not None for search in searches):
            space = self._space(connection, newest)
            known = replace(known, indexed=bool(space and self._is_indexed(connection, space[0])))
        return known

    def _start(self, connection: Connection[DictRow], known: _Known, search: Search) -> _Asked:
        revision = known.revision if search.revision is None else search.revision
        present = revision == known.revision
        name, by_index = "search_by_age", False
        bound: dict[str, object] = {
            "kinds": "{" + ",".join(search.kinds) + "}",
            "categories": [category or "" for category in search.categories or ()],
            "revision": revision,
            "limit": search.limit,
        }
        if search.text is not None:
            name = "search_by_text"
            bound |= {"text": search.text, "matches_only": search.matches_only}
        elif search.vector is not None and revision > 0:  # at 0 there is nothing of any age
            from skillbank.vectors import Half

            name = "search_by_vector"
            space_id, space = self._required_space(connection, revision)
            vector = checked_vector(search.vector, space, search.space)
            bound |= {"vector": Half(vector), "space_id": space_id}
            by_index = bool(known.indexed) and present and _is_of_whole_bank(search)
        if by_index:
            answer = self._ask_index(connection, bound, space_id, space.model.dimensions)
        else:
            answer = self._ask_exactly(connection, name, search, bound, present)
        return _Asked(search, revision, by_index, bound, answer)

    def _finish(
        self, connection: Connection[DictRow], asked: _Asked, rows: list[DictRow]
    ) -> Result:
        search = asked.search
        if asked.by_index and len(rows) < search.limit:
            # What an index leaves out, a look at every row finds.
            every = self._ask_exactly(connection, "search_by_vector", search, asked.bound, True)
            rows = every.fetchall()
        refs = [SkillRef(skill_id=row["skill_id"], version=row["version"]) for row in rows]
        skills = self._skills_at(connection, asked.revision, refs)
        found = [
            Found(skill=skills[ref], score=row.get("score"))
            for ref, row in zip(refs, rows, strict=True)
        ]
        if search.with_vectors and found:
            space_id, _ = self._required_space(connection, asked.revision)
            vectors = self._vectors(connection, space_id, refs)
            found = [
                replace(item, vector=vectors[ref]) for item, ref in zip(found, refs, strict=True)
            ]
        return Result(revision=asked.revision, found=found)

    def _skills_at(
        self, connection: Connection[DictRow], revision: int, refs: Collection[SkillRef]
    ) -> Mapping[SkillRef, Skill]:
        # What a revision holds never changes, and the same few skills are found again and
        # again: to fetch and build them anew would cost more than to find them.
        skills = self._skills.get(revision)
        if skills is None or len(skills) > _MAX_SKILLS:
            skills = {}
            self._skills = dict([*self._skills.items()][-1:]) | {revision: skills}
        if missing := {ref.skill_id for ref in refs if ref not in skills}:
            wanted = {"skill_ids": list(missing), "revision": revision}
            for row in self._ask(connection, "versions", wanted).fetchall():
                ref = SkillRef(skill_id=row["skill_id"], version=row["version"])
                skills[ref] = skill_of(row)
        return skills

    def _ask_exactly(
        self,
        connection: Connection[DictRow],
        name: str,
        search: Search,
        bound: Mapping[str, object],
        present: bool,
    ) -> Cursor[DictRow]:
        scope = "each" if search.per_kind else "some"
        if scope == "some" and _ALL_KINDS.issubset(search.kinds):
            scope = "any"
        statement = self._statements[name, scope, search.categories is not None, present]
        return connection.execute(statement, {"bank_id": self._bank_id, **bound})

    def _ask_index(
        self,
        connection: Connection[DictRow],
        bound: Mapping[str, object],
        space_id: int,
        dimensions: int,
    ) -> Cursor[DictRow]:
        breadth = 2 * int(str(bound["limit"]))
        if breadth > _BREADTH:
            wider = {"breadth": min(breadth, _MAX_BREADTH)}
            self._ask(connection, "prepare_index_search", wider)
        if (statement := self._by_index.get(space_id)) is None:
            statement = sql.SQL(literal(self._database.queries["search_by_index"])).format(
                dimensions=sql.Literal(dimensions),
                bank_id=sql.Literal(self._bank_id),
                space_id=sql.Literal(space_id),
            )
            self._by_index[space_id] = statement
        return connection.execute(statement, {"bank_id": self._bank_id, **bound})

    def _newest(self, connection: Connection[DictRow]) -> int:
        return int(self._ask(connection, "bank_state", {}).fetchall()[0]["revision"])

    def _required_space(self, connection: Connection[DictRow], revision: int) -> tuple[int, Space]:
        if (found := self._space(connection, revision)) is None:
            raise EmbeddingError(no_space(revision))
        return found

    def _space(self, connection: Connection[DictRow], revision: int) -> tuple[int, Space] | None:
        if (known := self._spaces.get(revision)) is not None:
            return known
        rows = self._ask(connection, "space_at", {"revision": revision}, binary=True).fetchall()
        if not rows:
            return None
        if len(self._spaces) >= _MAX_SPACES:
            self._spaces = {}
        return self._spaces.setdefault(revision, (rows[0]["space_id"], space_of(rows[0])))

    def _vectors(
        self, connection: Connection[DictRow], space_id: int, refs: Collection[SkillRef]
    ) -> dict[SkillRef, "NDArray[np.float32]"]:
        wanted: dict[str, object] = {
            "space_id": space_id,
            "skill_ids": [ref.skill_id for ref in refs],
            "versions": [ref.version for ref in refs],
        }
        rows = self._ask(connection, "vectors", wanted, binary=True).fetchall()
        return {
            SkillRef(skill_id=row["skill_id"], version=row["version"]): row["vector"]
            for row in rows
        }

    def _is_indexed(self, connection: Connection[DictRow], space_id: int) -> bool:
        return (
            self._index_is_valid(connection, space_id)
            and self._count(connection, space_id, _EXACT_UP_TO + 1) > _EXACT_UP_TO
        )

    def _count(self, connection: Connection[DictRow], space_id: int, limit: int) -> int:
        bound = {"space_id": space_id, "limit": limit}
        return int(self._ask(connection, "count_embedded", bound).fetchall()[0]["count"])

    def _index_name(self, space_id: int) -> str:
        return f"embedding_{self._bank_id.replace('-', '')}_{space_id}"

    def _index_is_valid(self, connection: Connection[DictRow], space_id: int) -> bool:
        bound = {"schema": self._database.schema, "name": self._index_name(space_id)}
        rows = self._ask(connection, "vector_index", bound).fetchall()
        return bool(rows and rows[0]["valid"])

    def _ask(
        self,
        connection: Connection[DictRow],
        block: str,
        parameters: Mapping[str, object],
        *,
        binary: bool = False,
    ) -> Cursor[DictRow]:
        bound = {"bank_id": self._bank_id, **parameters}
        return connection.execute(self._database.queries[block], bound, binary=binary)


def _is_of_whole_bank(search: Search) -> bool:
    everything = search.categories is None and _ALL_KINDS.issubset(search.kinds)
    return everything and not search.per_kind


def _filled(block: bytes, table: str, scope: str, filtered: bool, present: bool) -> bytes:
    """Return a search over a scope, of some or all categories, at the present or a revision."""
    active = "upper_inf({}.active)" if present else "{}.active @> %(revision)s::bigint"
    filters = [active]
    if scope != "any":
        filters.append("{}.kind = any(wanted.kinds)")
    if filtered:
        filters.append("{}.category_key = any(%(categories)s::text[])")
    text = literal(block).replace("{wanted}", _SCOPES[scope])
    return text.replace("{filters}", " and ".join(filters).replace("{}", table)).encode()
