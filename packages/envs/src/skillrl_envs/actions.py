"""How a reply becomes an action, and what can be wrong with it.

Parsers are functions from a reply and the admissible actions to a `ParsedReply`.
`strict_action` is the default; `paper_action` reads like SkillRL's code, for comparisons
with it. Both take time linear in the reply's length, whatever it holds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

Fault = Literal[
    "no_action_tags", "empty_action", "no_think_tags", "not_admissible", "foreign_script"
]
"""What is wrong with a reply:

no_action_tags: no opening tag followed by a closing one; empty_action: nothing between
them; no_think_tags: no thought before or after; not_admissible: an action that the
environment did not list; foreign_script: Chinese characters somewhere in the reply, the
usual sign of a policy that drifts into another language.
"""

# CJK ideographs with extension A and the compatibility block; no kana, no hangul: as far
# as the paper's check goes, and extension A beside it.
_CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What a reply asks for."""

    action: str
    """What to send to the environment; empty when nothing could be read."""
    valid: bool
    """By the parser's own rule, which need not count every fault."""
    faults: tuple[Fault, ...] = ()
    """Everything found wrong, whether or not the rule counts it."""


ActionParser = Callable[[str, tuple[str, ...]], ParsedReply]
"""(reply, admissible actions) -> what the reply asks for; never raises."""


def strict_action(reply: str, admissible: tuple[str, ...]) -> ParsedReply:
    """Take the first action block; valid only where nothing at all is wrong.

    Without action tags nothing is executed. Spaces and case do not count.
    """
    text = reply.lower()
    inside = _between(text, "<action>", "</action>")
    action = " ".join((inside or "").split())
    faults = _faults(text, inside, action, admissible)
    return ParsedReply(action, valid=not faults, faults=faults)


def paper_action(reply: str, admissible: tuple[str, ...], *, tail: int = 30) -> ParsedReply:
    """Read a reply as SkillRL's code does: tags and script count, admissibility does not.

    Without action tags the reply's last `tail` characters are executed (SkillRL's 30 for
    ALFWorld; 20 for WebShop).
    """
    text = reply.lower()
    # Each tag is looked for on its own, so that tags in the wrong order give no action.
    start, end = text.find("<action>"), text.find("</action>")
    tagged = start >= 0 and end >= 0
    action = (
        text[start + len("<action>") : end].strip() if tagged else text[max(0, len(text) - tail) :]
    )
    faults = _faults(text, action if tagged else None, action, admissible)
    counted = {"no_action_tags", "no_think_tags", "foreign_script"}
    return ParsedReply(action, valid=counted.isdisjoint(faults), faults=faults)


paper_webshop_action: ActionParser = partial(paper_action, tail=20)
"""`paper_action` with SkillRL's setting for WebShop."""


def bare_action(reply: str, admissible: tuple[str, ...]) -> ParsedReply:
    """Take the whole reply as the action, for policies that use no tags."""
    action = " ".join(reply.lower().split())
    faults: tuple[Fault, ...] = ()
    if not action:
        faults = ("empty_action",)
    elif admissible and action not in admissible:
        faults = ("not_admissible",)
    return ParsedReply(action, valid=not faults, faults=faults)


def _faults(
    text: str, inside: str | None, action: str, admissible: tuple[str, ...]
) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    if inside is None:
        faults.append("no_action_tags")
    elif not action:
        faults.append("empty_action")
    if _between(text, "<think>", "</think>") is None:
        faults.append("no_think_tags")
    if action and admissible and action not in admissible:
        faults.append("not_admissible")
    if _CJK.search(text):
        faults.append("foreign_script")
    return tuple(faults)


def _between(text: str, opening: str, closing: str) -> str | None:
    # No regular expression: "<action>" a hundred thousand times over would take it for ever.
    start = text.find(opening)
    if start < 0:
        return None
    start += len(opening)
    end = text.find(closing, start)
    return None if end < 0 else text[start:end]
