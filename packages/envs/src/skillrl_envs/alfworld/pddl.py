"""Reads the PDDL problem of a game: objects are ignored, initial facts and goal are kept."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from skillrl_envs.errors import GameFileError

Expression = str | list["Expression"]
Fact = tuple[str, ...]

_TOKEN = re.compile(r"[()]|[^\s()]+")
_COMMENT = re.compile(r";[^\n]*")


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
        if isinstance(part, list) and part and isinstance(part[0], str)
    }
    for name in (":init", ":goal"):
        if name not in sections:
            raise GameFileError(f"the PDDL problem has no {name} section")
    if len(sections[":goal"]) != 1:
        raise GameFileError(f"the PDDL goal has {len(sections[':goal'])} expressions, expected 1")
    return Problem(tuple(_facts(sections[":init"])), sections[":goal"][0])


def _facts(expressions: list[Expression]) -> Iterator[Fact]:
    for expression in expressions:
        words = [word for word in expression if isinstance(word, str)]
        if words and words[0] != "=":
            yield tuple(words)


def _parse(text: str) -> list[Expression]:
    stack: list[list[Expression]] = [[]]
    for token in _TOKEN.findall(text):
        if token == "(":
            stack.append([])
        elif token != ")":
            stack[-1].append(token)
        elif len(stack) == 1:
            raise GameFileError("the PDDL problem closes a parenthesis that was never opened")
        else:
            done = stack.pop()
            stack[-1].append(done)
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise GameFileError("the PDDL problem is not one balanced (define ...) expression")
    return stack[0][0]
