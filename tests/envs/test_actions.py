import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillrl_envs.actions import (
    ActionParser,
    Fault,
    ParsedReply,
    bare_action,
    paper_action,
    paper_webshop_action,
    strict_action,
)

LISTED = ("go to fridge 1", "look")
PARSERS: dict[str, ActionParser] = {
    "strict": strict_action,
    "paper": paper_action,
    "webshop": paper_webshop_action,
    "bare": bare_action,
}


@pytest.mark.parametrize(
    ("reply", "action", "faults"),
    [
        ("<think>a</think><action> Go to  Fridge 1 </action>", "go to fridge 1", ()),
        ("<ACTION>look</ACTION> <Think>b</Think>", "look", ()),
        ("<action>look</action>", "look", ("no_think_tags",)),
        ("<think>a</think><action>fly</action>", "fly", ("not_admissible",)),
        ("<think>a</think> look", "", ("no_action_tags",)),
        ("<think>a</think><action> \n</action>", "", ("empty_action",)),
        ("<think>a</action><action>look", "", ("no_action_tags", "no_think_tags")),
        ("<think>\u770b</think><action>look</action>", "look", ("foreign_script",)),
        ("", "", ("no_action_tags", "no_think_tags")),
        (
            "<think>a</think><action>look</action><action>fly</action>",
            "look",
            (),
        ),
    ],
)
def test_strict_replies_are_valid_only_without_a_fault(
    reply: str, action: str, faults: tuple[Fault, ...]
) -> None:
    assert strict_action(reply, LISTED) == ParsedReply(action, valid=not faults, faults=faults)


def test_without_a_list_any_action_will_do() -> None:
    assert strict_action("<think>a</think><action>search[x]</action>", ()).valid
    assert bare_action("search[x]", ()).valid


@pytest.mark.parametrize(
    ("reply", "action", "valid"),
    [
        # What is not admissible passes as valid: the fault is on record all the same.
        ("<think>a</think><action> Fly </action>", "fly", True),
        ("<think>a</think><action>look</action>", "look", True),
        ("<action>look</action>", "look", False),
        ("<think>\u770b</think><action>look</action>", "look", False),
        # The last 30 characters are executed.
        ("I think I will now go to the FRIDGE, 1.", " will now go to the fridge, 1.", False),
        # Tags in the wrong order hold nothing.
        ("<think>a</think></action>look<action>", "", True),
    ],
)
def test_the_papers_parser_reads_as_its_code_does(reply: str, action: str, valid: bool) -> None:
    parsed = paper_action(reply, LISTED)
    assert (parsed.action, parsed.valid) == (action, valid)


def test_the_papers_parser_still_records_what_it_does_not_count() -> None:
    assert paper_action("<think>a</think><action>fly</action>", LISTED).faults == (
        "not_admissible",
    )
    assert paper_action("look", LISTED).faults == ("no_action_tags", "no_think_tags")


def test_webshop_executes_twenty_characters() -> None:
    assert paper_webshop_action("x" * 50 + "search[red shoes]", ()).action == "xxxsearch[red shoes]"


def test_a_bare_reply_is_its_action() -> None:
    assert bare_action(" Go to\nfridge 1", LISTED) == ParsedReply("go to fridge 1", valid=True)
    assert bare_action(" ", LISTED).faults == ("empty_action",)
    assert bare_action("fly", LISTED).faults == ("not_admissible",)


@given(
    reply=st.one_of(
        st.text(),
        st.lists(
            st.sampled_from(
                ["<action>", "</action>", "<think>", "</think>", "look", " ", "\u0130", "\ud800"]
            )
        ).map("".join),
    ),
    name=st.sampled_from(sorted(PARSERS)),
)
def test_no_reply_breaks_a_parser(reply: str, name: str) -> None:
    parsed = PARSERS[name](reply, LISTED)
    assert isinstance(parsed.action, str)
    if name in ("strict", "bare"):
        assert parsed.valid == (not parsed.faults)
        assert not parsed.valid or parsed.action in LISTED


@pytest.mark.parametrize("name", sorted(PARSERS))
@pytest.mark.parametrize("piece", ["<action>", "<think>", "</action><action>", "<", "\u770b"])
def test_a_megabyte_of_tags_takes_no_longer_than_reading_it(name: str, piece: str) -> None:
    # A backtracking pattern would need minutes to hours here, and the test's time limit.
    assert not strict_action(piece * (1_000_000 // len(piece)), LISTED).valid
    PARSERS[name](piece * (1_000_000 // len(piece)), LISTED)
