"""A real sentence-transformers model, tiny and untrained, and a real embeddings server."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

QUERY_PROMPT = "find a skill for: "
TEST_PROMPT = "as a test: "


def save_tiny_model(folder: Path, *, seed: int) -> None:
    """Save a BERT of two layers with 32 dimensions that reads 64 tokens."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz:"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(
        models.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    torch.manual_seed(seed)
    bert = BertModel(
        BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
    )
    bert.save_pretrained(folder / "bert")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    ).save_pretrained(folder / "bert")
    modules = [Transformer(str(folder / "bert"), max_seq_length=64), Pooling(32), Normalize()]
    prompts = {"query": QUERY_PROMPT, "test": TEST_PROMPT}
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder / "model"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with 32 dimensions and two prompts."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    save_tiny_model(folder, seed=5)
    return folder / "model"


class EmbeddingsServer:
    """Speaks OpenAI's embeddings dialect on 127.0.0.1; a text's digest makes its vector."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.replies: list[tuple[int, str]] = []
        """What to answer instead, each once: status and body."""
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                ours.bodies.append(body)
                ours.keys.append(self.headers["Authorization"])
                status, text = ours.replies.pop(0) if ours.replies else (200, ours.answer(body))
                payload = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    def answer(self, body: dict[str, Any]) -> str:
        """Return the vectors in reverse, as the dialect allows; none has length 1."""
        size = body.get("dimensions", self.dimensions)
        data = [
            {"object": "embedding", "index": index, "embedding": raw_vector(text, size)}
            for index, text in enumerate(body["input"])
        ]
        return reply(data[::-1])

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def raw_vector(text: str, size: int) -> list[float]:
    """Return numbers in -128..127, the first never 0."""
    digest = hashlib.shake_256(text.encode()).digest(size)
    return [float(digest[0] or 1), *(byte - 128.0 for byte in digest[1:])]


def reply(data: list[dict[str, Any]]) -> str:
    """Return the body of a good answer with this data."""
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": data, "model": "local", "usage": usage})


@pytest.fixture
def embeddings_server() -> Iterator[EmbeddingsServer]:
    """A server whose vectors have 16 numbers, or as many as are asked for."""
    server = EmbeddingsServer(dimensions=16)
    yield server
    server.close()
