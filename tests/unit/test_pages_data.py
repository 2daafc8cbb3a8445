"""The page of the data: columns, records, filters, exports, upload and preview, hostile names and values."""

from __future__ import annotations

import io
import json
from html import unescape

import polars as pl
import pytest

from api import create_app
from dataset import profile_column
from pages.load_form import Choice, choices_of

HTML = {"Accept": "text/html"}
MESSY = b"sep=;\nName;Date;Price;Code\nPear;1/2/2020;1.234,50;007\nPlum;3/4/2020;2.000,25;008\n"


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


def page_of(client, query=""):
    answer = client.get(f"/ui/data{query}", headers=HTML)
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def sent(client, path, content, **options):
    form = {**options, "file": (io.BytesIO(content), "x.csv", "text/csv")}
    return client.post(path, data=form, headers=HTML, content_type="multipart/form-data")


def test_without_a_dataset_the_page_offers_to_load_one(client):
    page = page_of(client)
    assert "No dataset is loaded." in page
    assert 'enctype="multipart/form-data"' in page


def test_columns_have_histograms_or_their_most_frequent_values(client):
    client.post("/data", json=[{"n": n, "kind": "ab"[n % 2], "gap": None if n else 1} for n in range(30)])
    page = page_of(client)
    assert page.count('class="histogram"') == 2
    assert "Histogram of n, from 0 to 29" in page
    assert 'href="/ui/data?field.kind=a"' in page
    assert "29 missing" in page


def test_records_are_searched_filtered_and_sorted_by_the_grammar_of_the_api(client):
    client.post("/data", json=[{"id": f"r{n}", "n": n} for n in range(120)])
    page = page_of(client, "?search=r1&n.gte=10&sort=-n")
    assert "1\u201330 of 30" in page
    assert page.index("r119") < page.index(">r10<")
    assert 'aria-sort="descending"' in page
    rest = page_of(client, "?offset=100")
    assert "101\u2013120 of 120" in rest
    assert 'href="/ui/data?offset=50"' in rest


def test_htmx_gets_the_records_alone(client):
    client.post("/data", json=[{"a": 1}])
    answer = client.get("/ui/data", headers=HTML | {"HX-Request": "true"})
    assert answer.text.startswith('<div id="records">')
    answer = client.get("/ui/data", headers=HTML | {"HX-Request": "true", "HX-Request-Type": "full"})
    assert 'id="dataset" data-version="' in answer.text


@pytest.mark.parametrize("query", ["?nothing=1", "?sort=nothing", "?offset=x", "?a.gte=high"])
def test_what_cannot_be_listed_is_refused(client, query):
    client.post("/data", json=[{"a": 1}])
    answer = client.get(f"/ui/data{query}", headers=HTML)
    assert answer.status_code == 422
    assert answer.mimetype == "text/html"


@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet"])
def test_exports_are_the_listed_records(client, ending):
    client.post("/data", json=[{"a": n, "b": "x"} for n in range(5)])
    assert f'href="/ui/data/export/{ending}?a.gte=3"' in page_of(client, "?a.gte=3")
    answer = client.get(f"/ui/data/export/{ending}?a.gte=3")
    assert f'filename="data.{ending}"' in answer.headers["Content-Disposition"]
    if ending == "parquet":
        assert pl.read_parquet(answer.data)["a"].to_list() == [3, 4]
    else:
        assert answer.text.count("\n") == (3 if ending == "csv" else 2)
    assert client.get("/ui/data/export/xls").status_code == 404


def test_of_thousands_of_columns_a_page_is_shown(client):
    client.post("/data", json=[{"id": "r1"} | {f"c{n}": n for n in range(2000)}])
    page = page_of(client, "?columns=1000")
    assert "1001\u20131024 of 2,001" in page
    assert page.count("c1000") < 20
    assert ">r1<" in page
    assert "c1500" not in page


