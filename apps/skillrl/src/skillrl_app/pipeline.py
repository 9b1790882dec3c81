"""The order of the stages. Each is a unit of the journal, so a resumed run skips it."""

from collections.abc import Callable, Mapping
from typing import Any

from skillrl_app.context import RunContext
from skillrl_app.errors import UsageError
from skillrl_app.reporting import write_report
from skillrl_app.stages import model
from skillrl_app.stages.collect import collect
from skillrl_app.stages.distill import distill
from skillrl_app.stages.evaluate import Arm, evaluate, unit_name
from skillrl_app.stages.imitate import imitate
from skillrl_app.stages.reinforce import reinforce


def run_pipeline(context: RunContext) -> None:
    """Run every stage that is not finished yet; the report is rebuilt after each."""
    skills = context.uses_skills
    _stage(context, "collect", lambda: collect(context))
    if skills:
        _stage(context, "distill", lambda: distill(context))
    _stage(context, "model", lambda: model.build_base(context))
    _evaluate(context, model.BASE, "given" if skills else "none")
    _stage(context, "sft", lambda: imitate(context))
    for arm in arms(context):
        _evaluate(context, "sft", arm)
    _stage(context, "rl", lambda: reinforce(context))
    for arm in arms(context):
        _evaluate(context, "rl", arm)


def evaluate_checkpoint(context: RunContext, checkpoint: str, skills: str | None) -> None:
    """Evaluate one checkpoint in one arm, or in every arm; what is finished is kept.

    Raises:
        UsageError: the run has no such checkpoint yet, or no skills to give.
    """
    if not (context.run.checkpoint(checkpoint) / "skillrl.json").exists():
        there = [p.parent.name for p in sorted(context.run.checkpoints.glob("*/skillrl.json"))]
        raise UsageError(
            f"this run has no checkpoint {checkpoint!r} yet; it has {', '.join(there) or 'none'}"
        )
    possible = arms(context)
    if skills is not None and skills not in possible:
        raise UsageError(f"the method {context.config.method} has no skills to be {skills}")
    for arm in possible:
        if skills in (None, arm):
            _evaluate(context, checkpoint, arm)


def arms(context: RunContext) -> tuple[Arm, ...]:
    """Return the arms that a trained policy is evaluated in."""
    return ("given", "withheld") if context.uses_skills else ("none",)


def _evaluate(context: RunContext, checkpoint: str, arm: Arm) -> None:
    _stage(context, unit_name(checkpoint, arm), lambda: evaluate(context, checkpoint, arm))


def _stage(context: RunContext, name: str, work: Callable[[], Mapping[str, Any]]) -> None:
    if name in context.journal:
        context.console.say(f"  {name:<28} done before", style="dim")
        return
    context.unit(name, work)
    write_report(context)
