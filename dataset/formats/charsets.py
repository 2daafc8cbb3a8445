"""A guess at the character set of text that is not Unicode, for samples that are often a few words long.

Of the frequent character sets, the one wins whose letters are those of one language; the Western one if others are not
better. charset-normalizer, which needs longer texts, is asked for the others.
"""

# ruff: noqa: RUF001 - letters and signs of other scripts are what this module is about

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Final

__all__ = ["guess_charset"]

_WESTERN: Final = "cp1252"
_ADVANTAGE: Final = 0.35  # of the Western one
_MIN_SCORE: Final = 1.0
_MIN_COHERENCE: Final = 0.5
_CYRILLIC: Final = "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўјљњћђџ"
_GREEK: Final = "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"
_HEBREW: Final = "אבגדהוזחטיךכלםמןנסעףפץצקרשת"
_ARABIC: Final = "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيپچژگ"
_WEST: Final = (
    "äöüß",
    "àâçéèêëîïôœùû",
    "áéíñóúü¿¡",
    "áâãàçéêíóôõú",
    "àèéìíîòóùú",
    "æøå",
    "äöå",
    "ëïéèüö",
    "áðéíóúýþæö",
)
_CENTRAL: Final = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čšžćđ", "ăâîşţ")
_LETTERS: Final[dict[str, Sequence[str]]] = {
    _WESTERN: _WEST,
    "cp1250": _CENTRAL,
    "cp1251": (_CYRILLIC,),
    "cp1254": ("çğıİöşüâî",),
    "cp1255": (_HEBREW,),
    "cp1253": (_GREEK,),
    "cp1256": (_ARABIC,),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"),
    "iso8859_2": _CENTRAL,
    "koi8_r": (_CYRILLIC,),
    "cp866": (_CYRILLIC,),
    "mac_roman": _WEST,
    "cp437": _WEST,
}
_COMMON_EAST: Final = {
    # The first bytes of kana, of Hangul, or of the frequent characters of a standard; of equal ones the first is taken.
    "cp949": ("euc_kr", range(0xB0, 0xC9)),
    "gb18030": ("gb2312", range(0xA1, 0xD8)),
    "cp932": ("cp932", range(0x81, 0x99)),
    "big5": ("big5", range(0xA1, 0xC7)),
    "euc_jp": ("euc_jp", range(0xA1, 0xD0)),
}
_NOT_LATIN: Final = (_CYRILLIC, _GREEK, _HEBREW, _ARABIC)
_VOWELS: Final = frozenset("аеёиоуыэюяіїє")
_MIN_VOWELS: Final = 0.25
_SIGNS: Final = frozenset("€„“”‘’«»–—…°·§™©®•µ£²³½¼¾ºª±×\u00a0、。「」・，：（）")
_MIXED_UP: Final = re.compile(
    # Letters where their language does not have them, signs within words, words without a plain letter.
    r"[ìòù](?=\w)|õ(?=[^e\W])|(?<=\w)þ|[£¼½¾±×²³ºª][^\W\d]|[^\W\d][£¼½¾]|\b[^\W\x00-\x7f]{2,}\b"
)
_MIXED_SCRIPTS: Final = re.compile(r"[A-Za-z][^\W\x00-\x7f]|[^\W\x00-\x7f][A-Za-z]")


def guess_charset(sample: bytes) -> str | None:
    """Return the Python name of the most likely codec of a sample, None if none is likely."""
    scores: dict[str, float] = {}
    for name in dict.fromkeys((_WESTERN, "cp1250", *_COMMON_EAST, *_LETTERS)):
        with suppress(UnicodeDecodeError):
            scores[name] = _score(name, sample.decode(name))
    best = max(scores, key=scores.__getitem__, default=None)
    if best is not None and scores[best] >= _MIN_SCORE:
        return best
    from charset_normalizer import from_bytes  # rarely needed, and slow to import

    other = from_bytes(sample).best()
    return other.encoding if other is not None and other.coherence >= _MIN_COHERENCE else None


def _score(name: str, text: str) -> float:
    """Return the share of letters and signs in use, plus that of the best language, plus the Western advantage."""
    foreign = re.findall(r"[^\x00-\x7f]", text)
    if not foreign:
        return 0
    if name in _COMMON_EAST:
        return 2 * sum(map(partial(_is_common, name), foreign)) / len(foreign)
    languages = _LETTERS[name]
    is_latin = languages[0] not in _NOT_LATIN
    if languages[0] == _CYRILLIC:
        letters = [each for each in foreign if each.isalpha()]
        if sum(letter.lower() in _VOWELS for letter in letters) < _MIN_VOWELS * len(letters):
            return 0
    mixed = len((_MIXED_UP if is_latin else _MIXED_SCRIPTS).findall(text))
    mixed += sum(one.islower() and other.isupper() for one, other in pairwise(text) if not (one + other).isascii())
    shares = [
        max(0, sum(each in _SIGNS or each in known or each.lower() in known for each in foreign) - mixed) / len(foreign)
        for known in ("".join(languages), *languages)
    ]
    return shares[0] + max(shares[1:]) + (_ADVANTAGE if name == _WESTERN else 0)


def _is_common(name: str, character: str) -> bool:
    codec, first_bytes = _COMMON_EAST[name]
    try:
        return character in _SIGNS or character.encode(codec)[0] in first_bytes or "ｦ" <= character <= "ﾟ"
    except UnicodeEncodeError:
        return False
