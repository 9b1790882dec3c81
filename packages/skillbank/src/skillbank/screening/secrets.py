"""Credentials: their known shapes, their labels, and tokens too random to be words."""

import re
from functools import cache
from itertools import pairwise

from skillbank.screening.sign import Sign, Signs
from skillbank.screening.text import Text

WHY = "carries a credential, or a random token that could be one"
SHAPES = (
    r"\bsk-[\w-]{16,80}",
    r"\b(?:sk|pk|rk)_(?:live|test)_\w{8,80}",
    r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,80}",
    r"\bgh[pousr]_\w{20,80}|\bgithub_pat_\w{20,80}",
    r"\bglpat-[\w-]{16,80}",
    r"\bxox[abeoprs]-[\w-]{10,80}",
    r"\bAIza[\w-]{30,80}",
    r"\bya29\.[\w-]{10,80}",
    r"\bhf_[A-Za-z0-9]{20,80}|\bnpm_\w{20,80}|\bpypi-\w{16,80}|\bdop_v1_\w{20,80}",
    r"\bshp(?:at|ss|ca)_\w{16,80}",
    r"\bSG\.[\w-]{16,80}\.[\w-]{16,80}",
    r"\b(?:SK|AC)[0-9a-f]{32}\b",
    r"\beyJ[\w-]{8,80}\.[\w-]{4,80}",
    r"-{3,80}\s?BEGIN [A-Z ]{0,30}(?:KEY|CERTIFICATE|MESSAGE)",
    r"\bssh-(?:rsa|ed25519|dss)\s{1,2}\S{8,80}|\bAAAA[BC]3Nza",
    r"(?i:\b(?:bearer|basic|token)\s{1,2}(?=[\w.~+/=-]{0,80}\d)[\w.~+/-]{12,80}={0,2})",
    r"(?i:\baccount_?key\s?=)",
    r"\b\w{2,20}(?:\+\w{2,10})?://[^\s:@/]{1,60}:[^\s@/]{1,60}@",
)
_LABEL = (
    r"(?i:\b(?:[a-z]{1,20}[_ -]){0,3}(?:api[_ -]?key|secret|token|passw(?:or)?d|pwd|passphrase|pass"
    r"|pin|access[_ -]?(?:key|code)|key|credentials?|auth|session_?id|cvv|otp|unlock code)"
    r"(?:\s(?:code|value))?(?:\s(?:for|of|to)\s[\w ]{1,30}?)?[\"']?\s?(?:=|:|\bis\b)\s?[\"']?)"
)
LABELLED = rf"{_LABEL}(?=\S{{0,40}}\d)(?=\S{{0,40}}[A-Za-z_])(?P<value>[^\s\"']{{6,80}})"
NUMBERED = (
    r"(?i:\b(?:pin|cvv|cvc|otp|passcode|security code|access code)"
    r"(?:\s?(?:is|code|[:=]))?\s{0,2}\d{3,8}\b)"
)
QUOTED = (
    r"(?i:\b(?:passw(?:or)?d|passphrase|secret|passcode)\s(?:is|=|:)\s?[\"'][^\"']{4,60}[\"'])"
    r"|(?i:\b(?:passw(?:or)?d|passwd|pwd)\s?[=:]\s?\S{5,80})"
)
_SEED = r"(?i:\b(?:seed|recovery|mnemonic)\s(?:phrase|words)\b)"
_CARD = re.compile(r"(?<![0-9.])[0-9](?:[ -]?[0-9]){12,18}(?![0-9.])")
_TOKEN = re.compile(r"[A-Za-z0-9+/_=-]{16,80}")
_PARTS = re.compile(r"[_+/=-]")
_WORDLIKE = re.compile(r"[A-Z]?[a-z]*|[A-Z]+|\d{1,4}|(?:[A-Z][a-z]{2,12}){2,4}")
_CLASSES = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"[0-9]"))


@cache
def compiled() -> tuple[re.Pattern[str], ...]:
    """Return the expressions, each of which alone is enough."""
    return tuple(re.compile(one) for one in (*SHAPES, LABELLED, NUMBERED, QUOTED, _SEED))


def credentials(text: Text, *, tokens: bool = True) -> Signs:
    """Yield at most one sign, whose excerpt shows no more than how the credential begins.

    Args:
        text: What to look at.
        tokens: Whether random-looking tokens count. Provenance is full of them.
    """
    if (found := _credential(text.visible, tokens)) is not None:
        yield Sign("secret", WHY, found[:6] + " ...")


def _credential(visible: str, tokens: bool) -> str | None:
    for expression in compiled():
        if found := expression.search(visible):
            return found.group()
    for match in _CARD.finditer(visible):
        if _passes_luhn([int(char) for char in match.group() if char.isdecimal()]):
            return match.group()
    if tokens:
        for match in _TOKEN.finditer(visible):
            if looks_random(match.group()):
                return match.group()
    return None


def looks_random(token: str) -> bool:
    """Tell whether a token of at least 16 characters is hardly made of words."""
    if re.fullmatch(r"[0-9a-fA-F]{24,}", token):
        return True
    token = "".join(part for part in _PARTS.split(token) if not _WORDLIKE.fullmatch(part))
    if len(token) < 16:
        return False
    changes = sum(_class(a) != _class(b) for a, b in pairwise(token))
    classes = sum(bool(one.search(token)) for one in _CLASSES)
    if len(token) >= 16 and classes == 3 and changes * 3 >= len(token):
        return True
    # Lower-case letters and digits by turns: an id of a session rather than "size10".
    digits = sum(char.isdigit() for char in token)
    return classes >= 2 and digits >= 5 and changes * 2 >= len(token)


def _class(char: str) -> int:
    return 0 if char.islower() else 1 if char.isupper() else 2 if char.isdigit() else 3


def _passes_luhn(digits: list[int]) -> bool:
    if len(set(digits)) == 1:
        return False
    doubled = [
        d if i % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(digits[::-1])
    ]
    return sum(doubled) % 10 == 0
