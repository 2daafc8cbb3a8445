"""The analyses, one file each. The registry finds them; ``kit`` is the API that they are written with."""

from analyses.framework.dataset_columns import DatasetColumns
from analyses.framework.registry import (
    Analysis,
    BrokenAnalysis,
    Registry,
    UnknownAnalysis,
    get_analyses,
    get_analysis,
    get_registry,
    has_changed,
    load_analyses,
    reload_if_changed,
)
from analyses.framework.rendering import Artifact, Rendered, render
from analyses.kit import InvalidParams, Outcome, Params, Progress, Range

__all__ = [
    "Analysis",
    "Artifact",
    "BrokenAnalysis",
    "DatasetColumns",
    "InvalidParams",
    "Outcome",
    "Params",
    "Progress",
    "Range",
    "Registry",
    "Rendered",
    "UnknownAnalysis",
    "get_analyses",
    "get_analysis",
    "get_registry",
    "has_changed",
    "load_analyses",
    "reload_if_changed",
    "render",
]
