"""Where the things that tasks name turn up, learnt from when they are first seen."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from skillbank.skill import Citation
from skillrl_distiller.abstraction import task_names, words
from skillrl_distiller.signals import observation_after
from skillrl_envs.trajectory import Trajectory

_COUNT = 2
_SHARE = 0.5  # of a thing's first sightings must follow an action with the word
_LIFT = 1.5  # and that must be so much more than for things in general
_VARIANTS = 3  # of an action, from which what they share is its fixed part
_MAX_CITATIONS = 5


@dataclass(frozen=True, slots=True)
class Cue:
    """A thing that tasks name, and a word: actions with the word bring the thing to light."""

    thing: str
    word: str
    count: int
    """First sightings of the thing that followed the word."""
    citations: tuple[Citation, ...]


def cues(episodes: Sequence[Trajectory]) -> list[Cue]:
    """Return which action words reveal which named things, the most seen first.

    A thing is revealed by the first action whose answer mentions it, unless the action
    or the first observation named it already; in any episode, whether its own task is
    about the thing or not. Successes and failures tell this alike.
    """
    by_env: dict[str, list[Trajectory]] = defaultdict(list)
    for episode in episodes:
        by_env[episode.task.env].append(episode)
    found = [cue for env in sorted(by_env) for cue in _cues(by_env[env])]
    return sorted(found, key=lambda cue: (-cue.count, cue.thing))


def _cues(episodes: Sequence[Trajectory]) -> list[Cue]:
    names = task_names(episodes)
    said_everywhere = _frame(episodes)
    sightings: dict[str, list[tuple[set[str], Citation]]] = defaultdict(list)
    for episode in episodes:
        for thing, step in _revelations(episode, names):
            places = set(words(episode.steps[step].action)) - said_everywhere
            cited = Citation(trajectory_id=episode.id, steps=(step,))
            sightings[thing].append((places, cited))
    total = sum(map(len, sightings.values()))
    usual = Counter(word for rows in sightings.values() for places, _ in rows for word in places)
    result = []
    for thing, rows in sightings.items():
        counts = Counter(word for places, _ in rows for word in places)
        telling = [
            word
            for word, count in counts.items()
            if count >= max(_COUNT, _SHARE * len(rows))
            and count / len(rows) >= _LIFT * usual[word] / total
        ]
        if telling:
            word = min(telling, key=lambda word: (-counts[word], usual[word], word))
            cited_all = [cited for places, cited in rows if word in places]
            result.append(Cue(thing, word, counts[word], tuple(cited_all[:_MAX_CITATIONS])))
    return result


def _frame(episodes: Sequence[Trajectory]) -> set[str]:
    # The word an action begins with, and the words that always come with it, say what
    # is done, not where.
    kinds: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for episode in episodes:
        for step in episode.steps:
            if action := words(step.action):
                kinds[action[0]].add(action)
    fixed = [set.intersection(*map(set, k)) for k in kinds.values() if len(k) >= _VARIANTS]
    return set(kinds).union(*fixed)


def _revelations(episode: Trajectory, names: frozenset[str]) -> list[tuple[str, int]]:
    instruction = " ".join(words(episode.instruction))
    start = " ".join(words(episode.steps[0].observation)).replace(instruction, " ").split()
    unseen = names.difference(start)
    revealed = []
    for index, step in enumerate(episode.steps):
        action = set(words(step.action))
        seen = unseen.intersection(words(observation_after(episode, index)))
        if step.valid:
            revealed += [(thing, index) for thing in sorted(seen - action)]
        unseen = unseen - seen - action
    return revealed
