"""Collection: a demonstrator plays, with a slipping hand, so that there are failures too."""

from collections.abc import Mapping
from typing import Any

from skillrl_app.context import RunContext
from skillrl_app.play import play, read_episodes
from skillrl_app.seeds import derive_seed
from skillrl_app.stages.games import collect_games
from skillrl_envs.agent import NoisyAgent
from skillrl_envs.alfworld import SearchExpert
from skillrl_envs.responder import script_responder
from skillrl_envs.rollout import EpisodeSpec, Player, RolloutSettings
from skillrl_envs.trajectory import Trajectory

UNIT = "collect"


def collect(context: RunContext) -> Mapping[str, Any]:
    """Play the collection games once."""
    config, prompt = context.config, context.prompt()
    agent = NoisyAgent(
        SearchExpert(), rate=config.collect.noise, seed=derive_seed(config.seed, "collect noise")
    )
    player = Player(
        run_id=context.run_id,
        make_env=context.make_env,
        prompt=prompt,
        respond=script_responder(agent, prompt),
        policy_version=agent.name,
        settings=RolloutSettings(
            max_steps=config.env.max_steps, max_invalid=config.env.max_invalid
        ),
    )
    specs = [
        EpisodeSpec(
            task=task,
            group_id=f"collect/{number}",
            replica=0,
            seed=derive_seed(config.seed, "collect", number),
        )
        for number, task in enumerate(collect_games(config))
    ]
    with context.console.bar("collect episodes", len(specs)) as bar:
        episodes = play(
            context.run.trajectories(UNIT), player, specs, lambda episode: bar.advance()
        )
    return {"episodes": len(episodes), "successes": sum(e.outcome.success for e in episodes)}


def collected(context: RunContext) -> list[Trajectory]:
    """Return the collected episodes, in the order of their games."""
    return read_episodes(context.run.trajectories(UNIT))
