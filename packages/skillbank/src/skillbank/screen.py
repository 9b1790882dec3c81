"""Whether the text of a draft may reach a prompt, or waits for a person.

Skills are distilled by a model that has read untrusted pages and trajectories, and later
stand in the prompts of agents. The default screen looks for text that is more than advice:
orders to the reader, markup, links, code, secrets, encodings, disguises. It is a set of
fixed rules, not a model: deterministic, and linear in the length of the text.

It is one layer. `check_draft` refuses what no skill may hold, and rendering keeps every
skill inside its own bullet.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from skillbank.screening.encoded import encoded
from skillbank.screening.folding import hidden_characters, visible
from skillbank.screening.foreign import abroad
from skillbank.screening.machinery import off_topic
from skillbank.screening.marks import marked
from skillbank.screening.secrets import credentials
from skillbank.screening.shape import misshapen
from skillbank.screening.sign import Sign, Signs
from skillbank.screening.text import read
from skillbank.screening.wording import told
from skillbank.skill import SkillDraft

MAX_EXCERPT = 60
MAX_PARTS, MAX_PART = 3, 150
"""Of a reason: rules that it names, and characters for each; under 500 in all."""
_ACROSS_FIELDS = frozenset({"instruction-override"})
"""Rules whose wordings are specific enough to run over from one field into the next."""
_IN_NAMES = frozenset({"role-tag"})
"""Marks that are odd even in names, where hosts, paths and dots are ordinary."""
_MAX_READ = 4_000
"""Characters read per field; twice what `check_draft` allows, and longer is a finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that speaks against a draft."""

    rule: str
    """A stable name such as "role-tag"."""
    field: str
    """The draft's field, or "text" for all of them read in a row."""
    excerpt: str
    """Where: at most 60 letters, digits and mild punctuation; of a secret, how it begins."""
    why: str
    """One clause for a person, with the field as its subject."""


Screen = Callable[[SkillDraft], Sequence[Finding]]
"""Looks at a draft; nothing found means that it may become a candidate or active."""


def default_screen(draft: SkillDraft) -> tuple[Finding, ...]:
    """Return what speaks against a draft, each rule once per field; empty if nothing does.

    Read are title, principle, when_to_apply and category, alone and in a row as a prompt
    shows them, and, by the rules that names and ids do not break, the teacher, the prompt
    hash and the trajectory ids. Any text is answered, also one that `check_draft` refuses.
    """
    fields = {
        "title": draft.title,
        "principle": draft.principle,
        "when_to_apply": draft.when_to_apply,
        "category": draft.category or "",
    }
    found = [finding for field, raw in fields.items() for finding in _prose(field, raw)]
    found += [finding for field, raw in _names(draft) for finding in _name(field, raw)]
    if not found:
        row = read("  ".join(raw[:_MAX_READ] for raw in fields.values())).words
        found += _findings("text", [*told(row, only=_ACROSS_FIELDS), *off_topic(row)])
    first = {(finding.field, finding.rule): finding for finding in reversed(found)}
    return tuple(reversed(first.values()))


def reason_of(findings: Sequence[Finding]) -> str:
    """Return why a draft is quarantined, in at most 500 characters; empty for no findings.

    Nothing of the draft is quoted, so that a reason can be shown, logged or put into a
    prompt without carrying the attack along.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        places.setdefault((finding.rule, finding.why), []).append(finding.field)
    parts = [
        _inert(f"{rule}: {', '.join(dict.fromkeys(fields))} {why}", MAX_PART, ":-_()")
        for (rule, why), fields in places.items()
    ]
    reason = "; ".join(parts[:MAX_PARTS])
    left_out = len(parts) - MAX_PARTS
    return f"{reason}; and {left_out} more" if left_out > 0 else reason


def _prose(field: str, raw: str) -> Iterator[Finding]:
    """Hold one field against every rule."""
    text = read(raw[:_MAX_READ])
    secrets = list(credentials(text))
    signs = [
        *_unseen(text.raw),
        *misshapen(field, text),
        *told(text.words),
        *abroad(text),
        *marked(text),
        *encoded(text),
    ]
    if secrets:  # which another rule may have quoted in full
        signs = [sign._replace(excerpt="") for sign in signs]
    yield from _findings(field, [*secrets, *signs])


def _name(field: str, raw: str) -> Iterator[Finding]:
    """Hold a model name or an id against the rules that an ordinary one does not break."""
    text = read(raw)
    yield from _findings(field, credentials(text, tokens=False))
    yield from _findings(field, _unseen(raw))
    yield from _findings(field, told(text.words))
    yield from _findings(field, marked(text, only=_IN_NAMES))


def _names(draft: SkillDraft) -> Iterator[tuple[str, str]]:
    """Yield (field, text) of provenance, long texts in pieces."""
    provenance = draft.provenance
    ids = "  ".join(cited.trajectory_id for cited in provenance.citations)
    for field, raw in (
        ("teacher", provenance.teacher or ""),
        ("prompt_hash", provenance.prompt_hash or ""),
        ("trajectory_id", ids),
    ):
        for at in range(0, len(raw), _MAX_READ):
            yield field, raw[at : at + _MAX_READ]


def _unseen(raw: str) -> Signs:
    if hidden := hidden_characters(raw):
        shown = " ".join(f"U {ord(char):04X}" for char in hidden[:5])
        yield Sign("hidden-character", "holds characters that a reader cannot see", shown)


def _findings(field: str, signs: Iterable[Sign]) -> Iterator[Finding]:
    for rule, why, excerpt in signs:
        yield Finding(rule=rule, field=field, excerpt=_inert(excerpt, MAX_EXCERPT), why=why)


def _inert(text: str, length: int, also: str = "") -> str:
    """Keep what can be neither markup, link, escape sequence nor formula."""
    mild = f" ,'{also}"
    kept = "".join(char if char.isalnum() or char in mild else " " for char in visible(text))
    return " ".join(kept.split())[:length]
