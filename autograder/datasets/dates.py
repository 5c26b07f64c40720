"""French dates and their ISO form, as many as one wants.

Babel writes them, from the tables of Unicode's CLDR; nothing is stored.
"""

from __future__ import annotations

import datetime

import numpy as np

from autograder.datasets.registry import DatasetError

FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
LOCALES = ("fr_FR", "fr_BE", "fr_CH", "fr_CA")
LENGTHS = ("short", "medium", "long", "full")
TEST_SHARE = 0.1

Arrays = tuple[np.ndarray, np.ndarray]


def load_dates(
    train: int = 20_000,
    test: int = 1_000,
    locales: tuple[str, ...] = LOCALES,
    seed: int = 0,
) -> tuple[Arrays, Arrays]:
    """Returns dates as people write them, and the same days as ISO 8601 does.

    Each is a random day from 1950 to 2049 (so that `24.09.87` says which century it
    means) in one of the four lengths of a locale, from `24.09.87` to `jeudi 24
    septembre 1987`. A day of the test set is in the training set in no form.

    Args:
        train: number of pairs to train on.
        test: number of pairs to test with.
        locales: whose habits of writing, as Babel names them.
        seed: the same seed gives the same pairs.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: x are strings as they are written
        there, y strings of ten characters.

    Raises:
        DatasetError: Babel is missing, or knows no such locale.
    """
    random = np.random.RandomState(seed)
    days = random.permutation((LAST - FIRST).days + 1)
    cut = int(TEST_SHARE * len(days))
    return (
        _pairs(random.choice(days[cut:], train), locales, random),
        _pairs(random.choice(days[:cut], test), locales, random),
    )


def _pairs(days: np.ndarray, locales: tuple[str, ...], random) -> Arrays:
    """Writes each day in a locale and a length drawn for it."""
    write = _writer(locales)
    written, iso = [], []
    for day in days:
        date = FIRST + datetime.timedelta(int(day))
        place, length = random.randint(len(locales)), random.randint(len(LENGTHS))
        written.append(write(date, LENGTHS[length], locales[place]))
        iso.append(date.isoformat())
    return np.array(written, dtype="U"), np.array(iso, dtype="U")


def _writer(locales: tuple[str, ...]):
    """Returns Babel's `format_date`; raises `DatasetError` where it cannot serve."""
    try:
        from babel import Locale, UnknownLocaleError
        from babel.dates import format_date
    except ImportError:
        raise DatasetError(
            "Dates are written by Babel, which is missing here: run "
            "`%pip install babel` in a cell, or `pip install babel` in a terminal."
        ) from None
    try:
        for locale in locales:
            Locale.parse(locale)
    except (UnknownLocaleError, ValueError) as error:
        raise DatasetError(
            f"Babel knows no locale {locale!r}: take one such as 'fr_FR'."
        ) from error
    return format_date
