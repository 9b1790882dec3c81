"""Text hidden in an encoding: what can be decoded is decoded and read."""

import base64
import binascii
import html
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from urllib.parse import unquote

from skillbank.screening.folding import fold, visible
from skillbank.screening.rules import common_words
from skillbank.screening.sign import Sign, Signs
from skillbank.screening.text import Text
from skillbank.screening.wording import told
from skillbank.screening.words import Words, words_of

WHY = "hides text in an encoding or a cipher"
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,6}")
_BASE32 = re.compile(r"[A-Z2-7]{16,}={0,6}")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{12,}")
_LISTS = (
    (re.compile(r"(?:\b[0-9a-fA-F]{2}\b[\s,:]{0,2}){6,}+"), 16),
    (re.compile(r"(?:\b[01]{7,8}\b[\s,]{0,2}){3,}+"), 2),
    (re.compile(r"(?:\b[0-9]{2,3}\b[\s,]{0,2}){6,}+"), 10),
)
_ESCAPES = re.compile(
    r"(?:\\x[0-9a-fA-F]{2}){2,}+|(?:\\u\{?[0-9a-fA-F]{4,6}\}?){2,}+|(?:\\[0-7]{3}){3,}+"
    r"|(?:%[0-9a-fA-F]{2}){4,}+|(?:&#x?[0-9a-fA-F]{2,6};){2,}+"
    r"|(?:\b[uU]\+[0-9a-fA-F]{4}[\s,]?){3,}+"
)
_CODE = re.compile(r"[0-9a-fA-F]+")
_MORSE = re.compile(r"(?:(?<!\S)[.-]{1,5}\s(?:/\s)?){5,}+")
_LEET = str.maketrans("013457@$!", "oieastasi")
_LEET_AS_L = str.maketrans("013457@$!", "oleastasi")
_LEET_WORD = re.compile(r"([\w@$!]+)")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_SHIFTS = [str.maketrans(_ALPHABET, _ALPHABET[by:] + _ALPHABET[:by]) for by in range(1, 26)]
_ROT13, _ATBASH = _SHIFTS[12], str.maketrans(_ALPHABET, _ALPHABET[::-1])
_RUN_TOGETHER = re.compile(
    "(?:ignore|disregard|forget|override|bypass)(?:all|any|every|the|your|these|those|of|my){0,4}"
    "(?:previous|prior|above|earlier|preceding|system|initial|original)"
    "(?:instruct|prompt|rule|message|direct|guideline|command)"
)
_RUN, _RUN_LETTERS = 4, 11
"""So many words, with so many letters, that only a transformation makes English are a text."""


def encoded(text: Text) -> Signs:
    """Yield at most one sign."""
    found = _payload(text.visible) or _transformed(text.words)
    if found is None:
        orders = (sign for reading in _readings(text) for sign in told(reading))
        found = next((sign.excerpt for sign in orders), None) or _run_together(text)
    if found is not None:
        yield Sign("encoded", WHY, found)


def _payload(visible: str) -> str | None:
    """Return a stretch that decodes to readable text, or None."""
    for stretch, data in _decodings(visible):
        if _reads_as_text(data):
            return stretch
    found = _ESCAPES.search(visible) or _MORSE.search(visible)
    return found.group() if found else None


def _decodings(visible: str) -> Iterator[tuple[str, bytes]]:
    """Yield (stretch, the bytes that it may stand for)."""
    for match in _BASE64.finditer(visible):
        yield match.group(), _from_base64(match.group())
    for match in _BASE32.finditer(visible):
        yield match.group(), _from_base32(match.group())
    for match in _HEX.finditer(visible):
        digits = match.group().removeprefix("0x")
        yield match.group(), bytes.fromhex(digits[: len(digits) // 2 * 2])
    for expression, base in _LISTS:
        for match in expression.finditer(visible):
            codes = [int(code, base) for code in _CODE.findall(match.group())]
            # Sizes such as 65, 70, 75, 80 are letters too, but no words.
            if max(codes) < 128 and (base != 10 or _has_words(bytes(codes).decode())):
                yield match.group(), bytes(codes)


def _has_words(text: str) -> bool:
    return not common_words().isdisjoint(text.casefold().split())


def _transformed(words: Words) -> str | None:
    """Return words in a row that are English only when shifted or reversed, or None."""
    for stretch in _uncommon_stretches(words.tokens):
        for table in (None, _ATBASH, *_SHIFTS):
            run = [word for word in stretch if _undone(word, table) in common_words()]
            if len(run) >= _RUN and sum(map(len, run)) >= _RUN_LETTERS:
                return " ".join(run)
    return None


def _undone(word: str, table: dict[int, int] | None) -> str:
    return word[::-1] if table is None else word.translate(table)


def _uncommon_stretches(tokens: Sequence[str]) -> Iterator[list[str]]:
    """Yield the runs of at least _RUN words between two common ones, single letters left out."""
    for common, run in groupby(tokens, key=common_words().__contains__):
        if not common and len(stretch := [word for word in run if len(word) > 1]) >= _RUN:
            yield stretch


def _run_together(text: Text) -> str | None:
    """Return an order to drop the instructions that is written without gaps, or None."""
    found = _RUN_TOGETHER.search("".join(char for char in text.plain if char.isalpha()))
    in_words = any(True for _ in told(text.words, only=frozenset({"instruction-override"})))
    return found.group() if found and not in_words else None


def _readings(text: Text) -> Iterator[Words]:
    """Yield what a text says with its entities, percent signs, letters or order undone."""
    resolved = html.unescape(text.visible) if "&" in text.visible else text.visible
    resolved = unquote(resolved, errors="replace") if "%" in resolved else resolved
    if resolved != text.visible:
        yield words_of(fold(visible(resolved)))
    yield from _leet(text.plain)
    yield words_of(text.plain[::-1])
    yield words_of(text.plain.translate(_ROT13))


def _leet(plain: str) -> Iterator[Words]:
    """Yield the readings of a folded text that has digits and signs for letters."""
    pieces = _LEET_WORD.split(plain)  # every second one is a word
    for table in (_LEET, _LEET_AS_L):
        read = "".join(_unleet(piece, table) for piece in pieces)
        if read != plain:
            yield words_of(read)


def _unleet(word: str, table: dict[int, int]) -> str:
    disguised = any(char.isalpha() for char in word) and not word.isalpha()
    return word.translate(table) if disguised else word


def _from_base64(token: str) -> bytes:
    body = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4))
    except binascii.Error:
        return b""


def _from_base32(token: str) -> bytes:
    body = token.rstrip("=")
    try:
        return base64.b32decode(body + "=" * (-len(body) % 8))
    except binascii.Error:
        return b""


def _reads_as_text(data: bytes) -> bool:
    """Tell whether bytes are printable ASCII and mostly letters."""
    letters = sum(chr(byte).isalpha() for byte in data)
    return (
        len(data) >= 4
        and data.isascii()
        and all(map(_prints, data))
        and letters * 3 >= len(data) * 2
    )


def _prints(byte: int) -> bool:
    return (byte >= 32 and byte != 127) or byte in b"\t\n\r"
