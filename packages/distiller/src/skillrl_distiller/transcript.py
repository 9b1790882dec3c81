"""Episodes as text for a prompt: quoted so that they cannot forge it, cut so that they fit.

Every line of untrusted text stands behind a bar, so none of it can look like a heading,
an instruction or another episode, however it is written.
"""

from collections.abc import Mapping, Sequence

from skillbank.skill import Skill
from skillrl_distiller.signals import observation_after, point_of_failure, wasted_steps
from skillrl_envs.trajectory import Trajectory

MIN_EPISODE_CHARS = 1500
"""Below this an episode says too little to learn from."""
_MAX_OBSERVATION_CHARS = 1200
_MAX_REPLY_CHARS = 400


def fitting(episodes: Sequence[Trajectory], max_chars: int) -> tuple[Trajectory, ...]:
    """Return as many of the first `episodes` as `max_chars` can describe; at least one."""
    return tuple(episodes[: max(1, max_chars // MIN_EPISODE_CHARS)])


def render_episodes(episodes: Sequence[Trajectory], max_chars: int) -> str:
    """Return all `episodes` in about `max_chars` characters, each with an equal share."""
    if not episodes:
        return "(none)"
    share = max(MIN_EPISODE_CHARS, max_chars // len(episodes))
    return "\n\n".join(render_episode(episode, share) for episode in episodes)


def render_episode(trajectory: Trajectory, max_chars: int) -> str:
    """Return one episode: task, category, outcome, and the steps that fit.

    The step at the point of failure, the first and the last step are kept longest.
    """
    limit = max_chars // 4
    outcome = "success" if trajectory.outcome.success else "failure"
    ended = f"{trajectory.ended.kind}: {trajectory.ended.reason}"
    head = [
        f"### Episode {_one_line(trajectory.id, 200)} ({outcome})",
        quote("category", trajectory.task.category, 100),
        quote("task", trajectory.instruction, limit),
    ]
    tail = [
        quote("at the end saw", trajectory.final_observation, min(limit, _MAX_OBSERVATION_CHARS)),
        quote("ended", f"{ended}, after {len(trajectory.steps)} steps", 200),
    ]
    room = max_chars - sum(map(len, head + tail))
    return "\n".join(head + _steps(trajectory, room, limit) + tail)


def render_skills(skills: Sequence[Skill]) -> str:
    """Return existing skills by id, or "(none)"."""
    return "\n".join(_skill(skill) for skill in skills) or "(none)"


def render_shown(shown: Mapping[str, tuple[Skill, ...]]) -> str:
    """Return which skills, by id, stood in the prompts of which episode."""
    rows = [
        quote(
            f"{_one_line(episode_id, 200)} showed",
            ", ".join(_one_line(skill.id, 100) for skill in skills) or "none",
            2000,
        )
        for episode_id, skills in shown.items()
    ]
    return "\n".join(rows) or "(none)"


def quote(label: str, text: str, max_chars: int) -> str:
    """Return `text` behind bars, the first line labelled, at most `max_chars` of it.

    Tokens that chat templates give a meaning to ("<|...|>") are broken up.
    """
    safe = text.replace("<|", "< |").replace("|>", "| >")
    lines = [_printable(line) for line in cut(safe, max_chars).splitlines() if line.strip()]
    margin = " " * len(label)
    rows = [f"{margin if row else label} | {line}" for row, line in enumerate(lines or [""])]
    return "\n".join(rows)


def cut(text: str, max_chars: int) -> str:
    """Return `text` shortened in its middle, saying by how much."""
    if len(text) <= max_chars:
        return text
    keep = max(2, max_chars - 30) // 2
    return f"{text[:keep]} [{len(text) - 2 * keep} characters cut] {text[-keep:]}"


def _steps(trajectory: Trajectory, room: int, limit: int) -> list[str]:
    order = _by_importance(trajectory)
    kept: set[int] = set()
    for index in order:
        size = len(_step(trajectory, index, limit)) + 1
        if kept and size > room:
            break
        kept.add(index)
        room -= size
    lines = []
    before = -1
    for index in sorted(kept):
        lines += _gap(before, index)
        lines.append(_step(trajectory, index, limit, show_result=index + 1 not in kept))
        before = index
    return lines + _gap(before, len(trajectory.steps))


def _by_importance(trajectory: Trajectory) -> list[int]:
    # Nearest first to the point of failure, to the end, and to the start.
    if not trajectory.steps:
        return []
    last, point = len(trajectory.steps) - 1, point_of_failure(trajectory)

    def distance(index: int) -> tuple[int, int]:
        ranked = (2 * abs(index - point), 2 * (last - index) + 1, 3 * index + 1)
        return min(ranked), index

    return sorted(range(last + 1), key=distance)


def _gap(before: int, after: int) -> list[str]:
    missing = after - before - 1
    if missing <= 0:
        return []
    steps = f"step {before + 1}" if missing == 1 else f"steps {before + 1} to {after - 1}"
    return [f"({missing} {'step' if missing == 1 else 'steps'} cut: {steps})"]


def _step(trajectory: Trajectory, index: int, limit: int, *, show_result: bool = False) -> str:
    step = trajectory.steps[index]
    title = f"step {index}"
    if not step.valid:
        title += ", not a valid action"
    if wasted_steps(trajectory) and index == point_of_failure(trajectory):
        title += ", from here on nothing new was seen"
    seen = min(limit, _MAX_OBSERVATION_CHARS)
    said = min(limit // 2, _MAX_REPLY_CHARS)
    lines = [title, quote(" saw", step.observation, seen)]
    if step.reply.strip() != step.action.strip():
        lines.append(quote(" said", step.reply, said))
    lines.append(quote(" did", step.action, said))
    if show_result and index + 1 < len(trajectory.steps):
        lines.append(quote(" then saw", observation_after(trajectory, index), seen))
    return "\n".join(lines)


def _skill(skill: Skill) -> str:
    about = skill.kind if skill.category is None else f"{skill.kind}, {skill.category}"
    return "\n".join(
        [
            f"### Skill {_one_line(skill.id, 100)}",
            quote("about", about, 100),
            quote("title", skill.title, 200),
            quote("principle", skill.principle, 600),
            quote("when", skill.when_to_apply, 300),
        ]
    )


def _one_line(text: str, max_chars: int) -> str:
    return cut(_printable(" ".join(text.split())), max_chars)


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in line)
