"""A real stack and a real browser, for each file. A missing browser is a skip on a laptop, and a failure in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ops.devserver.processes import Stack, free_ports
from tests.conftest import eventually

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "earthquakes.csv"
FAILURES = Path(os.environ.get("SCREENSHOTS", ROOT / "var" / "screenshots"))
TIMEOUT_MS = 15_000

expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or any that is installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("no Chromium: install the Debian package chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@contextmanager
def start_stack(folder: Path, **settings: str) -> Iterator[int]:
    """Redis, the API and a worker, on free ports; gives that of the API."""
    api_port, redis_port = free_ports(2)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "API_"))}
    own = {"API_PORT": str(api_port), "REDIS_PORT": str(redis_port), "DATA_DIR": str(folder), "DRAIN_SECONDS": "0"}
    with Stack({**environ, **own, **settings}) as running:
        running.wait_until_ready()
        yield api_port


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the dashboard is; its worker has two children."""
    with start_stack(tmp_path_factory.mktemp("stack"), WORKERS="2") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def api(address: str) -> Iterator[httpx.Client]:
    """The API, with the sample loaded."""
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        if client.get("/data?limit=1").json()["dataset"] is None:
            client.post("/data", content=SAMPLE.read_bytes(), headers={"Content-Type": "text/csv"}).raise_for_status()
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Take a screenshot of each page of a failed test, in ``SCREENSHOTS``."""
    report = yield
    if report.when == "call" and report.failed:
        FAILURES.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(getattr(item, "funcargs", {}).get("pages", ())):
            page.screenshot(path=FAILURES / f"{item.name[:80].replace('/', '-')}-{number}.png", full_page=True)
    return report


@pytest.fixture
def pages() -> list[Page]:
    """The pages that the test opened."""
    return []


@pytest.fixture
def open_page(browser: Browser, address: str, pages: list[Page]) -> Iterator[Any]:
    """Opens a path in a browser of its own; what the console reports as an error fails the test."""
    contexts, complaints = [], []

    def run(path: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=address, **options)
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        pages.append(page)
        page.goto(path)
        return page

    run.complaints = complaints  # type: ignore[attr-defined]
    yield run
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def submit(api: httpx.Client) -> Any:
    """Submits a job over HTTP, waits for it where asked, and returns it."""

    def run(analysis: str = "sleep", wait: bool = False, **members: Any) -> dict[str, Any]:
        answer = api.post("/jobs", json={"start": None, "end": None, "analysis": analysis, **members})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        if wait:
            job = eventually(lambda: (found := api.get(f"/jobs/{job['id']}?wait=20").json())["ended"] and found)
        return job

    return run
