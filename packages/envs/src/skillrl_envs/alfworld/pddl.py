"""Reads the PDDL problem of a game: objects are ignored, initial facts and goal are kept."""

import re
from dataclasses import dataclass

from skillrl_envs.errors import GameFileError

Fact = tuple[str, ...]
Expression = str | Fact | list["Expression"]
"""A word, a list of words, or a list with lists in it."""

_COMMENT = re.compile(r";[^\n]*")
_MAX_DEPTH = 50
"""Official problems nest 10 deep; without a limit a hostile one could exhaust the stack."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A planning problem, lower-cased as PDDL is case-insensitive."""

    facts: tuple[Fact, ...]
    """Initial facts such as ("inreceptacle", "mug_1", "shelf_2"); numeric ones are left out."""
    goal: Expression


def parse_problem(text: str) -> Problem:
    """Read a `(define (problem ...) ...)` text.

    Raises:
        GameFileError: unbalanced parentheses, or no :init or :goal section.
    """
    sections = {
        part[0]: part[1:]
        for part in _parse(_COMMENT.sub("", text).lower())
        if not isinstance(part, str) and part and isinstance(part[0], str)
    }
    for name in (":init", ":goal"):
        if name not in sections:
            raise GameFileError(f"the PDDL problem has no {name} section")
    if len(sections[":goal"]) != 1:
        raise GameFileError(f"the PDDL goal has {len(sections[':goal'])} expressions, expected 1")
    # Numeric facts have a list in them, or are an equation of two words.
    facts = (e for e in sections[":init"] if isinstance(e, tuple) and e and e[0] != "=")
    return Problem(tuple(facts), sections[":goal"][0])


def _parse(text: str) -> list[Expression]:
    stack: list[list[Expression]] = [[]]
    before, *pieces = text.split("(")
    stack[0] += before.split()
    for piece in pieces:
        words, *tails = piece.split(")")
        if len(tails) == 1 and tails[0].isspace():  # a fact: nearly all of a problem
            stack[-1].append(tuple(words.split()))
        elif not tails:
            stack.append([*words.split()])
            if len(stack) > _MAX_DEPTH:
                raise GameFileError(f"the PDDL problem nests deeper than {_MAX_DEPTH} lists")
        else:
            _close(stack, tuple(words.split()), tails)
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise GameFileError("the PDDL problem is not one balanced (define ...) expression")
    return stack[0][0]


def _close(stack: list[list[Expression]], innermost: Fact, tails: list[str]) -> None:
    """Close a list, and one around it for every further tail: what follows a parenthesis."""
    stack[-1].append(innermost)
    stack[-1] += tails[0].split()
    for tail in tails[1:]:
        if len(stack) == 1:
            raise GameFileError("the PDDL problem closes a parenthesis that was never opened")
        done = stack.pop()
        stack[-1].append(done)
        stack[-1] += tail.split()
