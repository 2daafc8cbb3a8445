"""Takes the pictures of docs/dashboard.md: ``python -m tests.browser.screenshots``."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ops.devserver.processes import Stack, free_ports

_ROOT = Path(__file__).parents[2]
_PICTURES = _ROOT / "docs" / "dashboard"
_WIDE, _NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 720}
_JOBS = [
    {"analysis": "histogram", "params": {"column": "magnitude"}, "tags": ["weekly"]},
    {"analysis": "summary", "tags": ["weekly"]},
    {"analysis": "groups", "params": {"by": ["magnitude_type"]}, "tags": ["report", "weekly"]},
    {"analysis": "map", "search": "Alaska", "tags": ["alaska"]},
    {"analysis": "trend"},
    {"analysis": "sleep", "params": {"seconds": 600}, "tags": ["nightly"]},
    {"analysis": "sleep", "params": {"seconds": 400}, "timeout": 3600, "tags": ["nightly"]},
    {"analysis": "outliers", "tags": ["nightly"]},
    {"analysis": "timeseries", "delay": 3600, "priority": "high", "tags": ["nightly"]},
]


def main() -> None:
    """Start a stack with jobs, and write each page in a theme and a width."""
    _PICTURES.mkdir(exist_ok=True)
    api_port, redis_port = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        ports = {"API_PORT": str(api_port), "REDIS_PORT": str(redis_port), "DATA_DIR": folder, "DRAIN_SECONDS": "1"}
        with Stack({**os.environ, **ports}) as stack:
            stack.wait_until_ready()
            _take_all(f"http://127.0.0.1:{api_port}")


def _take_all(address: str) -> None:
    with httpx.Client(base_url=address, timeout=60) as api:
        sample = (_ROOT / "samples" / "earthquakes.csv").read_bytes()
        api.post("/data", content=sample, headers={"Content-Type": "text/csv"}).raise_for_status()
        made = [api.post("/jobs", json=job).raise_for_status().json() for job in _JOBS]
        for job in made[:5]:
            api.get(f"/jobs/{job['id']}?wait=30")
    time.sleep(6)  # for some progress to be seen
    histogram, running = (f"/ui/jobs/{made[at]['id']}" for at in (0, 5))
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(base_url=address, viewport=_WIDE, color_scheme="light")
        pages = {"overview": "/", "jobs": "/ui/jobs?tag=nightly", "job": histogram, "new": "/ui/new"}
        for name, path in {**pages, "data": "/ui/data", "analyses": "/ui/analyses"}.items():
            _take(page, name, path)
        page.emulate_media(color_scheme="dark")
        _take(page, "overview-dark", "/")
        _take(page, "job-dark", histogram)
        page.set_viewport_size(_NARROW)
        _take(page, "running-narrow-dark", running)
        page.emulate_media(color_scheme="light")
        _take(page, "jobs-narrow", "/ui/jobs")
        browser.close()


def _take(page: Page, name: str, path: str) -> None:
    """Write a picture of what the window shows, in less than 100 kB."""
    page.goto(path)
    page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MAXCOVERAGE).save(_PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
