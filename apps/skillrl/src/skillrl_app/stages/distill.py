"""Distillation: the teacher turns the collected episodes into the first skills."""

import asyncio
from collections.abc import Mapping
from typing import Any

from skillrl_app.config import RunConfig
from skillrl_app.context import RunContext
from skillrl_app.errors import RunError
from skillrl_app.seeds import derive_seed
from skillrl_app.stages.collect import collected
from skillrl_distiller import DistilSettings, EvolveSettings, Problem, distil


def distill(context: RunContext) -> Mapping[str, Any]:
    """Ask the teacher about the collected episodes and add what it says to the bank.

    Raises:
        RunError: the teacher gave not one skill.
    """
    with context.console.bar("distil skills", None):
        result = asyncio.run(
            distil(
                collected(context),
                context.teacher(),
                settings=distil_settings(context.config),
                report_usage=context.ledger.add,
            )
        )
    if not result.drafts:
        why = "; ".join(map(explain, result.problems)) or "it found nothing in the episodes"
        raise RunError(f"the teacher gave no skill: {why}")
    skills = context.bank.add(result.drafts, key=f"{context.run_id}/distill")
    for problem in result.problems:
        context.console.say(f"  teacher: {explain(problem)}", style="yellow")
    return {
        "skills": len(skills),
        "revision": context.bank.revision,
        "problems": [explain(problem) for problem in result.problems],
    }


def explain(problem: Problem) -> str:
    """Return what a teacher could not do, as one line."""
    about = f" for {problem.category}" if problem.category else ""
    return f"{problem.operator}{about}: {problem.error}"


def distil_settings(config: RunConfig) -> DistilSettings:
    """Return how much the teacher is shown: a miner can read everything, a model cannot."""
    seed = derive_seed(config.seed, "distil")
    if config.teacher.model == "offline":
        return DistilSettings(seed=seed, max_per_category=1000, max_prompt_chars=10_000_000)
    return DistilSettings(seed=seed)


def evolve_settings(config: RunConfig, max_new_skills: int) -> EvolveSettings:
    """Return the same for evolution."""
    seed = derive_seed(config.seed, "evolve")
    if config.teacher.model == "offline":
        return EvolveSettings(
            seed=seed,
            max_new_skills=max_new_skills,
            max_per_category=1000,
            max_prompt_chars=10_000_000,
        )
    return EvolveSettings(seed=seed, max_new_skills=max_new_skills)
