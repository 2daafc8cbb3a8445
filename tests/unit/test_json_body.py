"""A JSON body is read value by value as json.loads reads it whole, whatever its size and its form."""

from __future__ import annotations

import json
import random
import re
from typing import Any
from unittest import mock

import pytest

from web.json_body import JsonBody, TooManyElements, ValueTooLarge

SEEDS = [
    '[{"a": 1, "b": [1.5e3, true, null, "x\\u00e9\\ud83d\\ude00"]}, {}, [], "s", -0, 12345]',
    '{"start": null, "end": "2018", "params": {"x": [1, 2, 3]}}',
    "[]",
    '"abc"',
    "12",
    "\n[\n 1,\n 2\n]\n",
    "[true, false, -Infinity]",
    '[{"a": 1, "a": 2}]',
]
ANYTHING = mock.ANY
EDITS = '[]{},:"\\ue1Na \n\t-0.Eftrl'


def _mutants(count: int) -> list[str]:
    """Texts that are nearly JSON: seeds with characters taken out, put in, or cut off."""
    dice, mutants = random.Random(5), []
    for _ in range(count):
        text = dice.choice(SEEDS)
        for _ in range(dice.randint(0, 3)):
            at = dice.randint(0, len(text))
            edits = (text[:at] + text[at + dice.randint(1, 4) :], text[:at] + dice.choice(EDITS) + text[at:], text[:at])
            text = dice.choices(edits, (4, 4, 2))[0]
        mutants.append(text)
    return mutants


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("an object has the same member twice")
    return dict(pairs)


def _whole(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
        return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
    except json.JSONDecodeError as error:
        # Python 3.13 has a message of its own for this, with another place.
        is_comma = error.msg.startswith("Illegal trailing comma")
        return ANYTHING if is_comma else str(error)
    except ValueError as error:
        return "surrogate" if isinstance(error, UnicodeError) else str(error)


def _by_value(text: str, max_chars: int) -> Any:
    try:
        return b"".join(JsonBody(text, max_elements=100, max_chars=max_chars).canonical())
    except ValueError as error:
        return "surrogate" if isinstance(error, UnicodeError) else str(error)


def test_a_text_is_read_or_refused_as_json_loads_does_with_the_same_place():
    for text in _mutants(20_000):
        read = _by_value(text, max_chars=10_000)
        # An unpaired surrogate is found where it stands, before what is wrong behind it.
        assert read in (_whole(text), "surrogate"), text


def test_the_size_of_the_window_changes_nothing_but_what_is_too_large():
    for text in _mutants(20_000):
        read = _by_value(text, max_chars=12)
        assert read in (_whole(text), "surrogate", "a value is too large"), text


def test_elements_that_straddle_windows_are_read_whole():
    # Given elements of every length up to the most, so that a window ends at each of their characters
    for length in range(1, 61):
        for unit in (
            '"' + "x" * max(0, length - 2) + '"',
            "1" * length,
            '{"a": ' + "2" * length + "}",
            "[" * 5 + "]" * 5,
        ):
            text = "[" + ", ".join([unit] * 40) + "]"

            # When they are read through a window hardly larger than one of them
            body = JsonBody(text, max_elements=40, max_chars=68)

            # Then they are what json.loads makes of them
            assert list(body.values()) == json.loads(text)


def test_the_text_is_counted_before_it_is_built():
    for unit in ("{}", "[]", "1", '""', "null"):
        with pytest.raises(TooManyElements):
            JsonBody(f"[{','.join([unit] * 1001)}", max_elements=1000, max_chars=100)
        assert len(JsonBody(f"[{','.join([unit] * 1000)}]", max_elements=1000, max_chars=100)) == 1000


@pytest.mark.parametrize(
    ("text", "position", "is_object", "member"),
    [
        ('{"a": 1, "params": {"x": [%s]}}', None, True, "params"),
        ('[{"a": 1}, {"a": "b", "params": "%s"}]', 1, True, "params"),
        ('[1, "%s"]', 1, False, None),
        ('"%s"', None, False, None),
        ("[[%s]]", 0, False, None),
        ('{"%s": 1}', None, True, None),
    ],
)
def test_a_value_that_is_too_large_is_named(text, position, is_object, member):
    for filling in ("7" * 1000, "1," * 1000 + "1", "{}," * 1000 + "1"):
        with pytest.raises(ValueTooLarge) as refused:
            JsonBody(text % filling, max_elements=10, max_chars=200)
        named = refused.value
        assert (named.position, named.is_object, named.member) == (position, is_object, member), filling


def test_many_small_members_are_too_large_without_a_name():
    text = "{" + ",".join(f'"{n}":0' for n in range(1000)) + "}"
    with pytest.raises(ValueTooLarge) as refused:
        JsonBody(text, max_elements=10, max_chars=200)
    assert refused.value.member is None


def test_errors_have_their_place_in_the_whole_text():
    with pytest.raises(json.JSONDecodeError, match=re.escape("Expecting value: line 52 column 3 (char 454)")):
        JsonBody("[\n" + '  "abc",\n' * 50 + "  x]", max_elements=100, max_chars=20)
