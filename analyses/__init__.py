"""The analyses, one file each. The registry finds them; ``kit`` is the API that they are written with."""

from analyses.framework.dataset_columns import DatasetColumns
from analyses.framework.registry import Analysis, BrokenAnalysis, UnknownAnalysis, get_analyses, get_analysis
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
    "Rendered",
    "UnknownAnalysis",
    "get_analyses",
    "get_analysis",
    "render",
]
