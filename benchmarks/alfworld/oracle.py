"""The real ALFWorld text game, driven through TextWorld: what our engine is compared with.

Stock TextWorld parses the same few templates 30 to 40 times a step and hands the planner a
second grounding that only `replan` reads. `memoise` removes that work and nothing else;
`parity.py report` proves that both give the same bytes wherever both played a game.
"""

import copy
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from traces import Seen

Untyped: TypeAlias = Any
"""TextWorld and its planner ship no types."""


class Oracle:
    """Plays one game after another in the real engine, as ALFWorld's own wrappers set it up."""

    def __init__(self) -> None:
        import textworld
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler, AlfredInfos
        from textworld.envs import PddlEnv

        infos = textworld.EnvInfos(won=True, admissible_commands=True)
        self._env: Untyped = AlfredInfos(AlfredDemangler(PddlEnv(infos)))

    def load(self, game: Path) -> None:
        """Read a game file; its grammar's expressions are evaluated, so it must be trusted."""
        self._env.load(str(game))

    def reset(self) -> Seen:
        """Start the loaded game from its beginning."""
        return _seen(self._env.reset())

    def step(self, action: str) -> Seen:
        """Do an action."""
        state, _, _ = self._env.step(action)
        return _seen(state)


def _seen(state: Untyped) -> Seen:
    return Seen(state.feedback, tuple(state["admissible_commands"]), bool(state["won"]))


def memoise() -> None:
    """Make this process's TextWorld some ten times faster per step, with the same output."""
    _memoise_parsing()
    _memoise_grounding()


def _memoise_parsing() -> None:
    from textworld.envs.pddl import textgen
    from textworld.logic import Rule

    parse = lru_cache(maxsize=None)(textgen._parse_and_convert)
    query = lru_cache(maxsize=None)(Rule.parse_conjunctive_query)

    def parse_afresh(text: str, rule_name: str, **_: object) -> list[Untyped]:
        return duplicate(parse(text, rule_name=rule_name))

    def duplicate(symbols: Iterable[Untyped]) -> list[Untyped]:
        # A derivation writes only a symbol's context (a list's, also into its inner
        # symbol), so one level per kind of symbol is enough.
        return [duplicate_symbol(symbol) for symbol in symbols]

    def duplicate_symbol(symbol: Untyped) -> Untyped:
        fresh = copy.copy(symbol)
        if isinstance(fresh, textgen.ListSymbol):
            fresh.symbol = duplicate_symbol(fresh.symbol)
        elif isinstance(fresh, textgen.ConditionalSymbol):
            fresh.expression = duplicate_symbol(fresh.expression)
        return fresh

    def copy_context(context: dict[str, Untyped]) -> dict[str, Untyped]:
        # Entities are named at load and only read afterwards.
        own = {"variables": dict(context["variables"]), "mapping": dict(context["mapping"])}
        return {**context, **own}

    def copy_symbol(symbol: Untyped, context: dict[str, Untyped]) -> Untyped:
        fresh = duplicate_symbol(symbol)
        fresh.context = copy_context(context)
        return fresh

    textgen._parse_and_convert = parse_afresh
    textgen.deepcopy = duplicate  # only a rule's symbols are still copied by this name
    textgen.copy_context = copy_context
    textgen.Symbol.copy = copy_symbol
    Rule.parse_conjunctive_query = staticmethod(query)


def _memoise_grounding() -> None:
    import fast_downward

    # One game at a time is played, so the last grounding is the one asked for again.
    ground = lru_cache(maxsize=1)(fast_downward.pddl2sas)

    def pddl2sas(
        domain: str, problem: str, verbose: bool = False, optimize: bool = False
    ) -> tuple[Untyped, str]:
        # The optimised form is for `replan`, which no comparison asks for.
        return (None, "") if optimize else ground(domain, problem)

    load_lib = fast_downward.load_lib

    def load_lib_without_planner() -> Untyped:
        library = load_lib()
        library.load_sas_replan = lambda _: None
        return library

    fast_downward.pddl2sas = pddl2sas
    fast_downward.load_lib = load_lib_without_planner
