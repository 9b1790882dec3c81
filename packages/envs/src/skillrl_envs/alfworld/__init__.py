"""ALFWorld without TextWorld: an exact pure-Python engine, a generator, an expert."""

from skillrl_envs.alfworld.compact_prompt import CompactPrompt
from skillrl_envs.alfworld.env import AlfworldEnv
from skillrl_envs.alfworld.expert import SearchExpert
from skillrl_envs.alfworld.generator import CATEGORIES
from skillrl_envs.alfworld.tasks import generated_tasks, official_tasks

__all__ = [
    "CATEGORIES",
    "AlfworldEnv",
    "CompactPrompt",
    "SearchExpert",
    "generated_tasks",
    "official_tasks",
]
