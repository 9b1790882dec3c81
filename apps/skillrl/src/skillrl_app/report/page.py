"""The whole report: one HTML file that loads nothing and runs only its own script."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

from skillrl_app.report.bank import bank
from skillrl_app.report.data import ReportData, Tally
from skillrl_app.report.headline import headline
from skillrl_app.report.html import Html, inline_json, join, raw, tag
from skillrl_app.report.intervals import wilson
from skillrl_app.report.replay import places, replays
from skillrl_app.report.setup import costs, setup
from skillrl_app.report.task_types import task_types
from skillrl_app.report.training import evolution, learning_curve

_PARTS = (
    ("results", "Success"),
    ("learning", "Learning"),
    ("types", "Task types"),
    ("bank", "Skills"),
    ("evolution", "Evolution"),
    ("episodes", "Episodes"),
    ("costs", "Cost"),
    ("setup", "Reproduce"),
)


def render_report(data: ReportData) -> str:
    """Return the report as one HTML page, in UTF-8 text.

    Nothing in `data` is trusted: it appears as text or not at all. The page's policy
    allows exactly its own style and script, by hash, and no request to anywhere.
    """
    style, script = _asset("style.css"), _asset("replay.js")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{data.run_id} \u00b7 SkillRL report"),
        tag("style", raw(style)),
    )
    numbers = tag("script", inline_json(_numbers(data)), type="application/json", id="numbers")
    body = tag("body", _top(data), _main(data), numbers, tag("script", raw(script)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _asset(name: str) -> str:
    return files("skillrl_app.report").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _hash(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


def _top(data: ReportData) -> Html:
    facts = [data.method, f"seed {data.seed}", data.created]
    links = (tag("li", tag("a", title, href=f"#{key}")) for key, title in _PARTS)
    return tag(
        "header",
        tag("a", "Skip to the results", href="#results", class_="skip"),
        tag("p", "SkillRL run report", class_="kicker"),
        tag("h1", data.run_id, dir="auto"),
        tag("p", " \u00b7 ".join(facts), class_="faint"),
        tag("nav", tag("ul", *links), aria_label="Parts of this report", class_="contents"),
        _notes(data),
    )


def _notes(data: ReportData) -> Html | None:
    if not data.notes:
        return None
    return tag(
        "aside",
        tag("h2", "Before you read the numbers", id="notes-h"),
        tag("ul", join(tag("li", note, dir="auto") for note in data.notes)),
        aria_labelledby="notes-h",
        class_="notes",
    )


def _main(data: ReportData) -> Html:
    return tag(
        "main",
        headline(data),
        learning_curve(data),
        task_types(data),
        bank(data, places(data.episodes)),
        evolution(data),
        replays(data),
        costs(data),
        setup(data),
    )


def _numbers(data: ReportData) -> dict[str, Any]:  # JSON
    """The report's figures for a program that reads the page."""
    return {
        "run_id": data.run_id,
        "method": data.method,
        "seed": data.seed,
        "evals": [
            {"label": r.label, "split": r.split, "arm": r.arm, **_rate(r.overall)}
            for r in data.evals
        ],
        "learning_curve": [
            {"iteration": p.iteration, "wins": p.wins, "n": p.n} for p in data.learning_curve
        ],
    }


def _rate(tally: Tally) -> dict[str, float | None]:
    rate = wilson(tally.wins, tally.n)
    return {
        "wins": tally.wins,
        "n": tally.n,
        "low": rate.low if rate else None,
        "high": rate.high if rate else None,
    }
