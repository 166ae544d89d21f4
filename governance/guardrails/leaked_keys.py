"""Keys, tokens and passwords that stand in a document. Pure; only whose they look like, and how many, leaves.

Formats that their makers gave a prefix are told by it; a text without the prefix is not searched for the format, which
makes most texts cheap. What somebody wrote behind `password =` counts where it looks made and not like a placeholder.
Sources: the makers' own pages on the form of their keys, as of 2026-11-20; each pattern names its maker.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import log2
from typing import NamedTuple

from governance.guardrails.pieces import AROUND, Counts, Found, Pause, counted, lowered, no_pause, scanned
from governance.guardrails.words import Words

LEAST_BITS = 2.9
"""Of entropy a character, from which on a value behind a word looks made: `hunter2hunter2` has 2.8, a UUID 3.4."""


SHORTEST_KEY = 12
"""Characters of the shortest key with a maker's form; words are looked at from this length on."""


class Format(NamedTuple):
    maker: str
    prefixes: tuple[str, ...]
    """One of these is in every one of them, letter by letter."""
    pattern: re.Pattern[str]
    before: int = 0
    """So many characters of it may stand before the prefix."""


def _format(maker: str, pattern: str, *prefixes: str, before: int = 0) -> Format:
    whole = re.compile(rf"(?<![A-Za-z0-9_])(?:{pattern})(?![A-Za-z0-9])")
    return Format(maker, prefixes, whole, before)


