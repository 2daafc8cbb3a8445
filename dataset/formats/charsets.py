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
_TIE: Final = 0.9
_MIN_SCORE: Final = 1.0
_MIN_COHERENCE: Final = 0.5
_CYRILLIC: Final = "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўјљњћђџ"
_GREEK: Final = "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"
_HEBREW: Final = "אבגדהוזחטיךכלםמןנסעףפץצקרשת"
_ARABIC: Final = "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيپچژگ"
_THAI: Final = "กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวศษสหอฮะาิีึืุูเแโใไ็่้์ัำ"
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
    "iso8859_5": (_CYRILLIC,),
    "iso8859_6": (_ARABIC,),
    "cp874": (_THAI,),
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
_NOT_LATIN: Final = (_CYRILLIC, _GREEK, _HEBREW, _ARABIC, _THAI)
_FREQUENT_CYRILLIC: Final = frozenset("оеаинтсрвлкмдпу")
_RARE_SHARE: Final = 0.5
_USUALLY_RARE: Final = {"iso8859_5": 0.2}  # of the letters of a Cyrillic text; less where the charset itself is rare
_MISPLACED_THAI: Final = re.compile(
    "(?<![ก-ฮ\u0e31-\u0e4e])[\u0e31\u0e33-\u0e3a\u0e47-\u0e4e]|[เแโใไ](?![ก-ฮ])|[ก-ฮ]{6}"
)
_FREQUENT_CHINESE: Final = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事"
    "成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心前开但因只从想实日军者意无力它与长把机十民第公此已工"
    "使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见利什二等产或新己制身果加西月话合回特代内信表化老"
    "给世位次度门任常先海教原东声提立及比员解水名真论处走入几口条平系气题活更别打女变四神总何电数安少报才结反目太量再感建务"
    "接必场件计管期市直德资命山金指许统区保至队形社便空决治展马科司五基编号姓省县镇价格单类型状态备注王李张刘陈杨赵黄周吴"
)
_FREQUENT_JAPANESE: Final = frozenset(
    "日一国人年大十二本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校"
    "語土木聞食車何南万毎白天母火右読友左休父雨番号県市区町村郡府都道会社店員品商料価格売計合部門場所地田数住所氏姓性別歳"
    "岡福島京阪神奈良広愛知岩青森秋宮城形茨栃群馬埼葉富石井梨野岐阜静重滋賀兵庫和歌取根口徳香媛佐崎熊沖縄太郎藤鈴渡辺伊加吉"
)
_KANA: Final = re.compile("[ぁ-んァ-ヶ]")
_MIN_KANA: Final = 0.1
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
    if best == "gb18030" and scores.get("euc_jp", 0) >= scores[best] * _TIE and _is_japanese(sample):
        best = "euc_jp"
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
    languages, rare = _LETTERS[name], 0.0
    is_latin = languages[0] not in _NOT_LATIN
    if languages[0] == _CYRILLIC:
        letters = [each for each in foreign if each.isalpha()]
        if sum(letter.lower() in _VOWELS for letter in letters) < _MIN_VOWELS * len(letters):
            return 0
        rare = sum(letter.lower() not in _FREQUENT_CYRILLIC for letter in letters) / max(
            1, len(letters)
        ) - _USUALLY_RARE.get(name, 0.35)
    if languages[0] == _THAI:
        rare = len(_MISPLACED_THAI.findall(text)) / len(foreign)
    mixed = len((_MIXED_UP if is_latin else _MIXED_SCRIPTS).findall(text))
    mixed += sum(one.islower() and other.isupper() for one, other in pairwise(text) if not (one + other).isascii())
    shares = [
        max(0, sum(each in _SIGNS or each in known or each.lower() in known for each in foreign) - mixed) / len(foreign)
        for known in ("".join(languages), *languages)
    ]
    return shares[0] + max(shares[1:]) + (_ADVANTAGE if name == _WESTERN else -_RARE_SHARE * rare)


def _is_japanese(sample: bytes) -> bool:
    """Return whether text that may be simplified Chinese is rather Japanese, of which both use most characters."""
    text = sample.decode("euc_jp")
    foreign = len(re.findall(r"[^\x00-\x7f]", text))
    if len(_KANA.findall(text)) >= _MIN_KANA * foreign:
        return True
    chinese = sum(character in _FREQUENT_CHINESE for character in sample.decode("gb18030"))
    return sum(character in _FREQUENT_JAPANESE for character in text) > chinese


def _is_common(name: str, character: str) -> bool:
    codec, first_bytes = _COMMON_EAST[name]
    try:
        return character in _SIGNS or character.encode(codec)[0] in first_bytes or "ｦ" <= character <= "ﾟ"
    except UnicodeEncodeError:
        return False
