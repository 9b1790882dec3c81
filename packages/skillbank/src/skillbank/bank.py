"""SkillBank, the one class most users need."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from skillbank.changes import Entry
from skillbank.curation import BankCurator
from skillbank.embedding import Embedder
from skillbank.errors import InvalidEvidence, InvalidQuery
from skillbank.evidence import ExposureLike, episode_of
from skillbank.gate import Gate
from skillbank.memory import InMemoryStore
from skillbank.plan import Plan
from skillbank.proposals import ApplyReport
from skillbank.reembedding import Progress, reembed
from skillbank.screen import Screen, default_screen
from skillbank.skill import Proposal, Skill, SkillDraft
from skillbank.store import SkillStore, Writer
from skillbank.writing import Subject, add_drafts, apply_proposals, check_label, decide

T = TypeVar("T")


class SkillBank(BankCurator):
    """A named, versioned collection of skills.

    Every successful write makes one new revision, and any earlier revision can still be
    read. Text that the screen stops enters in quarantine, which no search looks at.
    Use it as a context manager, or call `close`. Threads may share it; a forked process
    may not and has to open its own.
    """

    def __init__(
        self,
        store: SkillStore,
        *,
        screen: Screen | None = default_screen,
        embedder: Embedder | None = None,
    ) -> None:
        """Wrap a store; `open` and `in_memory` are the usual ways."""
        super().__init__(store, Gate(screen, embedder))

    @classmethod
    def open(
        cls,
        target: str | Path,
        *,
        name: str = "default",
        embedder: Embedder | None = None,
        screen: Screen | None = default_screen,
        tenant: str = "default",
        schema: str = "skillbank",
    ) -> "SkillBank":
        """Open the bank `name`, creating it (and a new directory's database) if missing.

        Args:
            target: A directory, for a database of its own that ends with its last
                user; or a "postgresql://" URL of a server that has pgvector.
            name: The bank within that database.
            embedder: Makes the vectors of new skills and of queries; None for a bank
                that is searched by words.
            screen: Looks at every new text; what it stops is quarantined. None to let
                everything in.
            tenant: Whose bank it is; tenants cannot see each other's banks.
            schema: Where a server keeps the tables; a directory has but one.

        Raises:
            ServerError: the database cannot be started or reached, or lacks something.
            BankInUse: the directory belongs to another user or is held too long.
        """
        # psycopg costs as much import time as the rest of the package together.
        from skillbank.postgres import open_directory, open_url

        check_label("name", name)
        check_label("tenant", tenant)
        if isinstance(target, str) and target.startswith(("postgresql://", "postgres://")):
            store = open_url(target, name, tenant, schema)
        elif isinstance(target, str) and "://" in target:
            raise InvalidQuery(
                f"target must be a directory or a postgresql:// URL, got {target.split('://')[0]}://"
            )
        elif schema != "skillbank":
            raise InvalidQuery(
                f"schema is for servers; a directory's is 'skillbank', got {schema!r}"
            )
        else:
            store = open_directory(Path(target), name, tenant)
        return cls(store, screen=screen, embedder=embedder)

    @classmethod
    def in_memory(
        cls,
        name: str = "default",
        *,
        embedder: Embedder | None = None,
        screen: Screen | None = default_screen,
    ) -> "SkillBank":
        """Return a bank that lives as long as this object: for tests and trials."""
        check_label("name", name)
        return cls(InMemoryStore(name), screen=screen, embedder=embedder)

    def add(
        self, drafts: Sequence[SkillDraft], *, status: Entry = "active", key: str | None = None
    ) -> list[Skill]:
        """Store drafts and return one skill per draft, in order.

        A draft whose text the bank already has (in any version and status, case and
        white space aside) gives that version instead of a second one. One that the
        screen stops comes back with status "quarantined" and the reason.

        Args:
            drafts: The new texts.
            status: What they enter as.
            key: Makes the call repeatable: the same key again returns what the first
                call returned and changes nothing, whatever the drafts are.

        Raises:
            InvalidSkill: a draft breaks a rule; nothing was written.
            EmbeddingError: the bank's vectors are not of the bank's embedder.
            Conflict: `key` was used for `apply`.
        """
        return add_drafts(self._store, self._gate, drafts, status, key)[1]

    def apply(
        self,
        proposals: Sequence[Proposal],
        *,
        key: str | None = None,
        status: Entry = "active",
        base_revision: int | None = None,
    ) -> ApplyReport:
        """Carry out proposals in order, each on top of the ones before it, as one write.

        A rejected proposal never blocks another. Text that enters as a candidate leaves
        the active versions it would replace in place; so does text that the screen stops.

        Args:
            proposals: Changes with the evidence for them.
            key: Makes the call repeatable, as for `add`.
            status: What new text enters as.
            base_revision: The revision the proposals were made on; one whose target has
                changed since is rejected. None not to look.

        Raises:
            EmbeddingError: the bank's vectors are not of the bank's embedder.
            Conflict: `key` was used for `add`.
        """
        outcome, skills = apply_proposals(
            self._store, self._gate, proposals, status, key, base_revision
        )
        pairs = list(zip((i for i, _ in outcome.accepted), skills, strict=True))
        return ApplyReport(
            revision=outcome.revision,
            accepted=tuple(pair for pair in pairs if pair[1].status != "quarantined"),
            quarantined=tuple(pair for pair in pairs if pair[1].status == "quarantined"),
            rejected=outcome.rejected,
        )

    def decide(self, subject: Subject, work: Callable[[Plan, Writer], T]) -> tuple[T, int]:
        """Carry out what no other method does, an import for instance, as one write.

        Args:
            subject: The new texts, and the skills that the decision is about.
            work: Decides on the plan, under the bank's write lock; a `Rejection` or any
                other exception undoes everything.

        Returns:
            What `work` returned, and the bank's revision afterwards.

        Raises:
            UnknownSkill, Conflict: what a `Rejection` says.
            EmbeddingError: the bank's vectors are not of the bank's embedder.
        """
        return decide(self._store, self._gate, subject, work)

    def reembed(self, *, progress: Progress | None = None, batch_size: int = 64) -> int:
        """Give every skill a vector of the bank's embedder, then search by those.

        Others may read and write meanwhile: they go on with the vectors there are, until
        one last revision changes over. A run that was cut short continues.

        Args:
            progress: Called with (versions done, versions in all) after every batch.
            batch_size: Texts per call of the embedder.

        Returns:
            How many versions were embedded.

        Raises:
            EmbeddingError: the bank was opened without an embedder, or it fails.
        """
        return reembed(self._store, self._gate, progress, batch_size)

    def optimize(self) -> None:
        """Index the vectors of a bank of more than 10,000 skills; worth it after growth.

        Answers are the same without, but slower. Others may read and write meanwhile.

        Raises:
            ServerError: this role may not make an index; the tables' owner has to.
        """
        self._store.optimize()

    def record(
        self,
        exposure: ExposureLike,
        *,
        success: bool,
        reward: float,
        episode_id: str,
        group_id: str,
    ) -> None:
        """Append one finished episode to the evidence log.

        The first record of an episode stands: the same `episode_id` again changes
        nothing.

        Raises:
            InvalidEvidence: the exposure is of another bank, or a value is impossible.
            UnknownSkill: a skill, version or revision this bank does not have.
        """
        if exposure.bank_id != self.id:
            raise InvalidEvidence(
                f"bank_id must be this bank's {self.id}, got {exposure.bank_id!r:.60}"
            )
        self._pinned(exposure.bank_revision)
        self._store.record(
            episode_of(
                exposure,
                success=success,
                reward=reward,
                episode_id=episode_id,
                group_id=group_id,
            )
        )
