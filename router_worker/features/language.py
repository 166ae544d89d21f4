"""The language of a document, from a bounded part of it. Without network, and nothing at import.

Two libraries: `pycld2` tells nearly all documents from a glance, in some 15 us and 2 MB; what it is not sure of is told
by `py3langid`, whose model is read on the first such text (about 1.5 s and 140 MB), once for each instance. A worker
keeps one. Where the first has no wheel, the second tells all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import islice
from threading import Lock
from typing import Any

UNKNOWN = "und"

PART_CHARACTERS = 2_000
"""Enough: on 60 real contracts the least confidence of `py3langid` was 0.99 with 2,000 characters, 0.63 with 1,000 and
0.13 with 500."""

GLANCE_CHARACTERS = 250
"""Looked at first, and the whole part where the glance does not tell. At 1,200 places of 60 real contracts it told at
99.7 of 100, and never another language than English; `py3langid` told 97.5 there, and takes ten times as long."""

LEAST_GLANCE = 150
"""A shorter text is left to `py3langid`: of 700 texts of 100 characters, messages of software in seven languages,
`pycld2` mistook seven, with 150 characters none; the other none of either."""

LEAST_PERCENT = 80
"""Of a glance that must be in one language."""

LEAST_LETTERS = 20
"""With fewer letters a guess is luck: 'Hello' is taken for Breton."""

GLANCE_CONFIDENCE, LEAST_CONFIDENCE = 0.99, 0.5
"""Of `py3langid`: for a glance to be enough, and for an answer."""

_NOT_A_LANGUAGE = "zxx"

_MODERN = {"iw": "he", "jw": "jv", "zh-Hant": "zh"}
_KIN = frozenset({"bs", "hr", "sr", "da", "nn", "no", "gl", "id", "ms"})
"""A glance mistakes these for one another, or for the greater language beside them."""


class LanguageIdentifier:
    """Threads may share one."""

    def __init__(self) -> None:
        self._loading = Lock()

    def identify(self, text: str) -> str:
        """ISO 639-1, or `und` where it could not be told. Where the beginning says nothing (a cover page, a table),
        the middle is asked too."""
        beginning = self._guess(text[:PART_CHARACTERS])
        if beginning != UNKNOWN or len(text) <= PART_CHARACTERS:
            return beginning
        middle = (len(text) - PART_CHARACTERS) // 2
        return self._guess(text[middle : middle + PART_CHARACTERS])

    def _guess(self, part: str) -> str:
        if not _has_letters(part):
            return UNKNOWN
        if len(part) >= LEAST_GLANCE:
            glance = self._glance
            told = glance(part[:GLANCE_CHARACTERS]) or (len(part) > GLANCE_CHARACTERS and glance(part))
            if told:
                return told
        with self._loading:
            model = self._model
        language, confidence = model.classify(part[:GLANCE_CHARACTERS])
        if confidence < GLANCE_CONFIDENCE and len(part) > GLANCE_CHARACTERS:
            language, confidence = model.classify(part)
        known = language != _NOT_A_LANGUAGE and confidence >= LEAST_CONFIDENCE
        return str(language) if known else UNKNOWN

    @cached_property
    def _glance(self) -> Callable[[str], str]:
        try:
            import pycld2
        except ImportError:
            return lambda _: ""

        def glance(text: str) -> str:
            try:
                return _sure(pycld2.detect(text, isPlainText=True))
            except (pycld2.error, UnicodeEncodeError):
                # Control characters, lone surrogates and what Unicode keeps free are no text for it.
                clean = "".join(each if each.isprintable() else " " for each in text)
                return _sure(pycld2.detect(clean, isPlainText=True))

        return glance

    @cached_property
    def _model(self) -> Any:
        """Knows languages with two letters, and `zxx` for what is none: the catalog's names are ISO 639-1."""
        import numpy
        from py3langid.langid import MODEL_FILE
        from py3langid.langid import LanguageIdentifier as Model

        model = Model.from_model_file(MODEL_FILE, norm_probs=True)
        model.set_languages([name for name in model.labels if len(name) == 2 or name == _NOT_A_LANGUAGE])
        # Laid out row by row, as it is read: scoring is four times as fast, for 24 MB more.
        model.nb_ptc = numpy.ascontiguousarray(model.nb_ptc, dtype=numpy.float32)
        return model


def _has_letters(part: str) -> bool:
    return next(islice(filter(str.isalpha, part), LEAST_LETTERS - 1, None), None) is not None


def _sure(detected: Any) -> str:
    """ISO 639-1, empty where it is not sure."""
    is_reliable, _, ((_, language, percent, _), *_) = detected
    language = _MODERN.get(language, language)
    is_told = is_reliable and percent >= LEAST_PERCENT and len(language) == 2 and language not in _KIN
    return str(language) if is_told else ""
