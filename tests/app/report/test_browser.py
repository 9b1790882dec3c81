"""The finished page in a real browser: hostile text stays text, replay works."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from skillrl_app.report import ReportData, render_report

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
HOSTILE = "</script></style></svg><img src=x onerror='window.__pwned=1'>&amp;\"'"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --window-size=1000,900"
)

pytestmark = pytest.mark.skipif(
    not (CHROMIUM.exists() and DRIVER.exists()),
    reason=f"needs {CHROMIUM} and {DRIVER} (Debian: chromium, chromium-driver)",
)

MakeRun = Callable[[str], ReportData]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SE_OFFLINE", "true")
        environment.setenv("SE_AVOID_STATS", "true")
        driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: webdriver.Chrome, tmp_path: Path, make_run: MakeRun) -> webdriver.Chrome:
    """A report full of hostile text, opened from its file."""
    return opened(browser, tmp_path, make_run(HOSTILE))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def opened(browser: webdriver.Chrome, folder: Path, data: ReportData) -> webdriver.Chrome:
    report = folder / "report.html"
    report.write_text(render_report(data), encoding="utf-8")
    console(browser)  # forget the page before
    browser.get(report.as_uri())
    return browser


def assert_untouched(page: webdriver.Chrome) -> None:
    """Nothing ran, nothing was made of the data, nothing was requested or refused."""
    assert page.execute_script("return window.__pwned") is None
    assert page.find_elements(By.CSS_SELECTOR, "img, iframe, object, embed, form, base") == []
    assert len(page.find_elements(By.TAG_NAME, "script")) == 2
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert console(page) == []


def console(page: webdriver.Chrome) -> list[str]:
    """What the browser complained about since the last call, refusals by the policy included."""
    entries = page.get_log("browser")  # type: ignore[no-untyped-call]  # selenium has no type here
    return [entry["message"] for entry in entries]


def shown_step(page: webdriver.Chrome, episode: int = 1) -> str:
    steps = page.find_elements(By.CSS_SELECTOR, f"#e{episode} .step")
    (shown,) = (step for step in steps if step.is_displayed())
    return shown.get_attribute("id") or ""


def one(page: webdriver.Chrome, selector: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, selector)


def test_hostile_text_runs_nothing_from_a_file(page: webdriver.Chrome) -> None:
    assert_untouched(page)


def test_hostile_text_runs_nothing_from_a_server(page: webdriver.Chrome, server: str) -> None:
    page.get(f"{server}/report.html")
    assert_untouched(page)


@pytest.mark.parametrize(
    "selector",
    [
        "h1", "header > p.faint", ".notes li", ".split h3", "table th", "table td", ".skill h3",
        ".skill .kind", ".skill p:nth-of-type(2)", ".skill dd", ".skill code", ".decisions strong",
        ".decisions p", "details > .missing", ".episode summary", ".said", ".action",
        ".replay > .faint", ".step > p > span", "#costs td", "#setup pre", "title",
    ],
)  # fmt: skip
def test_hostile_text_is_shown_as_text(page: webdriver.Chrome, selector: str) -> None:
    script = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)"
    assert any(HOSTILE in text for text in page.execute_script(script, selector))


def test_policy_stops_a_script_that_got_in(page: webdriver.Chrome) -> None:
    page.execute_script(
        "const s = document.createElement('div');"
        "try { s.innerHTML = '<img src=x onerror=window.__pwned=1>'; } catch {}"
        "document.body.append(s);"
        "const t = document.createElement('script');"
        "try { t.text = 'window.__pwned = 2'; } catch { t.append('window.__pwned = 3'); }"
        "document.body.append(t);"
    )
    assert page.execute_script("return window.__pwned") is None


def test_buttons_leaf_through_an_episode(page: webdriver.Chrome) -> None:
    assert shown_step(page) == "e1-s0"
    assert not one(page, "#e1 .previous").is_enabled()
    one(page, "#e1 .next").click()
    one(page, "#e1 .next").click()
    assert shown_step(page) == "e1-s2"
    assert one(page, "#e1 .where").text == "Step 3 of 8"
    one(page, "#e1 .previous").click()
    assert shown_step(page) == "e1-s1"


def test_arrow_keys_leaf_through_an_episode_and_stop_at_its_ends(page: webdriver.Chrome) -> None:
    replay = one(page, "#e1 .replay")
    replay.send_keys(Keys.ARROW_RIGHT)
    assert shown_step(page) == "e1-s1"
    replay.send_keys(Keys.ARROW_LEFT * 3)
    assert shown_step(page) == "e1-s0"
    replay.send_keys(Keys.ARROW_RIGHT * 20)
    assert shown_step(page) == "e1-s8"
    assert one(page, "#e1 .where").text == "The end"
    assert not one(page, "#e1 .next").is_enabled()


def test_strip_shows_the_step_it_names(page: webdriver.Chrome) -> None:
    one(page, "#e1 .strip a[href='#e1-s3']").click()
    assert shown_step(page) == "e1-s3"
    assert one(page, "#e1 .strip a[aria-current=step]").text.startswith("4")


def test_citation_opens_its_episode_at_the_step(page: webdriver.Chrome) -> None:
    link = ".skill a[href='#e1-s3']"
    page.execute_script("document.getElementById('e1').open = false")
    for _ in range(2):  # the second click names the place the page is at already
        page.execute_script("arguments[0].click()", one(page, link))
        page.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")
        assert shown_step(page) == "e1-s3"
        one(page, "#e1 .replay").send_keys(Keys.ARROW_RIGHT)
    assert shown_step(page) == "e1-s4"


def test_every_step_reads_without_script(page: webdriver.Chrome) -> None:
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        steps = page.find_elements(By.CSS_SELECTOR, "#e1 .step")
        assert [step.is_displayed() for step in steps] == [True] * 9
        assert not one(page, "#e1 .next").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [400, 1000])
def test_page_never_scrolls_sideways(page: webdriver.Chrome, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    visible = [e.is_displayed() for e in page.find_elements(By.CSS_SELECTOR, "#learning svg")]
    assert visible == [width > 600, width < 600]
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_unfinished_run_opens_cleanly(
    browser: webdriver.Chrome, tmp_path: Path, early_run: ReportData
) -> None:
    assert_untouched(opened(browser, tmp_path, early_run))
