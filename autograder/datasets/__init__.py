"""Data for the assignments, with a face like `keras.datasets`.

It is given to students and knows nothing of checks; notebooks import it in the
grader's sandbox too.
"""

from autograder.datasets.bases import encode_bases, kmer_ids
from autograder.datasets.dates import load_dates
from autograder.datasets.promoters import LAC, SITES, load_promoters
from autograder.datasets.registry import DatasetError

__all__ = [
    "LAC",
    "SITES",
    "DatasetError",
    "encode_bases",
    "kmer_ids",
    "load_dates",
    "load_promoters",
]
