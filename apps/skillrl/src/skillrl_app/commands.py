"""What the commands do, once the command line is understood."""

import time
from pathlib import Path

from skillrl_app.config import RunConfig
from skillrl_app.console import Console
from skillrl_app.context import RunContext, open_context
from skillrl_app.pipeline import evaluate_checkpoint, run_pipeline
from skillrl_app.report.data import EvalResult
from skillrl_app.report.intervals import paired_interval, wilson
from skillrl_app.reporting import evaluations, write_report
from skillrl_app.run_directory import RunDirectory
from skillrl_app.stages.games import check_games


def run(path: Path, config: RunConfig, console: Console) -> None:
    """Start a run, or resume it where it was left."""
    start = time.monotonic()
    check_games(config)
    with (
        RunDirectory.create_or_resume(path, config) as directory,
        open_context(directory, console) as context,
    ):
        console.say(f"run {context.run_id} in {path}", style="bold")
        run_pipeline(context)
        write_report(context)
        _closing_table(context)
        minutes, seconds = divmod(round(time.monotonic() - start), 60)
        console.say(f"this call took {minutes} min {seconds} s")


def evaluate(path: Path, checkpoint: str | None, skills: str | None, console: Console) -> None:
    """Play the evaluations asked for that are not in the journal yet, and print them all."""
    with (
        RunDirectory.open_existing(path) as directory,
        open_context(directory, console) as context,
    ):
        evaluate_checkpoint(context, checkpoint or "rl", skills)
        _closing_table(context)


def report(path: Path, console: Console) -> None:
    """Rebuild a run's report."""
    with (
        RunDirectory.open_existing(path) as directory,
        open_context(directory, console) as context,
    ):
        write_report(context)
        console.say(f"report: {context.run.path / 'report.html'}")


def _closing_table(context: RunContext) -> None:
    results = evaluations(context)
    context.console.table(
        "success on held-out games (95 % intervals over games)",
        ["policy", "skills", "success", "interval", "games"],
        [_row(result) for result in results],
    )
    for given in (r for r in results if r.arm == "skills given"):
        withheld = next(
            (r for r in results if r.label == given.label and r.arm == "skills withheld"), None
        )
        if withheld and (difference := paired_interval(given.minus(withheld))):
            context.console.say(
                f"{given.label}: skills given - withheld {difference.estimate:+.1%} "
                f"[{difference.low:+.1%}, {difference.high:+.1%}], same games"
            )
    context.console.say(f"report: {context.run.path / 'report.html'}", style="bold")


def _row(result: EvalResult) -> list[str]:
    tally = result.overall
    interval = wilson(tally.wins, tally.n)
    bounds = f"{interval.low:.1%} - {interval.high:.1%}" if interval else "none"
    arm = result.arm.removeprefix("skills ")
    return [result.label, arm, f"{tally.wins / max(1, tally.n):.1%}", bounds, str(tally.n)]