def test_a_file_is_previewed_read_otherwise_and_loaded(client):
    # Given a file with dates that may mean two things
    answer = sent(client, "/ui/data/preview", MESSY)
    # when it is previewed, then the note offers the options, and nothing is loaded
    assert answer.status_code == 200
    assert 'data-option="dates" data-value="dmy"' in answer.text
    assert client.get("/data").json["dataset"] is None
    # when it is loaded with one of them and the type of a column, then it is read so
    answer = sent(client, "/ui/data", MESSY, **{"dates": "dmy", "delimiter": "", "type.Code": "integer"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ui/data")
    types = {column["name"]: column["type"] for column in client.get("/data").json["dataset"]["columns"]}
    assert types == {"Name": "text", "Date": "date", "Price": "number", "Code": "integer"}


def test_records_are_numbered_where_the_form_says_so(client):
    sent(client, "/ui/data", b"id,a\n1,2\n", no_id="yes")
    assert client.get("/data").json["dataset"]["id"] == "row"


@pytest.mark.parametrize(
    ("content", "options", "status", "words"),
    [
        (b"", {}, 400, "cannot be loaded"),
        (b"<xml></xml>", {}, 415, "cannot be loaded"),
        (b"a\n1\n", {"id": "b"}, 422, "b"),
        (b"a\n1\n", {"dates": "sideways"}, 422, "dmy, mdy, ymd"),
        (b"a\n1\n", {"nonsense": "1"}, 422, "not an option"),
        (b"a\n1\n", {"id": "x" * 300_000}, 400, "too long"),
    ],
)
def test_what_is_wrong_with_a_file_is_shown_and_options_are_kept(client, content, options, status, words):
    answer = sent(client, "/ui/data", content, **options)
    assert answer.status_code == status
    assert words in answer.text
    assert client.get("/data").json["dataset"] is None


def test_options_are_found_in_details():
    detail = "Text, because 'n.a.' is not a number: if it stands for a missing value, add ?missing=n.a.."
    assert list(choices_of(detail, {})) == [Choice("missing", "n.a.")]
    assert list(choices_of(detail, {"missing": "x"})) == [Choice("missing", "x,n.a.")]
    assert list(choices_of("?type.a%20b=time reads them so; ?nonsense=1", {})) == [Choice("type.a b", "time")]


def test_unloading_removes_the_dataset(client):
    client.post("/data", json=[{"a": 1}])
    assert client.post("/ui/data/unload").status_code == 303
    assert client.get("/data").json["dataset"] is None


def test_hostile_names_and_values_are_text(client):
    bad = "\"'><script>alert(1)</script>"
    client.post("/data", json=[{bad: bad, "__proto__": 1, "a.gte": "🌋", "search": "{{7*7}}"}])
    for answer in (client.get("/ui/data", headers=HTML), sent(client, "/ui/data/preview", client.get("/data").data)):
        assert "<script>alert" not in answer.text
        assert "style=" not in answer.text
        assert "onclick=" not in answer.text
    page = page_of(client, "?field.search={{7*7}}&field.__proto__=1")
    assert "1\u20131 of 1" in page


def test_profiles_hold_for_odd_columns():
    for values in ([], [None], [1e308, -1e308], [5e-324, 0.0], [-(2**63), 2**63 - 1], ["x" * 5000], [True, None]):
        profile = profile_column(pl.Series("a", values, dtype=None if any(v is not None for v in values) else pl.Int64))
        assert sum(bar.count for bar in profile.bars) == len([value for value in values if value is not None])
    many = profile_column(pl.Series("a", range(1_000_000)))
    assert (many.least, many.greatest, many.rows) == (0, 999_999, 200_000)
    json.dumps([bar.low for bar in many.bars])


def test_analyses_are_listed_with_their_parameters_and_errors(client, drop_in):
    drop_in("broken_one", "def run(nonsense): ...")
    page = unescape(client.get("/ui/analyses", headers=HTML).text)
    assert "broken_one.py" in page
    assert "a whole number from 1 to 1,000 · 20" in page
    assert 'href="/ui/new?analysis=histogram"' in page
