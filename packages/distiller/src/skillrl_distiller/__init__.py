"""Turns trajectories into skills with any teacher model."""

from skillrl_distiller.distil import Distilled, DistilSettings, distil
from skillrl_distiller.errors import (
    DistillerError,
    PromptError,
    RecordingError,
    ReplayMissing,
    TeacherError,
    TeacherRefused,
    TeacherReplyError,
    TeacherUnavailable,
)
from skillrl_distiller.evolve import Evolved, EvolveSettings, evolve
from skillrl_distiller.exchange import Problem
from skillrl_distiller.litellm_teacher import LitellmTeacher
from skillrl_distiller.offline import OfflineTeacher
from skillrl_distiller.recording import RecordedCall, RecordingTeacher
from skillrl_distiller.scripted import ScriptedTeacher
from skillrl_distiller.teacher import Teacher, TeacherReply, TeacherRequest, request_hash

__all__ = [
    "DistilSettings",
    "Distilled",
    "DistillerError",
    "EvolveSettings",
    "Evolved",
    "LitellmTeacher",
    "OfflineTeacher",
    "Problem",
    "PromptError",
    "RecordedCall",
    "RecordingError",
    "RecordingTeacher",
    "ReplayMissing",
    "ScriptedTeacher",
    "Teacher",
    "TeacherError",
    "TeacherRefused",
    "TeacherReply",
    "TeacherReplyError",
    "TeacherRequest",
    "TeacherUnavailable",
    "distil",
    "evolve",
    "request_hash",
]
