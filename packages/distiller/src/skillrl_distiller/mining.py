"""What successes do and failures do not, in actions with the episode taken out.

Three kinds of finding: the order of steps that successes share, a step that failures
miss before the last one, and what only failures do.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from skillbank.skill import Citation
from skillrl_distiller.abstraction import ANY, WORDS, Abstraction, Pattern
from skillrl_envs.trajectory import Trajectory

MAX_CITATIONS = 5
_SUPPORT = 0.6  # share of successes that must contain a step of the plan
_IN_ORDER = 0.5  # share of successes that must contain the plan in its order
_GAP = 0.3  # how much rarer failures must be to call a step decisive
_MAX_PLAN = 4
_UNIVERSAL = 0.9
_CONTENT = 3  # fixed words without which a step that may mean anything says nothing
_APPROACH = 0.6  # share of a step's occurrences that soon lead to another step
_TWICE = 0.8  # share of successes that take a step twice, to say so
_NEAR = 2  # steps


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps that most successes take, in their order."""

    steps: tuple[Pattern, ...]
    twice: frozenset[Pattern]
    """Those that most successes take with more than one thing or place."""
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A step that successes take before the last one and failures often do not."""

    step: Pattern
    last: Pattern
    gap: float
    """Share of successes that keep the rule, minus that of failures."""
    kept: tuple[Citation, ...]
    broken: tuple[Citation, ...]


class Contrast:
    """Successes and failures side by side."""

    def __init__(self, episodes: Sequence[Trajectory]) -> None:
        """Abstract all actions of `episodes`."""
        abstraction = Abstraction(episodes)
        self.successes = [episode for episode in episodes if episode.outcome.success]
        self.failures = [episode for episode in episodes if not episode.outcome.success]
        self.last: dict[str, dict[Pattern, int]] = {}
        """Episode id -> pattern -> the last step at which it occurs."""
        self._again: dict[str, set[Pattern]] = {}
        for episode in episodes:
            events = abstraction.events(episode)
            self.last[episode.id] = {
                pattern: event.step for event in events for pattern in event.patterns
            }
            actions = {
                (p, episode.steps[event.step].action) for event in events for p in event.patterns
            }
            times = Counter(pattern for pattern, _ in actions)
            self._again[episode.id] = {pattern for pattern, count in times.items() if count > 1}

    def share(self, episodes: Sequence[Trajectory], pattern: Pattern) -> float:
        """Return in which share of `episodes` the pattern occurs; 0 for none."""
        if not episodes:
            return 0.0
        return sum(pattern in self.last[episode.id] for episode in episodes) / len(episodes)

    def in_order(self, episode: Trajectory, steps: Sequence[Pattern]) -> bool:
        """Return whether the last occurrences of `steps` exist and follow one another."""
        last = self.last[episode.id]
        places = [last.get(step, -1) for step in steps]
        return min(places) >= 0 and all(a < b for a, b in pairwise(places))

    def plan(self) -> Plan | None:
        """Return the steps that most successes share; None below two successes or steps."""
        if len(self.successes) < 2:
            return None
        patterns = {pattern for episode in self.successes for pattern in self.last[episode.id]}
        shared = [pattern for pattern in patterns if self._typical(pattern)]
        ranked = sorted(
            (step for step in shared if not any(self._leads_to(step, other) for other in shared)),
            key=lambda pattern: (-self._worth(pattern), pattern),
        )
        for length in range(min(_MAX_PLAN, len(ranked)), 1, -1):
            steps = tuple(sorted(ranked[:length], key=self._place))
            following = [e for e in self.successes if self.in_order(e, steps)]
            if len(following) >= max(2.0, _IN_ORDER * len(self.successes)):
                twice = frozenset(s for s in steps if self._share_twice(following, s) >= _TWICE)
                return Plan(steps, twice, self.cite(following, steps))
        return None

    def once(self, plan: Plan) -> list[tuple[Pattern, tuple[Citation, ...]]]:
        """Return the steps that successes take twice and failures once, with the latter."""
        found = []
        for step in plan.steps:
            lacking = [e for e in self.failures if step not in self._again[e.id]]
            if step in plan.twice and len(lacking) >= _GAP * max(1, len(self.failures)):
                found.append((step, self.cite(lacking, (step,))))
        return found

    def rules(self, plan: Plan) -> list[Rule]:
        """Return the steps of `plan` that failures miss, the most telling first."""
        last = plan.steps[-1]
        rules = []
        for step in plan.steps[:-1]:
            pair = (step, last)
            kept = [episode for episode in self.successes if self.in_order(episode, pair)]
            broken = [e for e in self.failures if not self.in_order(e, pair)]
            if not self.failures:
                continue
            missed = len(broken) / len(self.failures)
            gap = len(kept) / len(self.successes) - (1 - missed)
            without = [e for e in broken if step not in self.last[e.id]]
            if gap >= _GAP and without:
                rules.append(
                    Rule(step, last, gap, self.cite(kept, pair), self.cite(without, (last,)))
                )
        return sorted(rules, key=lambda rule: (-rule.gap, rule.step))

    def avoided(self) -> list[tuple[Pattern, tuple[Citation, ...]]]:
        """Return what most failures do and hardly any success does, commonest first."""
        if len(self.successes) < 2 or len(self.failures) < 2:
            return []
        patterns = {pattern for episode in self.failures for pattern in self.last[episode.id]}
        telling = [
            (self.share(self.failures, pattern), pattern)
            for pattern in patterns
            if self.share(self.failures, pattern) >= 0.5
            and self.share(self.successes, pattern) <= 0.1
        ]
        telling.sort(key=lambda item: (-item[0], item[1]))
        return [
            (
                pattern,
                self.cite([e for e in self.failures if pattern in self.last[e.id]], (pattern,)),
            )
            for _, pattern in telling
        ]

    def cite(
        self, episodes: Sequence[Trajectory], steps: Sequence[Pattern]
    ) -> tuple[Citation, ...]:
        """Return where the first few `episodes` take `steps`."""
        return tuple(
            Citation(
                trajectory_id=episode.id,
                steps=tuple(
                    sorted({self.last[episode.id][s] for s in steps if s in self.last[episode.id]})
                ),
            )
            for episode in episodes[:MAX_CITATIONS]
        )

    def _typical(self, pattern: Pattern) -> bool:
        # A step that names no thing of the task may be common by chance, since a search
        # passes everything. It must be nearly universal, and rarer in failures or the
        # way in which successes end.
        support = self.share(self.successes, pattern)
        if _named(pattern):
            return support >= _SUPPORT
        if support < _UNIVERSAL:
            return False
        closing = [self.last[e.id].get(pattern) == len(e.steps) - 1 for e in self.successes]
        if fmean(closing) >= _UNIVERSAL:
            return True
        if ANY in pattern and len(pattern) - pattern.count(ANY) < _CONTENT:
            return False
        return not self.failures or support - self.share(self.failures, pattern) >= _GAP

    def _share_twice(self, episodes: Sequence[Trajectory], step: Pattern) -> float:
        return fmean(step in self._again[episode.id] for episode in episodes)

    def _leads_to(self, step: Pattern, other: Pattern) -> bool:
        # Going to a place right before something is done with that place needs no saying.
        if step == other or step[-1] in (ANY, WORDS) or step[-1] != other[-1]:
            return False
        places = [self.last[e.id] for e in self.successes if step in self.last[e.id]]
        straight = sum(0 < last.get(other, 0) - last[step] <= _NEAR for last in places)
        return straight >= _APPROACH * len(places)

    def _worth(self, pattern: Pattern) -> float:
        support = self.share(self.successes, pattern)
        return 2 * support - self.share(self.failures, pattern) + 0.5 * _named(pattern)

    def _place(self, pattern: Pattern) -> float:
        places = [
            self.last[episode.id][pattern] / len(episode.steps)
            for episode in self.successes
            if pattern in self.last[episode.id]
        ]
        return fmean(places)


def _named(pattern: Pattern) -> bool:
    return any(word.startswith("{") and word != ANY for word in pattern)
