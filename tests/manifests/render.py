"""Write every overlay with every component as files, for tools that read files."""

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
