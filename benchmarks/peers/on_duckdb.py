"""DuckDB on the files of a folder: ``on_duckdb.py FOLDER`` prints the seconds of each computation as JSON.

It has a database file of its own, to which it copies what it reads, with its defaults otherwise.
"""

from __future__ import annotations

import json
import sys
import time

import duckdb  # type: ignore[import-not-found,unused-ignore]  # in an environment of its own

_COLUMNS = ("date", "delay", "distance", "origin", "destination")
_NUMBERS = ("delay", "distance")
_QUARTILES = "quantile_cont({0}, [0.25, 0.5, 0.75])"

QUERIES = {
    "csv": ["DROP TABLE IF EXISTS flights", "CREATE TABLE flights AS FROM read_csv('{folder}/flights.csv')"],
    "parquet": ["DROP TABLE flights", "CREATE TABLE flights AS FROM read_parquet('{folder}/flights.parquet')"],
    "search": [
        "SELECT count(*) FROM flights WHERE contains(lower(origin), 'abc') OR contains(lower(destination), 'abc')"
    ],
    "search-all": [
        "SELECT count(*) FROM flights WHERE "
        + " OR ".join(f"contains(lower({name}::VARCHAR), '127')" for name in _COLUMNS)
    ],
    "summary": [
        *(f"SELECT min({name}), max({name}), count(DISTINCT {name}), count({name}) FROM flights" for name in _COLUMNS),
        *(f"SELECT avg({name}), stddev({name}), {_QUARTILES.format(name)} FROM flights" for name in _NUMBERS),
        *(f"SELECT {name}, count(*) AS n FROM flights GROUP BY 1 ORDER BY n DESC LIMIT 5" for name in _COLUMNS),
    ],
    "histogram": [
        "SELECT floor((delay - low) / width) AS bin, count(*) FROM flights, "
        "(SELECT min(delay) AS low, (max(delay) - min(delay)) / 20.0 AS width FROM flights) GROUP BY bin"
    ],
    "groups": [
        "SELECT origin, count(*) AS n, avg(delay), min(delay), max(delay) FROM flights "
        "GROUP BY 1 ORDER BY n DESC LIMIT 20"
    ],
    "timeseries": ["SELECT date_trunc('day', date) AS day, avg(delay) FROM flights GROUP BY 1 ORDER BY 1"],
}


def main(folder: str) -> None:
    """Print the seconds of each entry, run once."""
    database = duckdb.connect(f"{folder}/flights.duckdb")
    seconds = {}
    for name, queries in QUERIES.items():
        begun = time.perf_counter()
        for query in queries:
            database.execute(query.format(folder=folder)).fetchall()
        seconds[name] = time.perf_counter() - begun
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(sys.argv[1])
