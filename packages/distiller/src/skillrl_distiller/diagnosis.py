"""Why episodes failed, as far as their shape tells: repeats, dead ends, missing steps."""

from collections import Counter
from collections.abc import Callable, Sequence

from skillbank.skill import Citation
from skillrl_distiller.mining import MAX_CITATIONS, Contrast, Rule
from skillrl_distiller.phrasing import phrase, tasks_of
from skillrl_distiller.replies import CitationReply, LessonReply
from skillrl_distiller.signals import (
    fruitless_repeats,
    invalid_steps,
    point_of_failure,
    wasted_steps,
)
from skillrl_envs.trajectory import Trajectory

_COMMON = 0.25  # share of failures from which a symptom counts
_GAP = 0.15  # and how much rarer it must be among successes
_STALL = 3

Symptom = Callable[[Trajectory], Sequence[int]]
"""Returns the steps at which an episode shows it; empty for none."""


def lessons(contrast: Contrast, category: str | None) -> list[LessonReply]:
    """Return what the failures should have done.

    The symptoms of any failure are left to where nothing more specific is found, so
    that categories do not repeat one another.
    """
    plan = contrast.plan()
    found = [_missing(rule, category) for rule in (contrast.rules(plan) if plan else [])]
    found += [
        _lesson(
            cited,
            title=f"only once: {phrase(step)}",
            point="it did this with one thing and not with a second one",
            flaw="it took the task for finished or ran out of steps",
            principle=f"once is not enough: {phrase(step)}, then do so again with another one.",
            when=tasks_of(category),
        )
        for step, cited in (contrast.once(plan) if plan else [])
    ]
    found += [
        _lesson(
            cited,
            title=f"avoid: {phrase(pattern)}",
            point=f"the episode went on to {phrase(pattern)}",
            flaw="it looked like progress, but hardly any success does it",
            principle=f"do not {phrase(pattern)}; successful attempts reach the goal without it.",
            when=tasks_of(category),
        )
        for pattern, cited in contrast.avoided()[:1]
    ]
    return found or symptoms(contrast)


def symptoms(contrast: Contrast) -> list[LessonReply]:
    """Return lessons from what needs no plan: repeats, dead ends, invalid actions."""
    found = []
    if cited := _common(contrast, fruitless_repeats):
        habit = _usual_action(contrast.failures, fruitless_repeats)
        found.append(
            _lesson(
                cited,
                title="do not repeat without effect",
                point=f"it repeated an action ({habit}) that had just changed nothing",
                flaw="it expected another result from the same action in the same situation",
                principle="if an action changes nothing, do not repeat it; choose one you have "
                "not tried here.",
                when="the last action did not change what you see",
            )
        )
    if cited := _common(contrast, _stalled):
        found.append(
            _lesson(
                cited,
                title="leave dead ends early",
                point="from this step on it saw nothing new until the end",
                flaw="it kept to places and actions that it already knew",
                principle="if the last three actions showed nothing new, turn to something you "
                "have not looked at yet.",
                when="nothing new has appeared for three steps",
            )
        )
    if cited := _common(contrast, invalid_steps):
        found.append(
            _lesson(
                cited,
                title="use only offered actions",
                point="its reply was not an action that was offered",
                flaw="it wrote what it wanted instead of what was possible",
                principle="answer with exactly one of the actions that are offered, word for word.",
                when="choosing an action",
            )
        )
    return found


def to_reply(citations: Sequence[Citation]) -> tuple[CitationReply, ...]:
    """Return citations as a reply holds them."""
    return tuple(CitationReply(trajectory_id=c.trajectory_id, steps=c.steps) for c in citations)


def _missing(rule: Rule, category: str | None) -> LessonReply:
    step, last = phrase(rule.step), phrase(rule.last)
    return _lesson(
        rule.broken,
        title=f"missing: {step}",
        point=f"it never came to: {step}",
        flaw=f"it went for the end ({last}) or got lost without this step",
        principle=f"never forget: {step}, and only then {last}.",
        when=tasks_of(category),
    )


def _lesson(
    cited: Sequence[Citation], *, title: str, point: str, flaw: str, principle: str, when: str
) -> LessonReply:
    return LessonReply(
        point_of_failure=point,
        flawed_reasoning=flaw,
        what_to_do=principle,
        title=title,
        principle=principle,
        when_to_apply=when,
        citations=to_reply(cited),
    )


def _common(contrast: Contrast, symptom: Symptom) -> list[Citation]:
    showing = [
        Citation(trajectory_id=episode.id, steps=tuple(steps[:MAX_CITATIONS]))
        for episode in contrast.failures
        if (steps := symptom(episode))
    ]
    if not showing:
        return []
    failing = len(showing) / len(contrast.failures)
    passing = sum(bool(symptom(e)) for e in contrast.successes) / max(1, len(contrast.successes))
    return showing[:MAX_CITATIONS] if failing >= _COMMON and failing - passing >= _GAP else []


def _stalled(episode: Trajectory) -> Sequence[int]:
    return (point_of_failure(episode),) if wasted_steps(episode) >= _STALL else ()


def _usual_action(episodes: Sequence[Trajectory], symptom: Symptom) -> str:
    counts = Counter(e.steps[step].action for e in episodes for step in symptom(e))
    action = min(counts, key=lambda action: (-counts[action], action))
    return " ".join(action.split())[:100]
