"""The one place where vectors become the database's half-precision type and come back."""

from typing import TYPE_CHECKING, Any

from pgvector import HalfVector
from psycopg import Connection
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

from skillbank.errors import ServerError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Half:
    """A vector on its way into the database."""

    __slots__ = ("value",)

    def __init__(self, value: "NDArray[np.float32]") -> None:
        """Wrap a vector, shape (dimensions,)."""
        self.value = value


class _Dumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Half) -> Buffer:
        return bytes(HalfVector(obj.value).to_binary())


class _Loader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> "NDArray[np.float32]":
        import numpy as np  # as much to import as all the rest: not before a vector comes

        return np.asarray(HalfVector.from_binary(bytes(data)).to_numpy(), dtype=np.float32)


def find_type(connection: Connection[Any]) -> TypeInfo:
    """Return what the database knows of its vector type.

    Raises:
        ServerError: it has none, because pgvector is missing from the search path.
    """
    info = TypeInfo.fetch(connection, "halfvec")
    if info is None:
        raise ServerError(
            "the type halfvec is not on this role's search path; install pgvector 0.8 or newer in "
            "the schema public, or add its schema to the role's search_path"
        )
    return info


def register(connection: Connection[Any], info: TypeInfo) -> None:
    """Let this connection send `Half` and receive arrays, shape (dimensions,)."""
    info.register(connection)
    dumper = type("HalfDumper", (_Dumper,), {"oid": info.oid})
    connection.adapters.register_dumper(Half, dumper)
    connection.adapters.register_loader(info.oid, _Loader)
