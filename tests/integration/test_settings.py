"""Every program rejects invalid settings."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROGRAMS = [
    ["worker.py"],
    ["api.py"],
    ["-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()"],
    ["-m", "ops.backup", "save"],
    ["-m", "ops.invariants"],
    ["-m", "ops.health", "api"],
    ["-m", "ops.devserver.run"],
    ["-m", "ops.devserver.demo"],
]


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
def test_every_program_refuses_an_impossible_value_in_one_sentence(program):
    # LOG_LEVEL is the only setting that the demo reads from the environment
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env=os.environ | {"LOG_LEVEL": "verbose"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stderr == "LOG_LEVEL='verbose': expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL\n"
    assert done.stdout == ""


@pytest.mark.parametrize("program", [each for each in PROGRAMS if "ops.devserver.demo" not in each], ids=" ".join)
def test_a_port_that_is_no_number_is_refused_in_one_sentence(program):
    environ = os.environ | {"API_PORT": "five"}
    done = subprocess.run([sys.executable, *program], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "API_PORT='five': expected a whole number\n"
