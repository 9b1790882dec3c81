"""Prompts as tokens: whole chats, and chats that go on from exact tokens.

A chat that is tokenised again at each step need not repeat the tokens that were sampled:
merges differ, templates trim or drop what the assistant wrote. Log-probabilities and
cached prefixes are then of another text. `prompt_tokens` keeps what was sampled and adds
only what is new. It knows no tokenizer: rendering and encoding are passed in.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from skillrl_envs.policy import Message

Render = Callable[[Sequence[Message]], str]
"""The chat as text by the model's template, ready for the assistant's next words."""

Encode = Callable[[str], Sequence[int]]
"""Text as token ids, special tokens recognised and none added."""

_MARK = "\u2982reply\u2983"


def prompt_tokens(
    messages: Sequence[Message],
    token_prefix: Sequence[int] | None,
    *,
    render: Render,
    encode: Encode,
) -> list[int]:
    """Return the tokens of a prompt; with a prefix, they begin with exactly that.

    Args:
        messages: The whole chat; the last message is not the assistant's.
        token_prefix: Prompt and completion of the assistant's last turn as sampled; None
            to tokenise everything.
        render: The chat template.
        encode: The tokenizer.

    Raises:
        ValueError: a prefix, but no message of the assistant that it could end with, or a
            template that leaves that message out.
    """
    if token_prefix is None:
        return list(encode(render(messages)))
    prefix, rest = list(token_prefix), list(encode(_after_last_reply(messages, render)))
    # What the model has written of the turn's end is not written a second time; a reply
    # that was cut off gets its end here.
    if prefix and rest and prefix[-1] == rest[0]:
        del rest[0]
    return prefix + rest


def _after_last_reply(messages: Sequence[Message], render: Render) -> str:
    """Return what the template puts after the assistant's last words."""
    index = max((i for i, m in enumerate(messages) if m.role == "assistant"), default=None)
    if index is None:
        raise ValueError("a token prefix needs a message of the assistant that it ends with")
    mark = _MARK
    while any(mark in message.content for message in messages):
        mark += _MARK
    # Templates rewrite earlier replies, so the place is found by words of our own.
    marked = [*messages]
    marked[index] = replace(messages[index], content=mark)
    _, found, rest = render(marked).rpartition(mark)
    if not found:
        raise ValueError("the chat template leaves out the assistant's last reply")
    return rest
