"""One run killed again and again: nothing is lost, nothing is done twice."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT

import pytest
from tests.faults.fix_runs import (
    TINY,
    App,
    Ended,
    Running,
    complete_lines,
    metrics,
    played,
    results,
    units,
    wait_for,
)
from tests.fix_bank import WaitUntilEnded

from skillbank import Skill, SkillBank

Files = dict[str, list[bytes]]
Moment = Callable[[Path], bool]


def unit(name: str) -> Moment:
    """When the journal has this unit."""
    return lambda run: name in units(run)


def episode(file: str) -> Moment:
    """When an episode of this file is over, and most others are not."""
    return lambda run: bool(complete_lines(run / "trajectories" / f"{file}.jsonl"))


def checkpoint(name: str) -> Moment:
    """When the trainer has finished this checkpoint."""
    return lambda run: (run / "checkpoints" / name / "complete").exists()


KILLS = {
    "while collecting": episode("collect"),
    "after collecting": unit("collect"),
    "after distilling": unit("distill"),
    "after the model": unit("model"),
    "while evaluating": episode("eval-base-given"),
    "inside SFT": checkpoint("sft-trainer/checkpoint-60"),
    "after SFT": unit("sft"),
    "while RL plays": episode("rl-0000"),
    "after a round of evolution": unit("evolve/0001"),
    "inside RL, between iterations": checkpoint("rl-trainer/checkpoint-8"),
    "after RL": unit("rl"),
}


@dataclass
class Story:
    """What was found at each death of a run, and how it ended."""

    run: Path
    journals: list[list[bytes]] = field(default_factory=list)
    trajectories: list[Files] = field(default_factory=list)
    interrupted: Ended = field(default_factory=lambda: Ended(0, "", ""))
    left_processes: bool = True
    distilled: list[Skill] = field(default_factory=list)
    end: Ended = field(default_factory=lambda: Ended(0, "", ""))

    def look(self) -> None:
        self.journals.append(complete_lines(self.run / "journal.jsonl"))
        self.trajectories.append(
            {
                path.stem: complete_lines(path)
                for path in sorted(self.run.glob("trajectories/*.jsonl"))
            }
        )


@pytest.fixture(scope="module")
def story(app: App, wait_until_ended: WaitUntilEnded) -> Story:
    run = app.new_run()
    story = Story(run)

    def start() -> Running:
        return app.start("run", "quickstart", *TINY, "--run", run)

    for place, moment in KILLS.items():
        running = start()
        wait_for(lambda moment=moment: moment(run), running)  # type: ignore[misc]  # mypy cannot infer a bound default
        running.kill()
        assert running.wait().code == -9, place
        story.look()
        if place == "after distilling":
            with SkillBank.open(run / "bank") as bank:
                story.distilled = bank.skills()
        if place == "after a round of evolution":
            running = start()
            wait_for(lambda: episode("rl-0001")(run), running)
            running.send(SIGINT)
            story.interrupted = running.wait()
            story.look()
    story.left_processes = not wait_until_ended(run / "bank", 30)
    story.end = start().wait()
    story.look()
    return story


def test_a_run_killed_everywhere_comes_to_its_end(story: Story) -> None:
    assert story.end.code == 0, story.end.err


def test_it_comes_to_the_same_results_as_one_that_was_left_alone(
    story: Story, reference: Path
) -> None:
    assert metrics(story.run) == metrics(reference)
    assert played(story.run) == played(reference)
    assert results(story.run) == results(reference)


def test_no_unit_is_finished_twice(story: Story, reference: Path) -> None:
    assert units(story.run) == units(reference)


def test_what_the_journal_had_before_a_kill_it_has_after(story: Story) -> None:
    for before, after in zip(story.journals, story.journals[1:], strict=False):
        assert after[: len(before)] == before


def test_no_finished_episode_is_lost_or_played_again(story: Story) -> None:
    for before, after in zip(story.trajectories, story.trajectories[1:], strict=False):
        assert before.keys() <= after.keys()
        for name, episodes in before.items():
            assert after[name][: len(episodes)] == episodes


def test_files_of_finished_units_never_change_again(story: Story) -> None:
    for journal, files in zip(story.journals, story.trajectories, strict=True):
        for name in ("collect", "eval-base-given", "eval-sft-given", "eval-sft-withheld"):
            if any(f'"name":"{name.replace("-", "/")}"'.encode() in line for line in journal):
                assert story.trajectories[-1][name] == files[name]


def test_every_distilled_skill_is_still_in_the_bank(story: Story) -> None:
    assert story.distilled
    with SkillBank.open(story.run / "bank") as bank:
        known = {skill.id for skill in bank.skills(status=None)}
        assert {skill.id for skill in story.distilled} <= known
        assert bank.skills(revision=1) == story.distilled


def test_the_bank_is_the_one_of_an_undisturbed_run(story: Story, reference: Path) -> None:
    with SkillBank.open(story.run / "bank") as bank, SkillBank.open(reference / "bank") as other:
        assert bank.revision == other.revision
        assert [(s.title, s.principle, s.version, s.status) for s in bank.skills(status=None)] == [
            (s.title, s.principle, s.version, s.status) for s in other.skills(status=None)
        ]
        mine, theirs = (
            {s.title: len(b.evidence(s.id)) for s in b.skills(status=None)} for b in (bank, other)
        )
        assert mine == theirs


def test_an_interrupted_run_says_how_to_go_on(story: Story) -> None:
    assert story.interrupted.code == 130
    assert story.interrupted.err.rstrip().endswith("skillrl: interrupted; the same command resumes")
    assert "Traceback" not in story.interrupted.err


def test_no_server_outlives_its_last_client(story: Story) -> None:
    assert not story.left_processes
