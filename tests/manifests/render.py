"""Writes every overlay with every component into a folder, for tools that read files: `python -m tests.manifests.render`."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.manifests.rendered import ALL, rendered


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for overlay, component in ALL:
        text = yaml.safe_dump_all(rendered(overlay, component))
        (folder / f"{'-'.join(filter(None, (overlay, component)))}.yaml").write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
