"""A Python client of the API: ``with Client() as jobs: jobs.load("quakes.csv")``. See docs/python-client.md."""

from client.data_calls import DataCalls
from client.errors import ApiError
from client.job_calls import JobCalls
from client.model import ENDED, Analysis, Artifact, Column, Counts, Dataset, Job, Note, Results, Stats, Worker

__all__ = [
    "ENDED",
    "Analysis",
    "ApiError",
    "Artifact",
    "Client",
    "Column",
    "Counts",
    "Dataset",
    "Job",
    "Note",
    "Results",
    "Stats",
    "Worker",
]


class Client(DataCalls, JobCalls):
    """A client of the API at ``url`` (default `JOBS_API_URL`), with the API key ``key`` (default `JOBS_API_KEY`)."""
