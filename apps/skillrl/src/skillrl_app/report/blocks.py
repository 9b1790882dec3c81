"""The building blocks of the page: sections, tables, figures, foldable parts."""

from collections.abc import Callable

from skillrl_app.report.html import Child, Html, join, tag
from skillrl_app.report.svg import Canvas


def missing(sentence: str) -> Html:
    """The sentence that stands where a part of the run has no results."""
    return tag("p", sentence, class_="missing")


def untrusted(text: str, limit: int = 4000) -> Html:
    """A block of agent, teacher or game text, cut at `limit` characters."""
    rest = len(text) - limit
    note = tag("small", f" \u2026 {rest:,} more characters in the run's files") if rest > 0 else ""
    return tag("div", text[:limit] or tag("em", "empty"), note, class_="said", dir="auto")


def section(key: str, title: str, *children: Child) -> Html:
    """One part of the page, under its heading."""
    return tag(
        "section", tag("h2", title, id=f"{key}-h"), *children, id=key, aria_labelledby=f"{key}-h"
    )


def folded(summary: Child, *children: Child) -> Html:
    """Something that can be opened, and needs no script to be."""
    return tag("details", tag("summary", summary), *children)


def table(caption: str, head: list[Child], rows: list[list[Child]], numeric: int) -> Html:
    """A table whose first column names the row and whose last `numeric` are numbers."""
    first_number = len(head) - numeric

    def cells(values: list[Child]) -> Html:
        return join(
            tag("th", value, scope="row")
            if place == 0
            else tag("td", value, class_="number" if place >= first_number else None)
            for place, value in enumerate(values)
        )

    titles = (
        tag("th", title, scope="col", class_="number" if place >= first_number else None)
        for place, title in enumerate(head)
    )
    body = (tag("tr", cells(row)) for row in rows)
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", join(titles))),
            tag("tbody", join(body)),
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def figure(
    key: str, title: str, description: str, caption: Child, draw: Callable[[Canvas], Html]
) -> Html:
    """A chart drawn twice, for wide and for narrow screens; the style shows one."""
    wide = Canvas(key=f"{key}-w", title=title, description=description, width=720)
    narrow = Canvas(key=f"{key}-n", title=title, description=description, width=340)
    return tag(
        "figure",
        tag("div", draw(wide), class_="wide"),
        tag("div", draw(narrow), class_="narrow"),
        tag("figcaption", caption),
    )
