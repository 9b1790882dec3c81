"""Errors of skillrl_distiller.

DistillerError
├── PromptError              (LookupError)   a prompt that this release does not ship
├── RecordingError           (ValueError)    a recording that was damaged or edited
└── TeacherError             (RuntimeError)  one call to a teacher brought nothing usable
    ├── TeacherUnavailable   (ConnectionError) trying again later may help
    ├── TeacherRefused       (PermissionError) trying again will not help
    ├── TeacherReplyError    (ValueError)    an answer came, but not in the agreed form
    └── ReplayMissing        (LookupError)   the recording does not hold this call
"""


class DistillerError(Exception):
    """Base of every error raised on purpose by skillrl_distiller."""


class PromptError(DistillerError, LookupError):
    """No prompt of that operator and version is shipped."""


class RecordingError(DistillerError, ValueError):
    """A recorded call does not match its own hash."""


class TeacherError(DistillerError, RuntimeError):
    """A call to a teacher brought nothing usable; other calls may still succeed."""


class TeacherUnavailable(TeacherError, ConnectionError):
    """The teacher could not be reached, or stayed overloaded through every retry."""


class TeacherRefused(TeacherError, PermissionError):
    """The teacher rejected the request, so that repeating it would fail again."""


class TeacherReplyError(TeacherError, ValueError):
    """The teacher's reply breaks the agreed form; the message says where."""


class ReplayMissing(TeacherError, LookupError):
    """A replay asked for a call that was never recorded."""
