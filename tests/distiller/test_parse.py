import pytest

from skillrl_distiller.errors import TeacherReplyError
from skillrl_distiller.parse import MAX_REPLY_CHARS, parse_reply, reply_schema
from skillrl_distiller.replies import LessonsReply, ProposalsReply, SkillsReply
from skillrl_distiller.teacher import TeacherReply

SKILL = (
    '{"title": "a [b]", "principle": "p ] x", "when_to_apply": "w", '
    '"citations": [{"trajectory_id": "t/0", "steps": [1]}]}'
)


def parse(text: str, *, truncated: bool = False) -> SkillsReply:
    reply = TeacherReply(
        text=text,
        model="m",
        prompt_tokens=None,
        completion_tokens=None,
        cost=None,
        truncated=truncated,
        request_hash="h",
    )
    return parse_reply(SkillsReply, reply)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"skills": [{SKILL}]}}',
        f'\n  {{"skills": [{SKILL}]}}  \n',
        f'```json\n{{"skills": [{SKILL}]}}\n```',
        f'```\n{{"skills": [{SKILL}]}}\n```\n',
    ],
)
def test_json_is_read_bare_or_in_one_fence(text: str) -> None:
    (skill,) = parse(text).skills
    assert (skill.title, skill.principle) == ("a [b]", "p ] x")
    assert skill.citations[0].steps == (1,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "reply is empty"),
        ("Sure! Here you go", r"not JSON at char 0 \(expecting value\): 'Sure! Here you go'"),
        ('{"skills": [}', r"not JSON at char 12 \(.*\): '}'"),
        ('{"skills": []} and more', r"not JSON at char 15 \(extra data\): 'and more'"),
        ('```json\n{"skills": []}\n```\ntext', "not JSON at char 0"),
        ("[]", "breaks the schema at the top level"),
        ('{"skills": [], "note": 1}', "breaks the schema at note"),
        ('{"skills": [{"title": "t"}]}', r"breaks the schema at skills\.0\.principle"),
        ('{"skills": [NaN]}', "NaN"),
        (SKILL.replace("[1]", '["1"]').join(['{"skills": [', "]}"]), r"citations\.0\.steps\.0"),
        (SKILL.replace('"w"', '" "').join(['{"skills": [', "]}"]), "when_to_apply must have 1 to"),
        (SKILL.replace('"w"', '"' + "w" * 301 + '"').join(['{"skills": [', "]}"]), "got 301"),
        ("[" * 100_000, "nested too deeply"),
        ("x" * (MAX_REPLY_CHARS + 1), "200001 characters"),
    ],
)
def test_bad_reply_is_refused_with_place_and_excerpt(text: str, message: str) -> None:
    with pytest.raises(TeacherReplyError, match=message):
        parse(text)


def test_a_reply_that_was_cut_off_says_so() -> None:
    with pytest.raises(TeacherReplyError, match="cut off at the teacher's length limit"):
        parse('{"skills": [{"title": "t', truncated=True)


@pytest.mark.parametrize("kind", [SkillsReply, LessonsReply, ProposalsReply])
def test_schema_requires_every_field_and_allows_no_other(
    kind: type[SkillsReply] | type[LessonsReply] | type[ProposalsReply],
) -> None:
    schema = reply_schema(kind)
    for part in [schema, *schema["$defs"].values()]:
        assert part["additionalProperties"] is False
        assert sorted(part["required"]) == sorted(part["properties"])
