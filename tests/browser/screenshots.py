"""Takes the pictures of docs/dashboard.md: ``python -m tests.browser.screenshots``, or some with their pages' names."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from ops.devserver.processes import Stack, free_ports

_ROOT = Path(__file__).parents[2]
_PICTURES = _ROOT / "docs" / "dashboard"
_SIZES = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 360, "height": 720}}
_KEY = "a key of the role admin"
_SIGNED = {"Authorization": f"Bearer {_KEY}"}
_COLOURS = 256
_JOBS = [
    {"analysis": "histogram", "params": {"column": "magnitude"}, "tags": ["weekly"]},
    {"analysis": "summary", "tags": ["weekly"]},
    {"analysis": "groups", "params": {"by": ["magnitude_type"]}, "tags": ["report", "weekly"]},
    {"analysis": "map", "search": "Alaska", "tags": ["alaska"]},
    {"analysis": "trend"},
    {"analysis": "sleep", "params": {"seconds": 30}, "timeout": 1, "max_attempts": 2},
    {"analysis": "sleep", "params": {"seconds": 600}, "tags": ["nightly"]},
    {"analysis": "sleep", "params": {"seconds": 400}, "timeout": 3600, "tags": ["nightly"]},
    {"analysis": "outliers", "tags": ["nightly"]},
    {"analysis": "timeseries", "delay": 3600, "priority": "high", "tags": ["nightly"]},
]
_ENDING = 6  # of the jobs above


def main(names: list[str]) -> None:
    """Start a stack with jobs, and write each page in two widths and both themes."""
    _PICTURES.mkdir(exist_ok=True)
    api_port, redis_port = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        keys.write_text(f"ann admin {hashlib.sha256(_KEY.encode()).hexdigest()}\n")
        keys.chmod(0o600)
        settings = {"DATA_DIR": folder, "DRAIN_SECONDS": "0", "WORKERS": "2", "API_KEYS_FILE": str(keys)}
        with Stack({**os.environ, **settings, "API_PORT": str(api_port), "REDIS_PORT": str(redis_port)}) as stack:
            stack.wait_until_ready()
            _take_all(f"http://127.0.0.1:{api_port}", names)


def _take_all(address: str, names: list[str]) -> None:
    with httpx.Client(base_url=address, timeout=60, headers=_SIGNED) as api:
        sample = (_ROOT / "samples" / "earthquakes.csv").read_bytes()
        api.post("/data", content=sample, headers={"Content-Type": "text/csv"}).raise_for_status()
        made = [api.post("/jobs", json=job).raise_for_status().json() for job in _JOBS[:_ENDING]]
        for job in made:
            api.get(f"/jobs/{job['id']}?wait=30")
        made += [api.post("/jobs", json=job).raise_for_status().json() for job in _JOBS[_ENDING:]]
    time.sleep(6)  # for some progress to be seen
    pages: dict[str, str | Callable[[Page], None]] = {
        "sign-in": "/",
        "overview": "/",
        "jobs": _all_that_match,
        "job": f"/ui/jobs/{made[0]['id']}",
        "running": f"/ui/jobs/{made[_ENDING]['id']}",
        "failed": f"/ui/jobs/{made[_ENDING - 1]['id']}",
        "new": "/ui/new?analysis=histogram",
        "data": "/ui/data",
        "upload": _upload,
        "analyses": "/ui/analyses",
        "problem": "/ui/jobs/none",
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, page in pages.items():
            if not names or name in names:
                _take(browser, address, name, page)
        browser.close()


def _take(browser: Browser, address: str, name: str, path: str | Callable[[Page], None]) -> None:
    """Write pictures of what the window shows of a page, each in less than 100 kB."""
    for width, size in _SIZES.items():
        for theme in ("light", "dark"):
            context = browser.new_context(base_url=address, viewport=size)
            page = context.new_page()
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            page.goto("/")
            if name != "sign-in":
                page.get_by_label("API key").fill(_KEY)
                page.get_by_role("button", name="Sign in").click()
                page.get_by_role("button", name="Sign out").wait_for()
                if callable(path):
                    path(page)
                else:
                    page.goto(path)
            page.wait_for_timeout(500)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE).save(
                _PICTURES / f"{name}-{width}-{theme}.png", optimize=True
            )
            context.close()


def _all_that_match(page: Page) -> None:
    page.goto("/ui/jobs?tag=nightly")
    if page.viewport_size == _SIZES["wide"]:
        page.get_by_text("All that match…").click()


def _upload(page: Page) -> None:
    page.goto("/ui/data")
    page.get_by_text("Load a file", exact=True).click()
    page.locator("#file").set_input_files(_ROOT / "samples" / "river.csv")
    page.get_by_text("How the file is read").wait_for()
    page.get_by_text("How the file is read").scroll_into_view_if_needed()


if __name__ == "__main__":
    main(sys.argv[1:])
