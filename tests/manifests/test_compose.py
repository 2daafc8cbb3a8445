"""Consistency of the compose file; `make test-engine` runs it on an engine."""

from __future__ import annotations

import re

import yaml

from config.settings import TABLE, load
from tests.conftest import ROOT

IDLE_MB = 256  # for the supervisor, and for each standby child

COMPOSE = yaml.safe_load(re.sub(r"\$\{\w+:-(.*?)\}", r"\1", (ROOT / "docker-compose.yml").read_text()))
SERVICES = COMPOSE["services"]


def in_mb(size: str) -> int:
    return int(size[:-1]) * {"m": 1, "g": 1024}[size[-1]]


def test_the_settings_are_settings_and_can_be_used():
    names = {setting.name for setting in TABLE}
    for service in ("api", "worker", "backup"):
        # Those without a value are passed on to the client of the object storage.
        given = {name: value for name, value in SERVICES[service]["environment"].items() if value is not None}
        # Those of a bucket are passed on where they are set; obstore and polars read them.
        assert {name for name in given if not name.startswith("AWS_")} <= names
        load({name: str(value) for name, value in given.items() if value is not None and not name.endswith("_FILE")})


def test_the_api_runs_with_keys_of_which_the_first_is_made_at_the_start():
    file = SERVICES["api"]["environment"]["API_KEYS_FILE"]
    assert SERVICES["password"]["environment"]["API_KEYS_FILE"] == file
    assert "ops.keys --first" in SERVICES["password"]["command"][-1]
    assert "API_KEYS_FILE" not in SERVICES["worker"]["environment"]


def test_the_children_fit_into_their_container():
    given = SERVICES["worker"]["environment"]
    children = int(given["WORKERS"]) * int(given["MEMORY_LIMIT_MB"])

    assert children > 0
    assert children + IDLE_MB * (1 + int(given["STANDBY_CHILDREN"])) <= in_mb(SERVICES["worker"]["mem_limit"])


def test_a_worker_has_longer_to_end_than_it_drains():
    grace = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))

    assert grace >= int(SERVICES["worker"]["environment"]["DRAIN_SECONDS"]) + 10


def test_redis_has_room_for_a_fork_and_refuses_rather_than_forgets():
    redis = SERVICES["redis"]

    assert in_mb(redis["mem_limit"]) >= 2 * int(redis["environment"]["REDIS_MAXMEMORY"].removesuffix("mb"))
    assert "--appendonly yes" in redis["command"][-1]
    assert "--maxmemory-policy noeviction" in redis["command"][-1]


def test_prometheus_and_grafana_are_only_started_by_their_profile():
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}

    assert profiles == {"prometheus": ["monitoring"], "grafana": ["monitoring"], "test": ["test"]}


def test_prometheus_scrapes_the_ports_that_there_are_with_a_key_from_a_secret():
    config = yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text())
    api, worker = config["scrape_configs"]
    [target] = api["static_configs"][0]["targets"]
    [discovered] = worker["dns_sd_configs"]

    # The port of the API is published as it is in the container, and its name is one that the API accepts.
    host, port = target.split(":")
    assert SERVICES[host]["ports"][0].endswith(f":{port}")
    assert host in SERVICES[host]["environment"]["ALLOWED_HOSTS"].split(",")
    assert discovered["names"] == ["worker"]
    assert discovered["port"] == int(SERVICES["worker"]["environment"]["METRICS_PORT"])
    assert SERVICES["worker"]["environment"]["METRICS_HOST"] == "0.0.0.0"
    # Only Prometheus has the key, and the file is not in the repository.
    [secret] = SERVICES["prometheus"]["secrets"]
    assert api["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
    assert COMPOSE["secrets"][secret]["file"] == f"./{secret}"
    assert secret in (ROOT / ".gitignore").read_text().split()
    assert secret in (ROOT / ".dockerignore").read_text().split()
    assert [name for name, service in SERVICES.items() if "secrets" in service] == ["prometheus"]


def test_grafana_finds_the_dashboard_and_the_data_source():
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    folders = {inside: (ROOT / outside).resolve() for outside, inside in mounts.items()}
    provisioning = folders["/etc/grafana/provisioning"]
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    [provider] = yaml.safe_load((provisioning / "dashboards" / "dataset-jobs.yml").read_text())["providers"]
    port = SERVICES["prometheus"]["ports"][0].rpartition(":")[2]

    assert source["url"] == f"http://prometheus:{port}"
    board = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert board.startswith(provider["options"]["path"])
    assert (folders[provider["options"]["path"]] / board.rpartition("/")[2]).exists()


def test_each_container_is_pinned_hardened_and_on_loopback_at_most():
    for name, service in SERVICES.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service["image"].endswith(":latest")
        assert re.fullmatch(r".+:.+", service["image"])
        published = service.get("ports", [])
        assert all(port.startswith("127.0.0.1:") for port in published), name
