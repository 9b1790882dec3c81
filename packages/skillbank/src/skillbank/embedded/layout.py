"""The files of an embedded bank, and the checks before any of them is trusted.

A bank's directory holds a marker, `skillbank.json`, that says where its database is: in
the same directory, or, when root made it, in a directory that the account running the
server can enter.
"""

import json
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from skillbank.errors import BankInUse, ServerError

MARKER = "skillbank.json"
_FORMAT = 1
_MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of one database are."""

    base: Path

    @property
    def data(self) -> Path:
        """The directory Postgres itself manages."""
        return self.base / "data"

    @property
    def sockets(self) -> Path:
        """The directory of the server's socket; only its owner may enter."""
        return self.base / "run"

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        return self.sockets / ".s.PGSQL.5432"

    @property
    def secrets(self) -> Path:
        """Role -> password, readable by the bank's owner only."""
        return self.base / "secrets.json"

    @property
    def access_rules(self) -> Path:
        """What Postgres calls pg_hba.conf."""
        return self.base / "access.conf"

    @property
    def log(self) -> Path:
        """What the server and its supervisor say."""
        return self.base / "server.log"

    @property
    def pointer(self) -> Path:
        """Path of the directory that points here, when last opened; none if it is `base`."""
        return self.base / "pointer"

    @property
    def unclaimed(self) -> Path:
        """The same while the bank is made: no directory points here yet."""
        return self.base / "pointer.new"

    @property
    def clients(self) -> Path:
        """Locked, shared, by every process that has the bank open."""
        return self.base / "clients.lock"

    @property
    def server(self) -> Path:
        """Locked by the server's processes as long as one of them lives."""
        return self.base / "server.lock"

    @property
    def supervisor(self) -> Path:
        """Locked by the one supervisor."""
        return self.base / "supervisor.lock"

    def read_major(self) -> int:
        """Return the release of the Postgres that made the data.

        Raises:
            ServerError: the data are not there, or no Postgres made them.
        """
        try:
            return int((self.data / "PG_VERSION").read_text(encoding="ascii"))
        except (OSError, ValueError) as err:
            raise ServerError(f"the bank's database is damaged or gone: {err}") from err


def write_marker(directory: Path, cluster: str, major: int) -> None:
    """Write the marker of a bank whose database is in `cluster` ("." for here)."""
    record = {"format": _FORMAT, "postgres": major, "cluster": cluster}
    (directory / MARKER).write_text(json.dumps(record) + "\n", encoding="utf-8")


def find_layout(directory: Path) -> Layout | None:
    """Return the layout of an existing bank, or None where a new one may be made.

    Raises:
        ServerError: something else is there, or a bank that this release cannot open.
        BankInUse: the bank belongs to another user.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return None
    except OSError as err:
        raise ServerError(f"{directory} is not a directory that can be read: {err}") from err
    if not names:
        return None
    if MARKER not in names:
        raise ServerError(
            f"{directory} is neither empty nor a bank: it has {min(names)!r} and no "
            f"{MARKER}; name a new directory"
        )
    marker = _read_marker(directory)
    layout = Layout((directory / marker.cluster).resolve())
    _check_ours(directory / MARKER, (directory / MARKER).stat())
    _check_owner(layout)
    _check_release(layout, marker.major)
    _check_socket_path(layout)
    return layout


def check_new(layout: Layout) -> None:
    """Raise ServerError if a server could not be reached at this place."""
    _check_socket_path(layout)


@dataclass(frozen=True, slots=True)
class _Marker:
    major: int
    cluster: str


def _read_marker(directory: Path) -> _Marker:
    path = directory / MARKER
    try:
        marker = json.loads(path.read_text(encoding="utf-8"))
        found = marker["format"]
        read = _Marker(int(marker["postgres"]), str(marker["cluster"]))
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ServerError(f"{path} cannot be read as a bank's marker: {err!r}") from err
    if found != _FORMAT:
        raise ServerError(
            f"{path} is of a bank of format {found}; this release opens format {_FORMAT}"
        )
    return read


def _check_owner(layout: Layout) -> None:
    try:
        base, sockets = os.lstat(layout.base), os.lstat(layout.sockets)
        secrets = os.lstat(layout.secrets)
    except PermissionError as err:
        raise BankInUse(f"the bank's database belongs to another user: {err}") from err
    except OSError as err:
        raise ServerError(f"the bank's database is damaged or gone: {err}") from err
    _check_ours(layout.base, base)
    _check_ours(layout.secrets, secrets)
    if os.geteuid() != 0:  # root's sockets belong to the account that its connections require
        _check_ours(layout.sockets, sockets)
    if base.st_mode & 0o022 or not stat.S_ISDIR(base.st_mode):
        raise ServerError(f"{layout.base} must be a directory that only its owner can write to")
    if secrets.st_mode & 0o077:
        raise ServerError(f"{layout.secrets} must be readable by its owner only (chmod 600)")
    if not stat.S_ISDIR(sockets.st_mode) or sockets.st_mode & 0o077:
        raise ServerError(f"{layout.sockets} must be a directory of mode 0700")


def _check_release(layout: Layout, major: int) -> None:
    version = layout.read_major()
    if version != major:
        raise ServerError(
            f"{layout.data} was made by Postgres {version}, the bank's marker says {major}"
        )


def _check_ours(path: Path, info: os.stat_result) -> None:
    if info.st_uid != os.geteuid():
        raise BankInUse(
            f"{path} belongs to user {info.st_uid}, this process runs as {os.geteuid()}"
        )


def _check_socket_path(layout: Layout) -> None:
    length = len(os.fsencode(layout.socket))
    if length > _MAX_SOCKET_PATH:
        raise ServerError(
            f"the socket's path {layout.socket} has {length} bytes, the system allows "
            f"{_MAX_SOCKET_PATH}; choose a directory with a shorter path"
        )
