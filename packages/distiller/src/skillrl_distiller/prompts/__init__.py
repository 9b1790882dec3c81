"""The teacher's prompts: versioned Markdown files, each a system and a user part."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

from skillrl_distiller.errors import PromptError
from skillrl_envs.policy import Message

_DIVIDER = "\n# User\n"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of one operator's prompt."""

    version: str
    """Such as "success.v1"; a changed text gets a new version."""
    system: str
    user: str

    def render(self, **values: str) -> tuple[Message, ...]:
        """Return the messages with every `$name` filled in.

        Values are inserted as they are: nothing inside them is expanded again.
        """
        system = Template(self.system).substitute(values)
        return (
            Message("system", system.strip()),
            Message("user", Template(self.user).substitute(values).strip()),
        )


@cache
def load_prompt(version: str) -> Prompt:
    """Return the shipped prompt of that version, such as "success.v1"."""
    folder = files(__name__)
    shipped = sorted(
        file.name.removesuffix(".md") for file in folder.iterdir() if file.name.endswith(".md")
    )
    if version not in shipped:
        raise PromptError(f"no prompt {version!r}; shipped: {', '.join(shipped)}")
    text = (folder / f"{version}.md").read_text(encoding="utf-8")
    system, _, user = text.partition(_DIVIDER)
    return Prompt(version, system.removeprefix("# System\n"), user)
