import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from xml.etree import ElementTree

import pytest

from skillrl_app.report import (
    CostRow,
    CurvePoint,
    GameResult,
    GrowthPoint,
    ReportData,
    render_report,
)

MakeRun = Callable[[str], ReportData]


def hash_of(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


def test_policy_allows_exactly_the_pages_own_style_and_script(make_run: MakeRun) -> None:
    page = render_report(make_run(""))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    script = re.search(r"<script>(.*?)</script>", page, re.S)
    assert policy
    assert style
    assert script
    rules = policy[1].replace("&#39;", "'")
    assert "default-src 'none'" in rules
    assert f"style-src '{hash_of(style[1])}'" in rules
    assert f"script-src '{hash_of(script[1])}'" in rules
    assert "unsafe" not in rules


def test_page_names_no_other_place(make_run: MakeRun) -> None:
    page = render_report(make_run(""))
    assert not re.search(r"https?:|//[a-z]|url\(|@import| src=| style=", page)


def test_page_is_well_formed_apart_from_its_raw_parts(make_run: MakeRun) -> None:
    page = render_report(make_run("<b>&'\"")).split("\n", 1)[1]
    page = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.S)
    page = re.sub(r"<(meta|br)\b[^>]*>", "", page)
    page = re.sub(r" (open|disabled)(?=[ >])", r' \1=""', page)
    ids = [e.get("id") for e in ElementTree.fromstring(page).iter() if e.get("id")]
    assert len(ids) == len(set(ids))


def test_every_link_leads_somewhere(make_run: MakeRun) -> None:
    page = render_report(make_run(""))
    ids = set(re.findall(r' id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= ids


def test_every_chart_has_a_title_and_a_description(make_run: MakeRun) -> None:
    page = render_report(make_run(""))
    charts = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(charts) == 8  # four charts, each for wide and for narrow screens
    assert all(re.search(r"<title [^>]+>.+</title><desc [^>]+>.+</desc>", c) for c in charts)


def test_page_stays_small(make_run: MakeRun) -> None:
    assert len(render_report(make_run("")).encode()) < 300_000


def test_unfinished_run_says_what_was_not_run(early_run: ReportData) -> None:
    page = render_report(early_run)
    assert page.count("not run yet") == 5
    assert "<svg" not in page


def test_stage_that_is_missing_is_named(make_run: MakeRun) -> None:
    whole = make_run("")
    evals = tuple(result for result in whole.evals if result.label != "after RL")
    page = render_report(replace(whole, evals=evals, learning_curve=()))
    assert '<h4>after RL</h4><p class="missing">not run yet</p>' in page


def test_headline_states_rate_interval_and_paired_difference(make_run: MakeRun) -> None:
    # 8 games: given wins 6, withheld 4, differences 1, 1 and six times 0:
    # mean 0.25, variance (2*0.5625 + 6*0.0625)/7 = 0.2143, spread 1.96*sqrt(0.2143/8) = 0.3208
    wins = {"skills given": 6, "skills withheld": 4}
    evals = tuple(
        replace(
            result,
            games=tuple(
                GameResult(game=f"g{i}", category="a", n=1, wins=int(i < wins[result.arm]))
                for i in range(8)
            ),
        )
        for result in make_run("").evals
        if result.label == "after SFT"
    )
    page = render_report(replace(make_run(""), evals=evals))
    assert "75%" in page
    assert "<strong>+25 points (\u22127 to +57)</strong> over 8 shared games." in page
    assert "The interval contains 0" in page


def test_evaluation_without_games_is_said_to_have_none(make_run: MakeRun) -> None:
    whole = make_run("")
    page = render_report(replace(whole, evals=tuple(replace(r, games=()) for r in whole.evals)))
    assert '<p class="missing">no games</p>' in page


def test_games_that_all_differ_alike_get_no_interval(make_run: MakeRun) -> None:
    whole = make_run("")
    same = tuple(
        replace(result, games=tuple(replace(game, wins=1) for game in result.games))
        for result in whole.evals
    )
    page = render_report(replace(whole, evals=same))
    assert "0 points (every game alike, so no interval)" in page


def test_unknown_price_is_called_unknown(make_run: MakeRun) -> None:
    row = CostRow(stage="rl", what="gpu_seconds", quantity=3, unit="s", price=None)
    page = render_report(replace(make_run(""), costs=(row,)))
    assert "Unknown: none of the 1 row has a price." in page
    assert ">unknown</td>" in page


def test_single_points_and_long_curves_are_drawn(make_run: MakeRun) -> None:
    whole = replace(make_run(""), bank_growth=(GrowthPoint(revision=3, when="x", active=0),))
    for length in (1, 60):
        curve = tuple(CurvePoint(iteration=i, n=4, wins=2) for i in range(length))
        assert "nan" not in render_report(replace(whole, learning_curve=curve))


def test_long_text_is_cut_and_says_so(make_run: MakeRun) -> None:
    page = render_report(replace(make_run("x" * 5000), evals=()))
    assert "more characters in the run&#39;s files" in page


def test_numbers_can_be_read_by_a_program(make_run: MakeRun) -> None:
    page = render_report(make_run("</script>"))
    block = re.search(r'<script type="application/json" id="numbers">(.*?)</script>', page)
    assert block
    numbers = json.loads(block[1])
    assert numbers["run_id"] == "quickstart-0</script>"
    assert numbers["evals"][0]["n"] == 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_colours_contrast_with_their_ground(scheme: str, make_run: MakeRun) -> None:
    style = render_report(make_run("")).split("<style>")[1].split("</style>")[0]
    blocks = re.findall(r":root \{(.*?)\}", style, re.S)
    values = dict(re.findall(r"--(\w+): (#\w{6});", blocks[["light", "dark"].index(scheme)]))
    for ground in ("paper", "card", "sunk"):
        for text in ("ink", "soft", "given", "withheld", "none", "good", "bad"):
            assert contrast(values[text], values[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    """Contrast ratio as WCAG 2 defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
