"""The conversation prompt, word for word, and what a token budget cuts from either prompt."""

from dataclasses import replace

import pytest

from skillrl_envs.actions import paper_action
from skillrl_envs.conversation import ConversationPrompt
from skillrl_envs.errors import PromptTooLong
from skillrl_envs.policy import Message
from skillrl_envs.prompt import EpisodeView, Turn, WindowPrompt
from skillrl_envs.token_budget import TokenBudget

ROLE = "an expert agent in a household"
LISTED = ("go to fridge 1", "help", "open cabinet 1")
VIEW = EpisodeView(
    instruction="put a cool mug in shelf.",
    skills="Cool it before you place it.",
    history=(
        Turn(
            "You see a cabinet 1.",
            "go to cabinet 1",
            "<think>It may be there.</think><action>go to cabinet 1</action>",
            ("go to cabinet 1", "help"),
        ),
        Turn("The cabinet 1 is closed.", "", "hm", LISTED),
    ),
    observation="Nothing happens.",
    admissible=LISTED,
)

SYSTEM = """\
You are an expert agent in a household.

## Skills learned from experience
Cool it before you place it.

## Task
put a cool mug in shelf.

At each step, first reason about the situation inside <think> </think>, citing the skills you \
use. Then give exactly one admissible action inside <action> </action>."""

CHAT = [
    ("system", SYSTEM),
    (
        "user",
        """\
Step 1. You now see:
You see a cabinet 1.

Admissible actions:
go to cabinet 1""",
    ),
    ("assistant", "<think>It may be there.</think><action>go to cabinet 1</action>"),
    (
        "user",
        """\
Step 2. You now see:
The cabinet 1 is closed.

Admissible actions:
go to fridge 1
open cabinet 1""",
    ),
    ("assistant", "hm"),
    (
        "user",
        """\
Step 3. You now see:
Nothing happens.

Admissible actions:
go to fridge 1
open cabinet 1""",
    ),
]


def words(text: str) -> int:
    return len(text.split())


def budget(limit: int) -> TokenBudget:
    return TokenBudget(limit=limit, count=words, per_message=0)


def at(step: int, view: EpisodeView = VIEW) -> EpisodeView:
    """The view as it was at that step."""
    if step == len(view.history):
        return view
    turn = view.history[step]
    return replace(
        view,
        history=view.history[:step],
        observation=turn.observation,
        admissible=turn.admissible,
    )


def long_view(turns: int) -> EpisodeView:
    """Scenes of 17 words (5, an observation of 8, 2, an action of 2), replies of 3."""
    turn = Turn("one two three four five six seven eight", "", None, ("look around",))
    history = tuple(replace(turn, reply=f"reply number {n}") for n in range(turns))
    return replace(VIEW, history=history, observation=turn.observation, admissible=turn.admissible)


def test_the_conversation_is_exactly_this() -> None:
    messages = ConversationPrompt(ROLE).build(VIEW)
    assert [(message.role, message.content) for message in messages] == CHAT


def test_the_constant_part_is_that_of_the_window() -> None:
    assert ConversationPrompt(ROLE).build(at(0))[0] == WindowPrompt(ROLE).build(VIEW)[0]


@pytest.mark.parametrize("limit", [None, 500])
def test_each_prompt_begins_with_the_last_prompt_and_its_reply(limit: int | None) -> None:
    prompt = ConversationPrompt(ROLE, budget=budget(limit) if limit else None)
    for step, turn in enumerate(VIEW.history):
        assert turn.reply is not None
        said = (*prompt.build(at(step)), Message("assistant", turn.reply))
        assert prompt.build(at(step + 1))[: len(said)] == said


def test_what_was_done_instead_is_said() -> None:
    # A demonstrator's hand slipped: the chat says one thing, the environment did another.
    slip = replace(VIEW.history[0], action="help")
    *_, scene, _, _ = ConversationPrompt(ROLE).build(replace(VIEW, history=(slip, VIEW.history[1])))
    assert scene.content.startswith("Done instead: help\n\nStep 2.")


def test_a_turn_without_a_reply_shows_its_action() -> None:
    messages = ConversationPrompt(ROLE).build(
        replace(VIEW, history=(Turn("You see.", "go to cabinet 1"),))
    )
    assert messages[2] == Message("assistant", "<think></think>\n<action>go to cabinet 1</action>")


