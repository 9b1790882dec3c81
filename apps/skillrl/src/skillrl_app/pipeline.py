"""The order of the stages. Each is a unit of the journal, so a resumed run skips it."""

from collections.abc import Callable, Mapping
from typing import Any

from skillrl_app.context import RunContext
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