FORMATS = (
    _format("aws", r"A[KSBC](?:IA|CA)[A-Z2-7]{16}", "AKIA", "ASIA", "ABIA", "ACCA"),
    _format("github", r"gh[pousr]_[A-Za-z0-9]{36,255}", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    _format("github", r"github_pat_[A-Za-z0-9_]{50,255}", "github_pat_"),
    _format("gitlab", r"gl[a-z]{2,4}-[A-Za-z0-9_-]{20,64}", "glpat-", "gldt-", "glrt-", "glptt-", "glft-"),
    _format("slack", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}", "xox"),
    _format("slack", r"xapp-\d-[A-Za-z0-9-]{10,250}", "xapp-"),
    _format("slack", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{40,80}", "hooks.slack.com/"),
    _format("stripe", r"[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16,250}", "sk_", "rk_"),
    _format("stripe", r"whsec_[A-Za-z0-9+/]{24,64}", "whsec_"),
    _format("openai", r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,250}", "sk-"),
    _format("openai", r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}", "sk-"),
    _format("anthropic", r"sk-ant-[a-z0-9]{2,12}-[A-Za-z0-9_-]{20,200}", "sk-ant-"),
    _format("openrouter", r"sk-or-v1-[0-9a-f]{64}", "sk-or-v1-"),
    _format("google", r"AIza[A-Za-z0-9_-]{35}", "AIza"),
    _format("google", r"ya29\.[A-Za-z0-9_-]{30,400}", "ya29."),
    _format("google", r"GOCSPX-[A-Za-z0-9_-]{28}", "GOCSPX-"),
    _format("azure", r"AccountKey=[A-Za-z0-9+/]{86}==", "AccountKey="),
    _format("azure", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}", "Q~", before=4),
    _format("huggingface", r"(?:hf|api_org)_[A-Za-z]{34}", "hf_", "api_org_"),
    _format("npm", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _format("pypi", r"pypi-AgEI[A-Za-z0-9_-]{50,250}", "pypi-AgEI"),
    _format("sendgrid", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}", "SG."),
    _format("twilio", r"(?:SK|AC)[0-9a-f]{32}", "SK", "AC"),
    _format("shopify", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", "shpat_", "shpca_", "shppa_", "shpss_"),
    _format("digitalocean", r"do[opr]_v1_[a-f0-9]{64}", "dop_v1_", "doo_v1_", "dor_v1_"),
    _format("databricks", r"dapi[a-f0-9]{32}(?:-\d)?", "dapi"),
    _format("telegram", r"\d{8,10}:AA[A-Za-z0-9_-]{33}", ":AA", before=10),
    _format("hashicorp", r"hv[sbr]\.[A-Za-z0-9_-]{24,300}", "hvs.", "hvb.", "hvr."),
    _format("age", r"AGE-SECRET-KEY-1[A-Z0-9]{58}", "AGE-SECRET-KEY-1"),
    _format("jwt", r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}", "eyJ"),
    Format(
        "private_key",
        ("-----BEGIN",),
        re.compile(r"-----BEGIN (?:[A-Z0-9]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----"),
    ),
    Format(
        "connection",
        ("://",),
        re.compile(
            r"[a-z][a-z0-9+]{1,20}://[^\s:/@\"'<>]{0,64}:(?P<value>[^\s:/@\"'<>]{4,128})@[A-Za-z0-9\[]"
        ),
        before=21,
    ),
)

_PREFIXED = tuple((each, prefix) for each in FORMATS for prefix in each.prefixes)
_PREFIX_FINDER = Words(prefix for _, prefix in _PREFIXED)

_WORDS = (
    *(
        "password",
        "passwort",
        "passwd",
        "pwd",
        "passphrase",
        "kennwort",
        "mot de passe",
        "contraseña",
        "secret",
        "token",
    ),
    *("api key", "api_key", "api-key", "apikey", "access key", "access_key", "access-key", "accesskey"),
    *("auth key", "auth_key", "authkey", "private key", "private_key", "privatekey", "credential"),
)
_WORD_FINDER = Words(_WORDS)
_BEHIND = re.compile(
    r"[^\W\d_]{3,10}[ _-]?[\w-]{0,24}[\"']?[ \t]{0,4}(?:=>|:=|=|:| is )[ \t]{0,4}(?P<quote>[\"'`]?)"
    r"(?P<value>[^\s\"'`<>{}()\[\],;]{8,200})"
)
"""From the first letter of the word on."""

_PLACEHOLDER = re.compile(
    r"x{4,}|\*{3,}|\.{3,}|_{4,}|example|changeme|change_me|placeholder|your|dummy|redacted|sample|insert|todo|^\$|^%|^env:|^file:|"
    r"^(?:none|null|true|false|undefined)$|\bos\.environ|getenv|process\.env|password|secret|token",
    re.IGNORECASE,
)


def leaked_keys(text: str, pause: Pause = no_pause) -> Counts:
    """How many different ones of each maker; `assigned` are values behind a word such as `password =`."""
    return counted(text, spans(text, pause))


def spans(text: str, pause: Pause = no_pause) -> list[Found]:
    """Where they are, by place; a surer kind covers a less sure one."""
    kept: list[Found] = []
    for found in sorted(scanned(text, _scan, pause), key=lambda each: (each.start, -each.end)):
        if not kept or found.start >= kept[-1].end:
            kept.append(found)
    return kept


def _scan(text: str) -> Iterator[Found]:
    long_words: str | None = None
    for number, at in _PREFIX_FINDER.places(text):
        each, prefix = _PREFIXED[number]
        if each.before:
            if long_words is None:
                long_words = " ".join(word for word in text.split() if len(word) >= SHORTEST_KEY)
            if prefix not in long_words:
                continue
            one = each.pattern.search(text, max(0, at - each.before), at + AROUND)
        else:
            one = each.pattern.match(text, at)
        if one and ("value" not in each.pattern.groupindex or not _PLACEHOLDER.search(one["value"])):
            yield Found(each.maker, *one.span())
    yield from _assigned(text)


def _assigned(text: str) -> Iterator[Found]:
    for _, at in _WORD_FINDER.places(lowered(text)):
        if one := _BEHIND.match(text, at):
            value = one["value"].rstrip(".:!?")
            if _looks_made(value, quoted=bool(one["quote"])):
                yield Found("assigned", one.start("value"), one.start("value") + len(value))


def _looks_made(value: str, *, quoted: bool) -> bool:
    """Letters and digits together and mixed well, and no placeholder; bare words of prose are none."""
    if len(value) < 8 or _PLACEHOLDER.search(value) or "://" in value:
        return False
    kinds = sum(
        any(map(test, value)) for test in (str.isdigit, str.islower, str.isupper, lambda c: not c.isalnum())
    )
    return (
        any(map(str.isdigit, value))
        and kinds >= (2 if quoted or len(value) >= 16 else 3)
        and bits(value) >= LEAST_BITS
    )


def bits(value: str) -> float:
    """Entropy of a character of the value; 0 for an empty one.

    >>> bits("aaaa"), bits("abab")
    (0.0, 1.0)
    """
    total = len(value)
    return sum(-count / total * log2(count / total) for count in Counter(value).values()) + 0.0