def test_a_chat_that_is_too_long_starts_again_with_half_of_the_room() -> None:
    # The system message has 52 words and the note at the start 9, which leaves 139 of 200.
    # Six turns of 20 and a scene of 17 fit, seven do not; so at the eighth scene turns leave
    # until 69 words are enough: two turns and the scene.
    prompt = ConversationPrompt(ROLE, budget=budget(200))
    shown = [len(prompt.build(at(n, long_view(12)))) // 2 for n in range(13)]
    assert shown == [1, 2, 3, 4, 5, 6, 7, 3, 4, 5, 6, 7, 3]
    restarted = prompt.build(at(7, long_view(12)))
    assert restarted[1].content.startswith(
        "[steps 1 to 5 are left out for length]\n\nStep 6. You now see:\none two"
    )
    assert sum(words(message.content) for message in restarted) <= 200


def test_only_a_restart_breaks_the_chain() -> None:
    prompt = ConversationPrompt(ROLE, budget=budget(200))
    view = long_view(12)
    extends = []
    for step, turn in enumerate(view.history):
        said = (*prompt.build(at(step, view)), Message("assistant", turn.reply or ""))
        extends.append(prompt.build(at(step + 1, view))[: len(said)] == said)
    assert [step + 1 for step, kept in enumerate(extends) if not kept] == [7, 12]


def test_the_windows_oldest_turns_are_cut_first() -> None:
    view = long_view(3)
    whole = WindowPrompt(ROLE, history=3)
    size = sum(words(message.content) for message in whole.build(view))
    assert replace(whole, budget=budget(size)).build(view) == whole.build(view)
    assert replace(whole, budget=budget(size - 1)).build(view) == replace(whole, history=2).build(
        view
    )


def test_then_the_end_of_the_observation_and_then_actions() -> None:
    # The system message has 52 words. A scene is 5 words, the observation, 2 words, and the
    # actions; a cut observation has 4 words of notice, a cut list 7.
    view = replace(
        VIEW,
        observation=" ".join(["seen"] * 30),
        admissible=tuple(f"go to{n:03}" for n in range(40)),
    )
    text = WindowPrompt(ROLE, budget=budget(52 + 5 + 14 + 2 + 80)).build(view)[1].content
    assert "\n" + " ".join(["seen"] * 10) + " [left out for length]\n" in text
    assert "go to039" in text
    text = WindowPrompt(ROLE, budget=budget(52 + 5 + 4 + 2 + 30 + 7)).build(view)[1].content
    assert text == (
        "Step 3. You now see:\n[left out for length]\n\nAdmissible actions:\n"
        + "\n".join(f"go to{n:03}" for n in range(15))
        + "\n[and 25 more, left out for length]"
    )


@pytest.mark.parametrize("prompt", [WindowPrompt(ROLE), ConversationPrompt(ROLE)])
def test_skills_and_task_are_never_cut(prompt: WindowPrompt | ConversationPrompt) -> None:
    tight = replace(prompt, budget=budget(50))
    with pytest.raises(PromptTooLong, match="do not fit into 50 tokens"):
        tight.build(at(0))
    for limit in range(75, 200, 5):
        messages = replace(prompt, budget=budget(limit)).build(long_view(9))
        assert messages[0].content == SYSTEM
        assert sum(words(message.content) for message in messages) <= limit


def test_names_tell_layouts_and_limits_apart() -> None:
    assert WindowPrompt(ROLE).name == "window-1/2"
    assert WindowPrompt(ROLE, history=4, budget=budget(90)).name == "window-1/4/90 tokens"
    assert ConversationPrompt(ROLE).name == "conversation-1"
    assert ConversationPrompt(ROLE, budget=budget(90)).name == "conversation-1/90 tokens"
    assert (WindowPrompt(ROLE).context, ConversationPrompt(ROLE).context) == (
        "window",
        "conversation",
    )


def test_the_parser_can_be_chosen() -> None:
    reply = "<think>a</think><action>fly</action>"
    for prompt in (WindowPrompt(ROLE), ConversationPrompt(ROLE)):
        assert not prompt.parse(reply, LISTED).valid
        assert replace(prompt, parser=paper_action).parse(reply, LISTED).valid


def test_budgets_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="limit must be at least 1, got 0"):
        budget(0)
    with pytest.raises(ValueError, match="per_message must be at least 0, got -1"):
        replace(budget(10), per_message=-1)
