"""The memory of the ingest subprocess for CSVs of different shapes, in addition to that of the table."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from dataset import EncodedTable, LoadLimits, ingest_in_subprocess

pytestmark = pytest.mark.long

MIB = 2**20
PROGRAM = 72 * MIB  # the interpreter with its libraries
WINDOW = 160 * MIB  # the text of a window and its conversion: independent of the size of the body
BYTES = 48 * MIB
RETAINED = BYTES // 2  # text of dates, which are parsed only once the column is complete
WORDS = ("ab", "cde", "f", "ghij", "kl")


def repeated(header: str, line: Callable[[random.Random], str]) -> bytes:
    """Return a CSV of some 48 MiB: ten thousand rows repeated, each with a distinct identifier."""
    dice = random.Random(7)
    block = "".join(f"%d{number:04},{line(dice)}" for number in range(10_000))
    count = BYTES // len(block.encode())
    return ("id," + header + "".join(block.replace("%d", str(n + 1)) for n in range(count))).encode()


def mixed(dice: random.Random) -> str:
    day = f"20{dice.randrange(10, 20)}-0{dice.randrange(1, 10)}-1{dice.randrange(10)}"
    name = f"zêta-{dice.randrange(10**6)}"
    return f"{name},{day},{dice.uniform(0, 1000):.3f},true,{day}T01:02:03Z,{dice.choice(WORDS)}\n"


def quoted(dice: random.Random) -> str:
    return '"' + mixed(dice).strip().replace(",", '","') + '"\n'


def short(dice: random.Random) -> str:
    return ",".join(str(dice.randrange(1000)) for _ in range(31)) + "\n"


MIXED = "name,day,value,flag,when,note\n"
SHORT = ",".join(f"c{number}" for number in range(31)) + "\n"
CSVS = {
    "mixed": lambda: repeated(MIXED, mixed),
    "short": lambda: repeated(SHORT, short),
    "quoted": lambda: repeated(MIXED, quoted),
    "CRLF": lambda: repeated(MIXED, mixed).replace(b"\n", b"\r\n"),
    "stray quotes": lambda: repeated("size\n", lambda dice: f'{dice.randrange(99)}" pipe of any length\n'),
    "lines in fields": lambda: repeated("text\n", lambda dice: f'"line {dice.randrange(99)}\nnext, ""said"" line"\n'),
    "American dates": lambda: repeated("day\n", lambda dice: f"01/{dice.randrange(13, 30)}/2018 01:45:00 PM\n"),
    "text at the end": lambda: repeated("n\n", lambda dice: f"{dice.randrange(10**9)}\n") + b"1,none\n",
    "one column": lambda: b"word\n" + b"some words and more\n" * (BYTES // 20),
}


@pytest.mark.parametrize("shape", CSVS)
def test_a_csv_is_ingested_in_the_memory_of_its_table_and_a_fixed_amount(shape):
    # Given a CSV of many windows
    body = CSVS[shape]()
    table = ingest_in_subprocess([body], "text/csv")
    assert isinstance(table, EncodedTable)
    # when the memory limit is that of the table, the program and a window
    limits = LoadLimits(reader_memory=PROGRAM + WINDOW + RETAINED + table.memory)
    # then it is ingested
    again = ingest_in_subprocess([body], "text/csv", limits=limits)
    assert again.description.count == table.description.count > 100_000
