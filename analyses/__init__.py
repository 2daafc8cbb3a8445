"""The analyses: one file each, found by the registry; ``kit`` is what they are written with."""

from analyses.dataset_columns import DatasetColumns
from analyses.kit import InvalidParams, Outcome, Params, Progress, Range
from analyses.registry import Analysis, BrokenAnalysis, UnknownAnalysis, get_analyses, get_analysis
from analyses.rendering import Artifact, Rendered, render

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
