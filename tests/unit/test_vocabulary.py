"""Names and log lines that were replaced by the usual terms of the field do not return."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENDINGS = (".py", ".lua", ".md", ".yml", ".yaml", ".env", ".toml")
SKIPPED = {"node_modules", "__pycache__", "var", "backups", "demo-plots"}
ALLOWED = {"CHANGELOG.md", "test_vocabulary.py"}

NAMES = """
PatientWorker _PacedSocket _UNTELLING_PARTS _AsItIs _give_birth _bury _look_after _next_birth _dismiss_dead
read_held hold_as WorkerGone TakenJob BadCursor ImpossibleChange DatasetMoved IdempotencyConflict find_replay
say_empty show_below _told_by_marks _Shelf is_telling are_backwards recognise_dates ingest_apart
find_broken judge_job open_lanes wait_for_blow lay_line
""".split()
LOG_LINES = ["redis is away", "job given back", "late result refused", "no child can be started", "child ended why="]
ROOMS = ["record", "transitions", "attempt", "checks", "stack", "backup"]
OLD_SETTINGS = ["SPARE_CHILDREN", "BACKUP_EVERY_SECONDS"]
READS_OLD_SETTINGS = {
    "config/settings.py",
    "docs/settings.md",
    "tests/unit/test_settings.py",
    "tests/unit/test_settings_values.py",
}


def sources() -> dict[str, str]:
    """Return the code, scripts and pages by path."""
    texts = {}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in SKIPPED]
        for path in (Path(folder, name) for name in files if name.endswith(ENDINGS) and name not in ALLOWED):
            if path.is_file():
                texts[path.relative_to(ROOT).as_posix()] = path.read_text()
    return texts


def found(words: list[str], texts: dict[str, str]) -> list[str]:
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)")
    return [f"{path}: {match[0]}" for path, text in texts.items() for match in pattern.finditer(text)]


def test_replaced_names_do_not_return():
    assert found(NAMES, sources()) == []


def test_replaced_log_lines_do_not_return():
    assert found(LOG_LINES, sources()) == []


def test_old_settings_are_only_read():
    assert found(OLD_SETTINGS, {path: text for path, text in sources().items() if path not in READS_OLD_SETTINGS}) == []


def test_old_packages_do_not_return():
    assert [room for room in ROOMS if (ROOT / room).exists()] == []
