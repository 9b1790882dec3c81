"""Signs that have no business in a skill: chat markup, links, code, tool calls."""

import re
from functools import cache

from skillbank.screening.rules import marks
from skillbank.screening.sign import Sign, Signs
from skillbank.screening.text import Text

_TLD = (
    "com|net|org|edu|gov|mil|int|info|biz|io|ai|dev|app|co|xyz|shop|site|store|online|top|club"
    "|live|cloud|tech|page|link|click|cc|tv|gg|ly|sh|gl|ru|cn|de|uk|fr|nl|pl|es|eu|ch|jp|kr|br"
    "|au|ca|onion|example|internal|local|localhost|test|invalid|arpa|tk|ml|ga|cf|pw|ws|su|ua"
)
_HOST = re.compile(
    rf"(?<![\w.@-])(?:[\w-]{{1,63}}\.){{0,4}}[\w-]{{2,63}}\.(?:{_TLD})(?![\w-]|\.\w)", re.I
)
_HOST_AND_PATH = re.compile(
    r"(?<![\w.@/-])(?:[\w-]{1,63}\.){0,4}[\w-]{2,63}\.[a-z]{2,6}(?::\d{2,5}|/[\w#?~%-])"
)


def marked(text: Text, only: frozenset[str] | None = None) -> Signs:
    """Yield a sign for every rule that the text breaks, each rule once.

    Args:
        text: What to look at.
        only: The rules to apply; None for all.
    """
    for rule, (why, expressions) in compiled().items():
        if only is not None and rule not in only:
            continue
        found = next(filter(None, (one.search(text.plain) for one in expressions)), None)
        if found:
            yield Sign(rule, why, found.group())
        elif rule == "link" and (host := _host(text.visible)):
            yield Sign(rule, why, host)


@cache
def compiled() -> dict[str, tuple[str, tuple[re.Pattern[str], ...]]]:
    """Return (why, expressions) by rule."""
    return {
        rule: (why, tuple(re.compile(expression) for expression in expressions))
        for rule, (why, expressions) in marks().items()
    }


def _host(visible: str) -> str | None:
    if found := _HOST_AND_PATH.search(visible):
        return found.group()
    for match in _HOST.finditer(visible):
        # "page.Shop" is a full stop without a space behind it, "page.shop" a host.
        last = match.group().rpartition(".")[2]
        if last.islower() or last.isupper():
            return match.group()
    return None
