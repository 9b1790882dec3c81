"""The report of a run: one self-contained HTML page, made from plain data."""

from skillrl_app.report.data import (
    STAGES,
    Arm,
    BankSkill,
    CostRow,
    CurvePoint,
    Decision,
    EvalResult,
    EvolutionRound,
    Fact,
    GameResult,
    GrowthPoint,
    ReportData,
    Tally,
    cost_rows,
)
from skillrl_app.report.intervals import Interval, paired_interval, wilson
from skillrl_app.report.page import render_report

__all__ = [
    "STAGES",
    "Arm",
    "BankSkill",
    "CostRow",
    "CurvePoint",
    "Decision",
    "EvalResult",
    "EvolutionRound",
    "Fact",
    "GameResult",
    "GrowthPoint",
    "Interval",
    "ReportData",
    "Tally",
    "cost_rows",
    "paired_interval",
    "render_report",
    "wilson",
]
