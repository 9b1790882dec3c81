"""Traces: what the real engine said to a fixed series of actions, kept to be compared with.

Recording is slow and happens once; comparing an engine with the traces takes a minute, so
it can be repeated after every change of the engine.
"""

import gzip
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

# A random walk draws a verb, then a command: an even draw over commands is nearly all "go to".
_VERB_WEIGHTS = {
    "go": 4, "take": 4, "examine": 2, "open": 2,
    "look": 1, "inventory": 1, "close": 1, "move": 1, "help": 0.2,
}  # fmt: skip
_RARE_VERB = 6.0
"""The weight of the verbs not named above: they need the right object at the right place."""
_USEFUL_THINGS = frozenset({"sinkbasin", "microwave", "fridge", "knife", "butterknife"})
"""Commands about these are drawn four times as often, or hardly anything would be sliced."""
_PROBES = frozenset({7, 17})
"""Random steps before which a command is tried that is no longer admissible."""


class Seen(NamedTuple):
    """What a player learns after a reset or a step."""

    observation: str
    admissible: tuple[str, ...]
    """In the order in which ALFWorld shows them: sorted, each once."""
    won: bool


class Player(Protocol):
    """A game, real or ours, that has been loaded."""

    def reset(self) -> Seen:
        """Start from the beginning."""
        ...

    def step(self, action: str) -> Seen:
        """Do an action."""
        ...


@dataclass(frozen=True, slots=True)
class Episode:
    """One way through a game; `seen` starts with the reset and is one longer than `actions`."""

    name: str
    """ "walkthrough" or "random"."""
    actions: tuple[str, ...]
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """All that was played in one game."""

    game: str
    """Its folder, relative to the folder of all games."""
    seed: int
    episodes: tuple[Episode, ...]

    @property
    def steps(self) -> int:
        """Actions over all episodes."""
        return sum(len(episode.actions) for episode in self.episodes)


class Difference(NamedTuple):
    """One place at which an engine and a trace disagree."""

    kind: str
    """ "observation", "admissible", "won", or "walkthrough" for one that does not win."""
    where: str
    real: str
    ours: str


def record(
    player: Player, game: str, walkthrough: Sequence[str], *, steps: int, seed: int
) -> Trace:
    """Play a game's walkthrough and then, from a new start, `steps` random admissible actions."""
    planned = [player.reset(), *map(player.step, walkthrough)]
    random_walk = _wander(player, random.Random(f"{seed}/{game}"), steps)
    return Trace(
        game, seed, (Episode("walkthrough", tuple(walkthrough), tuple(planned)), random_walk)
    )


def _wander(player: Player, rng: random.Random, steps: int) -> Episode:
    actions: list[str] = []
    seen = [player.reset()]
    offered: set[str] = set()
    for step in range(steps):
        admissible = seen[-1].admissible
        offered.update(admissible)
        stale = sorted(offered.difference(admissible))
        if step in _PROBES and stale:
            actions.append(rng.choice(stale))
            seen.append(player.step(actions[-1]))
        actions.append(_draw(rng, admissible))
        seen.append(player.step(actions[-1]))
    return Episode("random", tuple(actions), tuple(seen))


def _draw(rng: random.Random, admissible: Sequence[str]) -> str:
    verbs = sorted({command.split()[0] for command in admissible})
    verb = rng.choices(verbs, [_VERB_WEIGHTS.get(verb, _RARE_VERB) for verb in verbs])[0]
    commands = [command for command in admissible if command.split()[0] == verb]
    return rng.choices(
        commands, [1 if _USEFUL_THINGS.isdisjoint(c.split()) else 4 for c in commands]
    )[0]


def differences(trace: Trace, player: Player) -> Iterator[Difference]:
    """Replay a trace in another engine; per episode, stop at the first step that differs."""
    for episode in trace.episodes:
        for index, real in enumerate(episode.seen):
            action = episode.actions[index - 1] if index else "reset"
            ours = player.step(action) if index else player.reset()
            if ours != real:
                where = f"{trace.game} {episode.name} step {index} {action!r}"
                yield from _compared(where, real, ours)
                break
        if episode.name == "walkthrough" and not episode.seen[-1].won:
            yield Difference("walkthrough", trace.game, "does not win", "")


def _compared(where: str, real: Seen, ours: Seen) -> Iterator[Difference]:
    if real.observation != ours.observation:
        yield Difference("observation", where, real.observation, ours.observation)
    if real.admissible != ours.admissible:
        missing = sorted(set(real.admissible) - set(ours.admissible))
        extra = sorted(set(ours.admissible) - set(real.admissible))
        yield Difference("admissible", where, f"only here: {missing}", f"only here: {extra}")
    if real.won != ours.won:
        yield Difference("won", where, str(real.won), str(ours.won))


def verbs(trace: Trace) -> Counter[str]:
    """Count the verbs of a trace's actions; inadmissible ones count as "(refused)"."""
    counts: Counter[str] = Counter()
    for episode in trace.episodes:
        for action, before in zip(episode.actions, episode.seen[:-1], strict=True):
            counts[action.split()[0] if action in before.admissible else "(refused)"] += 1
    return counts


def save(trace: Trace, path: Path) -> None:
    """Write a trace, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".part{os.getpid()}")
    part.write_bytes(gzip.compress(encode(trace).encode(), mtime=0))
    part.rename(path)


def load(path: Path) -> Trace:
    """Read a trace that `save` wrote."""
    return decode(gzip.decompress(path.read_bytes()).decode())


def encode(trace: Trace) -> str:
    """Return a trace as one line of JSON."""
    return json.dumps(asdict(trace), ensure_ascii=False, separators=(",", ":"))


def decode(line: str) -> Trace:
    """Read what `encode` returned."""
    raw = json.loads(line)
    episodes = (
        Episode(
            episode["name"],
            tuple(episode["actions"]),
            tuple(Seen(text, tuple(admissible), won) for text, admissible, won in episode["seen"]),
        )
        for episode in raw["episodes"]
    )
    return Trace(raw["game"], raw["seed"], tuple(episodes))
