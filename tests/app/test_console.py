import pytest

from skillrl_app.cli import main
from skillrl_app.console import Console, printable


def test_text_of_others_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2Jgone [red]not markup[/red] \u202egnp.exe\x07"
    console = Console()
    console.say(hostile)
    console.table(hostile, ["a", hostile], [["1", hostile]])
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert "[red]not markup[/red]" in shown


def test_plain_text_is_left_alone() -> None:
    assert printable("Größe 3 - ok\n日本") == "Größe 3 - ok\n日本"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.say("hello")
    console.table("t", ["a"], [["1"]])
    assert capsys.readouterr().out == ""


def test_help_needs_no_heavy_import(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0
    assert "quickstart" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["run"], ["run", "quickstart", "--fast"], ["report", "a", "b"]],
)
def test_a_wrong_call_is_refused_with_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 2
    assert "usage:" in capsys.readouterr().err
