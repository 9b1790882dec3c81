"""Markup that cannot be broken by what it holds.

`Html` is text that is markup already. Only `tag`, `join` and `raw` make it; whatever
else is put into a page is a plain string and is escaped on the way.
"""

import json
import re
from collections.abc import Iterable

_VOID = frozenset({"meta", "br", "hr", "input"})
_FORBIDDEN = re.compile(r"on.*|style|src.*|action|formaction|xlink.*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
# Characters that would hide or reorder text: controls, surrogates, bidirectional
# overrides and isolates, zero-width ones. They are shown by their number instead.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


class Html(str):
    """Markup; a str subclass, so that joining it with plain text loses the mark."""

    __slots__ = ()


Child = str | int | float | None


def escape(value: Child) -> Html:
    """Return `value` as text that is safe between tags and inside quotes.

    Html passes unchanged, None becomes nothing.
    """
    if isinstance(value, Html):
        return value
    text = "" if value is None else str(value).replace("\r\n", "\n")
    return Html(_INVISIBLE.sub(_shown_by_number, text).translate(_ENTITIES))


def tag(name: str, /, *children: Child, **attributes: Child) -> Html:
    """Return an element.

    Attribute names lose a trailing underscore and turn the others into hyphens
    (`class_`, `aria_label`); None and False leave an attribute out, True leaves it bare.

    Raises:
        ValueError: an attribute that could run or load something, or a link that
            leaves the page.
    """
    opening = f"<{name}{''.join(_attribute(*item) for item in attributes.items())}>"
    if name in _VOID:
        return Html(opening)
    return Html(f"{opening}{join(children)}</{name}>")


def join(parts: Iterable[Child]) -> Html:
    """Return the parts one after another, each escaped where it is not markup."""
    return Html("".join(escape(part) for part in parts))


def raw(markup: str) -> Html:
    """Declare `markup` to be markup: for this package's own style and script only."""
    return Html(markup)


def inline_json(value: object) -> Html:
    """Return `value` as JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(text)


def _attribute(name: str, value: Child) -> str:
    name = name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if not _NAME.fullmatch(name) or _FORBIDDEN.fullmatch(name.lower()):
        raise ValueError(f"attribute {name!r} is not allowed in a report")
    if name == "href" and not str(value).startswith("#"):
        raise ValueError(f"a report links only within itself, got href {value!r}")
    if value is True:
        return f" {name}"
    text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
    # An attribute holds plain text: str() drops the mark, so even Html is escaped here.
    return f' {name}="{escape(str(text))}"'


def _shown_by_number(match: re.Match[str]) -> str:
    return f"\u27e8U+{ord(match[0]):04X}\u27e9"
