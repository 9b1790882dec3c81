import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillrl_app.report.html import escape, inline_json, raw, tag


class Reader(HTMLParser):
    """Collects what an independent parser sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


printable = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "))


@given(printable)
def test_text_and_attributes_come_back_as_they_went_in(text: str) -> None:
    seen = read(tag("p", text, title=text))
    assert seen.tags == ["p"]
    assert (seen.text, seen.attributes) == (text, [("title", text)])


@given(st.text())
def test_no_text_makes_a_tag_or_breaks_utf8(text: str) -> None:
    markup = tag("p", text, title=text)
    assert read(markup).tags == ["p"]
    assert markup.encode()


def test_markup_is_not_escaped_twice() -> None:
    assert tag("p", tag("em", "a<b")) == "<p><em>a&lt;b</em></p>"


def test_markup_joined_with_text_is_text_again() -> None:
    assert escape(tag("b", "x") + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"


def test_markup_inside_an_attribute_is_escaped() -> None:
    assert tag("p", title=raw('"><script>')) == '<p title="&quot;&gt;&lt;script&gt;"></p>'


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\u202e", "\u2066", "\u200b", "\ud800"])
def test_characters_that_hide_or_reorder_text_are_shown_by_number(character: str) -> None:
    assert escape(f"a{character}b") == f"a\u27e8U+{ord(character):04X}\u27e9b"


@pytest.mark.parametrize("name", ["onclick", "ONLOAD", "style", "src", "srcdoc", "formaction"])
def test_attributes_that_run_or_load_something_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        tag("p", **{name: "x"})


@pytest.mark.parametrize("href", ["javascript:alert(1)", "//elsewhere", "page.html"])
def test_links_out_of_the_page_are_refused(href: str) -> None:
    with pytest.raises(ValueError, match="within itself"):
        tag("a", href=href)


def test_json_cannot_end_its_script_and_comes_back() -> None:
    value = {"x": "</script><!--&\u2028\u2029"}
    text = inline_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value
