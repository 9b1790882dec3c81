"""Episodes as they were played: every step is on the page, a script leafs through them."""

from collections.abc import Sequence

from skillrl_app.report.blocks import folded, missing, section, table, untrusted
from skillrl_app.report.data import ReportData
from skillrl_app.report.html import Child, Html, join, tag
from skillrl_app.report.wording import percent, plural
from skillrl_envs.exposure import Exposure
from skillrl_envs.trajectory import Step, Trajectory


def replays(data: ReportData) -> Html:
    """Every episode that was handed in, the first one open."""
    if not data.episodes:
        return section("episodes", "Episodes", missing("No episode has been kept for replay yet."))
    hint = tag(
        "p",
        "Choose a step, use the buttons, or press \u2190 and \u2192 inside an episode. "
        "Steps count from 1.",
        class_="faint scripted",
    )
    shown = (_episode(episode, place) for place, episode in enumerate(data.episodes, start=1))
    return section("episodes", "Episodes", hint, *shown)


def places(episodes: Sequence[Trajectory]) -> dict[str, int]:
    """The place on the page, from 1, of every trajectory id that can be replayed."""
    return {e.id: place for place, e in reversed(list(enumerate(episodes, start=1)))}


def _episode(episode: Trajectory, place: int) -> Html:
    won = "\u2713 won" if episode.outcome.success else "\u2717 lost"
    summary = join(
        [
            tag("span", f"Episode {place}", class_="name"),
            " ",
            tag("span", won, class_="good" if episode.outcome.success else "bad"),
            " ",
            tag("span", episode.instruction, dir="auto"),
        ]
    )
    steps = (_step(step, place, at, len(episode.steps)) for at, step in enumerate(episode.steps))
    body = tag(
        "div",
        _about(episode),
        _skills(episode),
        _prompt(episode),
        _strip(episode, place),
        tag("ol", *steps, _ending(episode, place), class_="steps"),
        tabindex=0,
        role="group",
        aria_label=f"Replay of episode {place}",
        class_="replay",
    )
    return tag(
        "details",
        tag("summary", summary),
        body,
        id=f"e{place}",
        class_="episode",
        open=place == 1,
    )


def _about(episode: Trajectory) -> Html:
    revision = episode.bank_revision
    facts = [
        episode.task.category,
        f"game {episode.task.id} ({episode.task.split})",
        f"policy {episode.policy_version}",
        "no bank" if revision is None else f"bank revision {revision}",
        f"seed {episode.seed}",
        plural(episode.prompt_tokens + episode.completion_tokens, "token"),
    ]
    return tag("p", " \u00b7 ".join(facts), class_="faint")


def _skills(episode: Trajectory) -> Html:
    if not episode.skills:
        return tag("p", "No skills stood in this episode's prompt.", class_="faint")
    exposure = _exposure(episode.exposure) if episode.exposure else None
    return folded("Skills in the prompt", untrusted(episode.skills), exposure)


def _exposure(exposure: Exposure) -> Html:
    rows: list[list[Child]] = [
        [
            f"{one.skill_id} v{one.version}",
            ("shown" if one.shown else "withheld") + (", falsified" if one.corrupted else ""),
            percent(one.propensity),
        ]
        for one in exposure.skills
    ]
    return table("Eligible skills", ["Skill", "What was done", "Its chance"], rows, numeric=1)


def _prompt(episode: Trajectory) -> Html | None:
    if not episode.steps:
        return None
    messages = (
        join([tag("p", message.role, class_="faint"), untrusted(message.content)])
        for message in episode.steps[0].messages
    )
    return folded("The whole prompt at step 1", *messages)


def _strip(episode: Trajectory, place: int) -> Html:
    links = [
        tag("li", tag("a", at + 1, _sign(step), href=f"#e{place}-s{at}"))
        for at, step in enumerate(episode.steps)
    ]
    links.append(tag("li", tag("a", "end", href=f"#e{place}-s{len(episode.steps)}")))
    return tag(
        "nav",
        tag("ol", *links, class_="strip"),
        tag(
            "p",
            tag("button", "\u2190 Previous", type="button", class_="previous"),
            tag("span", class_="where", role="status"),
            tag("button", "Next \u2192", type="button", class_="next"),
            class_="controls scripted",
        ),
        aria_label=f"Steps of episode {place}",
    )


def _sign(step: Step) -> Html | None:
    if not step.valid:
        return tag("span", "\u2717", class_="bad", aria_label=" invalid", role="img")
    if step.reward:
        return tag("span", "\u2605", class_="good", aria_label=" rewarded", role="img")
    return None


def _step(step: Step, place: int, at: int, total: int) -> Html:
    verdict = "\u2713 valid" if step.valid else "\u2717 invalid"
    return tag(
        "li",
        tag("h3", f"Step {at + 1} of {total}"),
        tag(
            "div",
            tag("div", tag("h4", "The agent sees"), untrusted(step.observation)),
            tag("div", tag("h4", "The agent replies"), untrusted(step.reply)),
            class_="exchange",
        ),
        tag(
            "p",
            tag("span", "does ", class_="faint"),
            tag("code", step.action or "nothing", class_="action", dir="auto"),
            " ",
            tag("span", verdict, class_="good" if step.valid else "bad"),
            tag("span", f"reward {step.reward:g}"),
            tag("span", plural(len(step.admissible), "admissible action"), class_="faint"),
            class_="deed",
        ),
        id=f"e{place}-s{at}",
        class_="step",
    )


def _ending(episode: Trajectory, place: int) -> Html:
    metrics = "".join(f", {name} {value:g}" for name, value in episode.outcome.metrics.items())
    return tag(
        "li",
        tag("h3", "The end"),
        tag("h4", "The agent sees"),
        untrusted(episode.final_observation),
        tag(
            "p",
            tag("strong", "Success" if episode.outcome.success else "No success"),
            f", reward {episode.outcome.reward:g}{metrics}; {episode.ended.kind}: ",
            tag("span", episode.ended.reason, dir="auto"),
        ),
        id=f"e{place}-s{len(episode.steps)}",
        class_="step",
    )
