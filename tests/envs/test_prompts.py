from skillrl_envs.actions import ParsedReply
from skillrl_envs.alfworld import CompactPrompt
from skillrl_envs.prompt import EpisodeView, Turn, WindowPrompt

START = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly "
    "around you, you see a cabinet 1, a fridge 1, and a shelf 1.\n\nYour task is to: put a cool "
    "mug in shelf."
)
VIEW = EpisodeView(
    instruction="put a cool mug in shelf.",
    skills="Cool it before you place it.",
    history=(
        Turn(START, "go to cabinet 1"),
        Turn("You arrive at cabinet 1. The cabinet 1 is closed.", "open cabinet 1"),
        Turn(
            "You open the cabinet 1. The cabinet 1 is open. In it, you see a mug 1, and a cup 2.",
            "take mug 1 from cabinet 1",
        ),
    ),
    observation="You pick up the mug 1 from the cabinet 1.",
    admissible=("cool mug 1 with fridge 1", "go to fridge 1", "help", "look"),
)

WINDOW_SYSTEM = """\
You are an expert agent in a household.

## Skills learned from experience
Cool it before you place it.

## Task
put a cool mug in shelf.

At each step, first reason about the situation inside <think> </think>, citing the skills you \
use. Then give exactly one admissible action inside <action> </action>."""

WINDOW_USER = """\
Steps taken: 3. The last 2:
[Step 2] saw: You arrive at cabinet 1. The cabinet 1 is closed.
[Step 2] did: open cabinet 1
[Step 3] saw: You open the cabinet 1. The cabinet 1 is open. In it, you see a mug 1, and a cup 2.
[Step 3] did: take mug 1 from cabinet 1

Step 4. You now see:
You pick up the mug 1 from the cabinet 1.

Admissible actions:
cool mug 1 with fridge 1
go to fridge 1
look"""

COMPACT = """\
skills cool it before you place it.
task put a cool mug in shelf.
seen nothing
held mug 1
goal shelf 1
here cabinet 1 open
did go to cabinet 1 ; open cabinet 1 ; take mug 1 from cabinet 1
unvisited fridge 1 shelf 1
now you pick up the mug 1 from the cabinet 1."""


def test_the_window_prompt_is_exactly_this() -> None:
    system, user = WindowPrompt("an expert agent in a household").build(VIEW)
    assert (system.role, system.content) == ("system", WINDOW_SYSTEM)
    assert (user.role, user.content) == ("user", WINDOW_USER)


def test_the_compact_prompt_is_exactly_this() -> None:
    (message,) = CompactPrompt().build(VIEW)
    assert (message.role, message.content) == ("user", COMPACT)


def test_the_constant_part_comes_first_and_stays() -> None:
    prompt = WindowPrompt("an agent")
    first = EpisodeView(
        instruction=VIEW.instruction,
        skills=VIEW.skills,
        history=(),
        observation=START,
        admissible=("look",),
    )
    assert prompt.build(first)[0] == prompt.build(VIEW)[0]
    assert "Cool it" in prompt.build(first)[0].content


def test_a_window_of_nothing_shows_no_history() -> None:
    user = WindowPrompt("an agent", history=0).build(VIEW)[1].content
    assert user.startswith("Step 4. You now see:")


def test_what_a_demonstrator_says_is_what_the_parser_reads() -> None:
    for prompt in (WindowPrompt("an agent"), CompactPrompt()):
        reply = prompt.compose("The fridge cools.", "go to fridge 1")
        assert prompt.parse(reply, VIEW.admissible) == ParsedReply("go to fridge 1", valid=True)
