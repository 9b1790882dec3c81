"""How retrieved skills become the skills block of a prompt.

The text of a skill is untrusted. Whatever it says, it stays inside its own bullet: it
cannot start a line, open a heading or a fence, or write an angle bracket.
"""

import re
from collections.abc import Iterable
from typing import Literal

from skillbank.characters import on_one_line
from skillbank.skill import Hit, Skill

# Single angle quotation marks have no compatibility decomposition, so no tokenizer's
# normalisation turns them back into brackets; the full-width and small forms have one.
_BRACKETS = str.maketrans(
    dict.fromkeys("<\uff1c\ufe64", "\u2039") | dict.fromkeys(">\uff1e\ufe65", "\u203a")
)
_FENCE = re.compile(r"`{3,}|~{3,}")
_LINE_MARKER = re.compile(r"^(?:[#>`~=*+|_:\-\s\u2039\u203a]+|\d+[.)]\s+)+")


def render(hits: Iterable[Hit], *, style: Literal["markdown", "plain"] = "markdown") -> str:
    """Return the skills block, without a final newline; empty for no hits.

    Args:
        hits: In the order they should have within each heading.
        style: "markdown" has the headings General Principles, one per category, and
            Mistakes to Avoid, with one bullet per skill; "plain" has one lower-case
            principle per line, for models of a few million parameters.
    """
    skills = [hit.skill for hit in hits]
    if style == "plain":
        return "\n".join(_plain_line(skill) for skill in skills)
    sections: dict[str, list[str]] = {}
    for skill in sorted(skills, key=lambda skill: ("general", "task", "mistake").index(skill.kind)):
        sections.setdefault(_heading(skill), []).append(_bullet(skill))
    return "\n\n".join("\n".join([heading, *lines]) for heading, lines in sections.items())


def _heading(skill: Skill) -> str:
    if skill.kind == "general":
        return "### General Principles"
    if skill.kind == "mistake":
        return "### Mistakes to Avoid"
    words = _inert(skill.category or "task").replace("_", " ").split() or ["Task"]
    return f"### {' '.join(word[:1].upper() + word[1:] for word in words)} Skills"


def _bullet(skill: Skill) -> str:
    title = _inert(skill.title).replace("**", "*")
    return f"- **{title}**: {_inert(skill.principle)} _When: {_inert(skill.when_to_apply)}_"


def _plain_line(skill: Skill) -> str:
    # Lower-casing first: it may itself produce characters that need a look.
    return _LINE_MARKER.sub("", _inert(skill.principle.lower())) or "(no text)"


def _inert(text: str) -> str:
    quoted = on_one_line(text).translate(_BRACKETS)
    return _FENCE.sub(lambda match: match[0][0], quoted) or "(no text)"
