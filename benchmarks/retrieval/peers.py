# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "chromadb==1.5.9",
#   "langchain-postgres==0.0.19",
#   "mem0ai==2.2.1",
#   "numpy>=2",
#   "psycopg[binary,pool]>=3.2",
# ]
# ///
"""One other store with the workload of `run.py`, which starts this script for each.

    uv run --script benchmarks/retrieval/peers.py NAME ROWS DIMENSIONS URL POSTMASTER DIRECTORY

URL "-" takes it from the environment, where it is not listed with the processes.

Prints one line of JSON: what filling it cost, and each kind of query. Every store gets the
same vectors, texts and categories, in its own recommended way, with its HNSW index where it
has one, and filters with its own filter.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # two would wait for each other on two shared cores
os.environ["ANONYMIZED_TELEMETRY"] = "False"
os.environ["MEM0_TELEMETRY"] = "False"

import argparse
import json
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from measure import Answer, children_cpu, timed
from workload import QUERIES, SHARES, K, Workload, make_workload, recall

_CHUNK = 2_000


class Peer(Protocol):
    """A store under comparison."""

    def fill(self, workload: Workload) -> None:
        """Store every row, ready to be searched."""
        ...

    def search(self, query: Sequence[float], category: str | None) -> Answer:
        """Return the K nearest rows, of a category if one is given."""
        ...


class Numpy:
    """Exact search over an array in this process; keeps nothing."""

    def __init__(self, url: str, directory: Path) -> None:
        pass

    def fill(self, workload: Workload) -> None:
        self._vectors = workload.vectors
        names = np.array(workload.categories)
        self._rows = {name: np.flatnonzero(names == name) for name in SHARES}
        self._parts = {name: self._vectors[rows] for name, rows in self._rows.items()}

    def search(self, query: Sequence[float], category: str | None) -> Answer:
        vectors = self._vectors if category is None else self._parts[category]
        scores = vectors @ np.asarray(query, dtype=np.float32)
        count = min(K, len(scores))
        best = np.argpartition(-scores, count - 1)[:count]
        best = best[np.argsort(-scores[best])]
        return [int(i) for i in (best if category is None else self._rows[category][best])]


class Chroma:
    """chromadb, in a directory."""

    def __init__(self, url: str, directory: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        self._client = chromadb.PersistentClient(
            path=str(directory), settings=Settings(anonymized_telemetry=False)
        )

    def fill(self, workload: Workload) -> None:
        self._collection = self._client.create_collection(
            "skills", metadata={"hnsw:space": "cosine"}, embedding_function=None
        )
        for start in range(0, len(workload.vectors), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(workload.vectors)))
            self._collection.add(
                ids=[str(row) for row in rows],
                embeddings=workload.vectors[rows.start : rows.stop],
                documents=["\n".join(workload.texts(row)) for row in rows],
                metadatas=[{"category": workload.categories[row]} for row in rows],
            )

    def search(self, query: Sequence[float], category: str | None) -> Answer:
        found = self._collection.query(
            query_embeddings=[query],
            n_results=K,
            where=None if category is None else {"category": category},
        )
        return [int(i) for i in found["ids"][0]]


class Mem0:
    """mem0's pgvector store, which its Memory puts and finds memories by."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url

    def fill(self, workload: Workload) -> None:
        from mem0.vector_stores.pgvector import PGVector

        self._store = PGVector(
            dbname="",
            collection_name=f"mem0_{len(workload.vectors)}_{workload.vectors.shape[1]}",
            embedding_model_dims=workload.vectors.shape[1],
            user="",
            password="",
            host="",
            port=0,
            diskann=False,
            hnsw=True,
            connection_string=self._url,
        )
        for start in range(0, len(workload.vectors), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(workload.vectors)))
            self._store.insert(
                vectors=[workload.vectors[row].tolist() for row in rows],
                payloads=[
                    {
                        "data": "\n".join(workload.texts(row)),
                        "user_id": "everybody",
                        "category": workload.categories[row],
                        "row": row,
                    }
                    for row in rows
                ],
                ids=[str(uuid.UUID(int=row)) for row in rows],
            )

    def search(self, query: Sequence[float], category: str | None) -> Answer:
        filters = None if category is None else {"category": category}
        found = self._store.search("", list(query), top_k=K, filters=filters)
        return [int(item.payload["row"]) for item in found if item.payload]


class Langchain:
    """langchain-postgres' PGVectorStore with the category in a column of its own."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url.replace("postgresql://", "postgresql+psycopg://")

    def fill(self, workload: Workload) -> None:
        from langchain_core.embeddings import Embeddings
        from langchain_postgres import Column, PGEngine, PGVectorStore
        from langchain_postgres.v2.indexes import HNSWIndex

        class Never(Embeddings):  # type: ignore[misc]  # ships types only in its own environment
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                raise AssertionError("vectors are given")

            def embed_query(self, text: str) -> list[float]:
                raise AssertionError("vectors are given")

        engine = PGEngine.from_connection_string(url=self._url)
        table = f"langchain_{len(workload.vectors)}_{workload.vectors.shape[1]}"
        columns = [Column("category", "TEXT"), Column("row", "INTEGER")]
        engine.init_vectorstore_table(table, workload.vectors.shape[1], metadata_columns=columns)
        self._store = PGVectorStore.create_sync(
            engine, Never(), table, metadata_columns=["category", "row"]
        )
        for start in range(0, len(workload.vectors), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(workload.vectors)))
            self._store.add_embeddings(
                texts=["\n".join(workload.texts(row)) for row in rows],
                embeddings=[workload.vectors[row].tolist() for row in rows],
                metadatas=[{"category": workload.categories[row], "row": row} for row in rows],
            )
        self._store.apply_vector_index(HNSWIndex())

    def search(self, query: Sequence[float], category: str | None) -> Answer:
        found = self._store.similarity_search_by_vector(
            list(query), k=K, filter=None if category is None else {"category": category}
        )
        return [int(document.metadata["row"]) for document in found]


PEERS: dict[str, Callable[[str, Path], Peer]] = {
    "numpy": Numpy,
    "chromadb": Chroma,
    "mem0": Mem0,
    "langchain-postgres": Langchain,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("rows", type=int)
    parser.add_argument("dimensions", type=int)
    parser.add_argument("url")
    parser.add_argument("postmaster", type=int)
    parser.add_argument("directory", type=Path)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    workload = make_workload(asked.rows, asked.dimensions)
    url = os.environ["POSTGRES_URL"] if asked.url == "-" else asked.url
    peer = PEERS[asked.name](url, asked.directory)

    def server() -> float:
        return children_cpu(asked.postmaster)

    start, client, of_server = time.perf_counter(), time.process_time(), server()
    peer.fill(workload)
    result: dict[str, Any] = {
        "fill": {
            "wall": time.perf_counter() - start,
            "client": time.process_time() - client,
            "server": server() - of_server,
        }
    }
    queries = workload.queries.tolist()
    for category in (None, *SHARES):

        def ask(number: int, category: str | None = category) -> Answer:
            return peer.search(queries[number], category)

        cell, answers = timed(ask, QUERIES, server)
        found = recall(answers, workload.truth(category))
        result[category or "all"] = asdict(cell) | {"recall": found}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
