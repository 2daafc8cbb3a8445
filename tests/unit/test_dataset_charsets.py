"""Text in any character set: Unicode is recognized, others are guessed with a note or named by an option."""

from __future__ import annotations

from typing import Any

import pytest

from dataset import DatasetError, LoadOptions, Table, ingest


def load(body: bytes, **options: Any) -> Table:
    return ingest(body, "text/csv", options=LoadOptions(**options))


def rows_of(table: Table) -> list[list[Any]]:
    return [list(record.values()) for record in table.page(limit=1000).records]


CHARSETS = [
    ("cp1252", "id,town\n1,Köln\n2,Besançon\n", "Köln"),
    ("latin-1", "name;wert\nMüller;1\nà la carte;2\n", "Müller"),
    ("cp1250", "id,miasto\n1,Łódź\n2,Gdańsk\n", "Łódź"),
    ("cp1250", "id,jméno\n1,Dvořák\n2,Čapek\n", "jméno"),
    ("cp1251", "id,город\n1,Москва\n2,Санкт-Петербург\n", "город"),
    ("koi8-r", "id,город\n1,Казань\n2,Омск\n", "город"),
    ("cp1253", "id,πόλη\n1,Αθήνα\n2,Θεσσαλονίκη\n", "πόλη"),
    ("cp1254", "id,şehir\n1,İstanbul\n2,Eskişehir\n", "şehir"),
    ("cp1256", "id,مدينة\n1,القاهرة\n2,دمشق\n", "مدينة"),
    ("shift_jis", "県,人口\n北海道,5\n沖縄県,6\n", "県"),
    ("shift_jis", "商品名,価格\nりんご,100\nみかん,200\n", "商品名"),
    ("gb18030", "省,人口\n广东,5\n湖北,6\n", "省"),
    ("gb18030", "姓名,年龄\n张三,20\n李四,30\n", "姓名"),
    ("big5", "姓名,年齡\n王小明,20\n", "姓名"),
    ("euc_jp", "番号,名前\n1,山田太郎\n2,東京都\n", "番号"),
    ("euc_jp", "ID,商品名\n1,りんごジュース\n2,みかん\n", "商品名"),
    ("gb18030", "编号,城市\n1,北京\n2,上海\n", "编号"),
    ("iso2022_jp", "番号,名前\n1,山田太郎\n2,東京都\n", "番号"),
    ("iso8859_5", "ид,город\n1,Москва\n2,Казань\n", "ид"),
    ("iso8859_6", "رقم,مدينة\n1,القاهرة\n2,دمشق\n", "رقم"),
    ("cp874", "รหัส,เมือง\n1,กรุงเทพ\n2,เชียงใหม่\n", "รหัส"),
    ("euc_kr", "이름,나이\n김철수,20\n이영희,30\n", "이름"),
]


@pytest.mark.parametrize(("charset", "text", "example"), CHARSETS)
def test_a_guessed_character_set_is_noted_with_an_example(charset, text, example):
    # Given text in a character set of which nothing is said
    body = text.encode(charset)
    # when it is loaded
    guessed = load(body)
    # then it reads as it does when its character set is named, and a note shows a value
    named = load(body, encoding=charset)
    assert guessed.frame.equals(named.frame)
    assert not named.description.notes
    assert [note.example for note in guessed.description.notes] == [example]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_unicode_is_recognized_without_a_note(codec):
    table = load("größe;ort\r\n1;Köln\r\n2;東京\r\n".encode(codec))

    assert rows_of(table) == [[1, "Köln"], [2, "東京"]]
    assert table.frame.columns == ["größe", "ort"]
    assert not table.description.notes


@pytest.mark.parametrize(
    ("body", "options", "words"),
    [
        ("id,v\n1,é\n2,ü\n".encode() + b"3,\xff\n", {}, "Line 4 holds a byte that is not UTF-8.*encoding="),
        (b"id,v\n1,\xe9\n", {"encoding": "utf-8"}, "not UTF-8.*line 2"),
        (b"id,v\n1,\x81\n", {"encoding": "cp1252"}, "cannot be read as cp1252.*encoding="),
        (b"id,v\n1,\xe9\n", {"encoding": "rot13"}, "no character set 'rot13'"),
    ],
)
def test_text_that_is_broken_in_its_character_set_is_refused(body, options, words):
    with pytest.raises(DatasetError, match=words):
        load(body, **options)
