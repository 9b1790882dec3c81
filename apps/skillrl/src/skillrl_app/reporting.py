"""Reads a run directory into the report's input and writes the report."""

from collections import Counter, defaultdict

import yaml

from skillrl_app.config import dump_config
from skillrl_app.context import RunContext
from skillrl_app.play import read_episodes
from skillrl_app.report import cost_rows, render_report
from skillrl_app.report.data import (
    Arm,
    BankSkill,
    CurvePoint,
    Decision,
    EvalResult,
    EvolutionRound,
    Fact,
    GameResult,
    GrowthPoint,
    ReportData,
)
from skillrl_app.run_directory import write_atomically
from skillrl_app.stages.metrics import read_metrics
from skillrl_envs.trajectory import Trajectory

LABELS = {"base": "before SFT", "sft": "after SFT", "rl": "after RL"}
ARMS: dict[str, Arm] = {
    "given": "skills given",
    "withheld": "skills withheld",
    "none": "no skills",
}
_UNKNOWN_WORDS_WARNING = 0.05
_EPISODES_SHOWN = 4


def write_report(context: RunContext) -> None:
    """Rebuild report.html from what the run has so far."""
    write_atomically(context.run.path / "report.html", render_report(report_data(context)))


def report_data(context: RunContext) -> ReportData:
    """Return everything the report says about a run, finished or not."""
    config = context.config
    return ReportData(
        run_id=context.run_id,
        method=config.method,
        created=context.run.manifest.created,
        seed=config.seed,
        environment=(
            Fact("environment", f"{config.env.kind}, {config.env.games} games"),
            Fact("task types", ", ".join(config.env.categories)),
            Fact("steps per episode", str(config.env.max_steps)),
            Fact("evaluation", f"split {config.env.eval_split}, each game once, greedy"),
        ),
        config=tuple(_facts(yaml.safe_load(dump_config(config)))),
        reproduce=("skillrl run config.yaml",),
        notes=tuple(_notes(context)),
        evals=tuple(evaluations(context)),
        learning_curve=tuple(
            CurvePoint(
                iteration=record.iteration,
                n=record.episodes,
                wins=record.wins,
                invalid_rate=record.invalid_rate,
                bank_revision=record.bank_revision,
            )
            for record in read_metrics(context.run)
        ),
        bank=tuple(_bank(context)),
        bank_growth=tuple(_growth(context)),
        evolution=tuple(_rounds(context)),
        episodes=tuple(_episodes(context)),
        costs=cost_rows(context.ledger.records()),
    )


def evaluations(context: RunContext) -> list[EvalResult]:
    """Return every finished evaluation, game by game."""
    found = []
    for unit in context.journal.units():
        if not unit.name.startswith("eval/"):
            continue
        _, checkpoint, arm = unit.name.split("/")
        games: dict[str, list[Trajectory]] = defaultdict(list)
        for episode in _unit_episodes(context, unit.name.replace("/", "-")):
            games[episode.task.id].append(episode)
        found.append(
            EvalResult(
                label=LABELS[checkpoint],
                arm=ARMS[arm],
                split=context.config.env.eval_split,
                games=tuple(
                    GameResult(
                        game=game,
                        category=episodes[0].task.category,
                        n=len(episodes),
                        wins=sum(episode.outcome.success for episode in episodes),
                    )
                    for game, episodes in games.items()
                ),
            )
        )
    return found


def _unit_episodes(context: RunContext, unit: str) -> list[Trajectory]:
    return read_episodes(context.run.trajectories(unit))


def _facts(values: object, prefix: str = "") -> list[Fact]:
    if not isinstance(values, dict):
        return [Fact(prefix, str(values))]
    return [
        fact
        for key, value in values.items()
        for fact in _facts(value, f"{prefix}.{key}" if prefix else str(key))
    ]


def _notes(context: RunContext) -> list[str]:
    notes = ["One seed, one run: the intervals are over games, not over seeds."]
    for unit in context.journal.units():
        if unit.name.startswith("eval/"):
            share, broken = unit.result["unknown_share"], unit.result["broken"]
            if share > _UNKNOWN_WORDS_WARNING:
                notes.append(
                    f"{unit.name}: {share:.1%} of the prompt's words are outside the model's "
                    "vocabulary; it cannot read them."
                )
            if broken:
                notes.append(f"{unit.name}: {broken} episodes broke and count as lost.")
    if "distill" in context.journal:
        notes += [
            f"teacher: {problem}" for problem in context.journal["distill"].result["problems"]
        ]
    return notes


def _bank(context: RunContext) -> list[BankSkill]:
    if "distill" not in context.journal:
        return []
    shown: Counter[str] = Counter()
    wins: Counter[str] = Counter()
    for skill in (skills := context.bank.skills(status=None)):
        for event in context.bank.evidence(skill.id):
            if event.shown and not event.corrupted:
                shown[skill.id] += 1
                wins[skill.id] += event.success
    return [BankSkill(skill=s, shown=shown[s.id], wins=wins[s.id]) for s in skills]


def _growth(context: RunContext) -> list[GrowthPoint]:
    if "distill" not in context.journal:
        return []
    revisions = {int(context.journal["distill"].result["revision"]): "distilled before SFT"}
    for unit in context.journal.units():
        if unit.name.startswith("evolve/"):
            number = int(unit.name.split("/")[1])
            revisions.setdefault(int(unit.result["revision"]), f"iteration {number}")
    points = []
    for revision, when in sorted(revisions.items()):
        status = Counter(s.status for s in context.bank.skills(revision=revision, status=None))
        points.append(
            GrowthPoint(
                revision=revision,
                when=when,
                active=status["active"],
                candidate=status["candidate"],
                retired=status["retired"],
                quarantined=status["quarantined"],
            )
        )
    return points


def _rounds(context: RunContext) -> list[EvolutionRound]:
    return [
        EvolutionRound(
            iteration=int(unit.name.split("/")[1]),
            seen=unit.result["seen"],
            asked=len(unit.result["asked"]),
            answered=len(unit.result["decisions"]),
            decisions=tuple(
                Decision(
                    action=decision["action"],
                    title=decision["title"],
                    accepted=decision["skill_id"] is not None,
                    why=decision["why"],
                )
                for decision in unit.result["decisions"]
            ),
            bank_revision=unit.result["revision"],
        )
        for unit in context.journal.units()
        if unit.name.startswith("evolve/")
    ]


def _episodes(context: RunContext) -> list[Trajectory]:
    """Return a few episodes to replay: of the newest evaluation, won and lost, and cited ones."""
    evaluated = [u.name for u in context.journal.units() if u.name.startswith("eval/")]
    chosen: list[Trajectory] = []
    if evaluated:
        episodes = _unit_episodes(context, evaluated[-1].replace("/", "-"))
        for won in (True, False):
            chosen += [e for e in episodes if e.outcome.success == won][:1]
    cited = _cited(context)
    if cited and "collect" in context.journal:
        chosen += [e for e in _unit_episodes(context, "collect") if e.id in cited][:2]
    return chosen[:_EPISODES_SHOWN]


def _cited(context: RunContext) -> set[str]:
    if "distill" not in context.journal:
        return set()
    return {
        citation.trajectory_id
        for skill in context.bank.skills(status=None)
        for citation in skill.provenance.citations
    }
