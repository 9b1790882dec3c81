"""The command line: `skillrl quickstart | run | eval | report | doctor`.

Exit codes: 0 success, 1 the run failed, 2 the call was wrong, 130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from skillrl_app.console import Console, printable
from skillrl_app.errors import AppError, UsageError

_EPILOG = """\
examples:
  skillrl quickstart                       the whole loop on this machine, no key needed
  skillrl run quickstart rl.iterations=10  a built-in configuration with one change
  skillrl run my.yaml teacher.model=openai/gpt-5-mini teacher.api_key_env=OPENAI_API_KEY
"""


_KEPT = "what was finished is kept, the same command resumes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _parser()
    options, surplus = parser.parse_known_args(arguments)
    # argparse ends a list of overrides at the first option; those behind it come here.
    if surplus and (not hasattr(options, "overrides") or any(s.startswith("-") for s in surplus)):
        parser.error(f"unrecognized arguments: {' '.join(surplus)}")
    elif surplus:
        options.overrides += surplus
    console = Console(quiet=options.quiet)
    try:
        return _dispatch(options, console)
    except KeyboardInterrupt:
        print("\nskillrl: interrupted; the same command resumes", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:
        return 1
    except Exception as err:
        known = _explain(err)
        if known is None:
            raise
        code, text = known
        print(f"skillrl: error: {printable(text)}", file=sys.stderr)  # noqa: T201
        return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skillrl",
        description="Agents that learn skills: play, distil, train, evaluate, report.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    quickstart = commands.add_parser("quickstart", help="play the whole loop with defaults")
    quickstart.add_argument("--run", type=Path, default=Path("runs/quickstart"), metavar="DIR")
    quickstart.add_argument("overrides", nargs="*", metavar="key.sub=value")
    quickstart.set_defaults(config="quickstart")

    run = commands.add_parser("run", help="run, or resume, a configuration")
    run.add_argument("config", metavar="CONFIG", help="a YAML file, or a built-in name")
    run.add_argument("overrides", nargs="*", metavar="key.sub=value")
    run.add_argument("--run", type=Path, metavar="DIR", help="default: runs/<name of CONFIG>")

    evaluate = commands.add_parser("eval", help="evaluate a run's checkpoint, each game once")
    evaluate.add_argument("run", type=Path, metavar="RUN")
    evaluate.add_argument("--checkpoint", choices=("base", "sft", "rl"), help="default: rl")
    evaluate.add_argument("--skills", choices=("given", "withheld"), help="default: both")
    report = commands.add_parser("report", help="rebuild a run's report.html")
    report.add_argument("run", type=Path, metavar="RUN")
    commands.add_parser("doctor", help="check what this machine can do")
    return parser


def _dispatch(options: argparse.Namespace, console: Console) -> int:
    # Imported late: torch and trl take seconds, and `--help` needs none of them.
    if options.command == "doctor":
        from skillrl_app.doctor import examine

        return examine(console)
    _quieten_libraries()
    from skillrl_app import commands
    from skillrl_app.config import load_config

    if options.command in {"quickstart", "run"}:
        config = load_config(options.config, options.overrides)
        data = os.environ.get("ALFWORLD_DATA")
        if config.env.data is None and data and config.env.games == "official":
            config = replace(config, env=replace(config.env, data=Path(data)))
        commands.run(options.run or _default_run(options.config), config, console)
    elif options.command == "eval":
        commands.evaluate(options.run, options.checkpoint, options.skills, console)
    else:
        commands.report(options.run, console)
    return 0


def _default_run(config: str) -> Path:
    return Path("runs") / Path(config).stem


def _explain(err: Exception) -> tuple[int, str] | None:
    """Return exit code and message for what users can act on; None for a bug."""
    from skillbank import SkillbankError
    from skillrl_distiller import DistillerError
    from skillrl_envs.errors import EnvsError, GameFileError, UnknownTaskError

    if isinstance(err, AppError):
        return err.exit_code, str(err)
    if isinstance(err, GameFileError | UnknownTaskError):
        return UsageError.exit_code, str(err)
    if isinstance(err, SkillbankError | DistillerError | EnvsError):
        return 1, str(err)
    if isinstance(err, OSError):
        where = f"{err.filename}: " if err.filename else ""
        return 1, f"{where}{err.strerror or err}; {_KEPT}"
    if type(err).__module__.startswith("skillrl_train."):
        return 1, f"{err}; {_KEPT}"
    return None


def _quieten_libraries() -> None:
    # Before they are imported. Ours are the only progress bars and log lines.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


if __name__ == "__main__":
    sys.exit(main())
