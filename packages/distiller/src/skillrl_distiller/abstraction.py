"""Actions with everything that belongs to one episode taken out.

An action is a row of words. Which of them are names of this task's things, which are
shared by all episodes and which are accidents is read off the data: no word of any
environment is known here.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from skillrl_envs.trajectory import Trajectory

OBJECT, TARGET, WORDS, ANY = "{object}", "{target}", "{words}", "{any}"
"""Placeholders: the first thing a task names, its second one, words of the task where
it names more than two things, and whatever differs from episode to episode."""

_WORD = re.compile(r"[a-z0-9]+")
_NAMES_TASK = 0.4  # how much likelier actions name a word when the task does
_SHARED = 0.8  # share of episodes in which a position holds the same word
_USUAL = 0.5  # share of episodes from which a literal action counts as usual

Pattern = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of an episode, abstracted."""

    step: int
    patterns: tuple[Pattern, ...]
    """The general form, and the literal one where many episodes share it."""


def words(text: str) -> tuple[str, ...]:
    """Return the lower-case words of `text`, without pure numbers."""
    return tuple(word for word in _WORD.findall(text.lower()) if not word.isdigit())


class Abstraction:
    """Rewrites actions by what a set of episodes has in common."""

    def __init__(self, episodes: Sequence[Trajectory]) -> None:
        """Learn from `episodes` which words are whose."""
        self._names = task_names(episodes)
        self._two_roles = self._mostly_two_things(episodes)
        slotted = {episode.id: self._slotted(episode) for episode in episodes}
        self._kept = _shared_positions(slotted.values())
        literal = Counter(
            pattern
            for rows in slotted.values()
            for pattern in {row for _, row in rows}
            if not _has_slot(pattern)
        )
        enough = max(2.0, _USUAL * len(episodes))
        self._usual = {pattern for pattern, count in literal.items() if count >= enough}

    def events(self, episode: Trajectory) -> list[Event]:
        """Return the valid steps of `episode`, abstracted, in order."""
        events = []
        for step, row in self._slotted(episode):
            general = self._generalise(row)
            patterns = [row] if row in self._usual else []
            if not _is_slot(general[0]) and general not in patterns:
                patterns.append(general)
            if patterns:
                events.append(Event(step, tuple(patterns)))
        return events

    def _slotted(self, episode: Trajectory) -> list[tuple[int, Pattern]]:
        roles = self._roles(episode)
        rows = []
        for index, step in enumerate(episode.steps):
            if step.valid and (row := _slot(words(step.action), roles)):
                rows.append((index, row))
        return rows

    def _roles(self, episode: Trajectory) -> dict[str, str]:
        things = _things(words(episode.instruction), self._names)
        if not self._two_roles:
            return {word: WORDS for thing in things for word in thing}
        roles: dict[str, str] = {}
        for rank, thing in enumerate(things):
            for word in thing:
                roles.setdefault(word, OBJECT if rank == 0 else TARGET)
        return roles

    def _mostly_two_things(self, episodes: Sequence[Trajectory]) -> bool:
        counts = sorted(
            len(_things(words(episode.instruction), self._names)) for episode in episodes
        )
        return not counts or counts[len(counts) // 2] <= 2

    def _generalise(self, row: Pattern) -> Pattern:
        kept = self._kept[_shape(row)]
        general = tuple(
            word if _is_slot(word) or word in kept[place] else ANY for place, word in enumerate(row)
        )
        return _collapse(general)


def task_names(episodes: Sequence[Trajectory]) -> frozenset[str]:
    """Return the words that actions name because the task does.

    For such a word there is a kind of action (by its first word) that has it much more
    often in episodes whose instruction has it than in the others. A word that every
    instruction has, or that an action begins with, is no such word.
    """
    usage = [_Usage(episode) for episode in episodes]
    verbs = {verb for one in usage for verb, _ in one.done}
    asking: dict[str, list[_Usage]] = defaultdict(list)
    for one in usage:
        for word in one.told:
            asking[word].append(one)
    done = Counter(pair for one in usage for pair in one.done)
    names = set()
    for verb, word in done:
        asked = asking[word]
        others = len(usage) - len(asked)
        if word in verbs or not asked or not others:
            continue
        # How it ought to be done is seen in successes, where there are any.
        models = [one for one in asked if one.success] or asked
        among_asked = sum((verb, word) in one.done for one in models) / len(models)
        by_asked = sum((verb, word) in one.done for one in asked)
        if among_asked - (done[verb, word] - by_asked) / others >= _NAMES_TASK:
            names.add(word)
    return frozenset(names)


class _Usage:
    """Which words one episode's task and valid actions use, actions by first word."""

    def __init__(self, episode: Trajectory) -> None:
        self.told = frozenset(words(episode.instruction))
        self.success = episode.outcome.success
        actions = [words(step.action) for step in episode.steps if step.valid]
        self.done = {(action[0], word) for action in actions for word in action[1:]}


def _things(instruction: Sequence[str], names: frozenset[str]) -> list[list[str]]:
    # Neighbouring names are one thing, such as an adjective and its noun.
    things: list[list[str]] = []
    previous = -2
    for place, word in enumerate(instruction):
        if word not in names:
            continue
        if place == previous + 1:
            things[-1].append(word)
        else:
            things.append([word])
        previous = place
    return things


def _slot(action: Sequence[str], roles: dict[str, str]) -> Pattern:
    return _collapse(tuple(roles.get(word, word) for word in action))


def _collapse(pattern: Pattern) -> Pattern:
    return tuple(
        word
        for place, word in enumerate(pattern)
        if not (place and word == pattern[place - 1] and _is_slot(word))
    )


def _shared_positions(
    episodes: Iterable[Sequence[tuple[int, Pattern]]],
) -> dict[Pattern, list[frozenset[str]]]:
    # Per shape of action and place in it: the words that nearly every episode has there.
    having = Counter[Pattern]()
    holding: dict[Pattern, Counter[tuple[int, str]]] = defaultdict(Counter)
    for rows in episodes:
        distinct = {row for _, row in rows}
        having.update({_shape(row) for row in distinct})
        for shape, place, word in {
            (_shape(row), place, word) for row in distinct for place, word in enumerate(row)
        }:
            holding[shape][place, word] += 1
    return {
        shape: [
            frozenset(
                word
                for (at, word), count in holding[shape].items()
                if at == place and count >= _SHARED * episodes_with
            )
            for place in range(len(shape))
        ]
        for shape, episodes_with in having.items()
    }


@cache
def _is_slot(word: str) -> bool:
    return word.startswith("{")


def _has_slot(pattern: Pattern) -> bool:
    return any(map(_is_slot, pattern))


def _shape(row: Pattern) -> Pattern:
    # Actions that begin alike and name the task's things in the same places.
    return tuple(word if place == 0 or _is_slot(word) else "" for place, word in enumerate(row))
