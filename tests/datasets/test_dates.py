"""The dates: pairs that agree, days that are kept apart, errors that say the mend."""

import re
import sys

import numpy as np
import pytest

from autograder.datasets import DatasetError, load_dates

MONTHS = "janv févr mars avr mai juin juil août sept oct nov déc".split()


def read(text):
    """A date as the French write it, as its year (two digits), month and day."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return text[2:]
    numbers = re.findall(r"\d+", text)
    if len(numbers) == 3:
        day, month, year = numbers
    else:
        day, year = numbers
        (month,) = (n for n, m in enumerate(MONTHS, 1) if f" {m}" in text)
    return f"{year[-2:]}-{int(month):02}-{int(day):02}"


@pytest.fixture(scope="module")
def loaded():
    return load_dates(train=3000, test=400)


def test_both_sides_of_a_pair_are_the_same_day(loaded):
    for written, iso in loaded:
        assert written.shape == iso.shape
        for text, due in zip(written, iso, strict=True):
            assert re.fullmatch(r"(19[5-9]|20[0-4])\d-\d\d-\d\d", due)
            assert read(text) == due[2:], text
    assert len(loaded[0][0]) == 3000 and len(loaded[1][0]) == 400


def test_every_way_of_writing_occurs(loaded):
    texts = "\n".join(loaded[0][0])
    for pattern in (
        r"^\d\d/\d\d/\d{4}$",
        r"^\d\d?/\d\d/\d\d$",
        r"^\d\d\.\d\d\.\d\d$",
        r"^\d{4}-\d\d-\d\d$",
        r"^\d\d? sept\. \d{4}$",
        r"^\d\d? septembre \d{4}$",
        r"^(lun|mar|mercre|jeu|vendre|same)di \d\d? \w+ \d{4}$",
        r"^dimanche, \d\d? \w+ \d{4}$",
    ):
        assert re.search(pattern, texts, re.MULTILINE), pattern


def test_a_day_to_test_with_is_not_learned_in_any_form():
    for seed in range(3):
        (_, learned), (_, asked) = load_dates(20_000, 2_000, seed=seed)
        assert not {*learned} & {*asked}


def test_a_seed_gives_the_same_pairs_and_another_gives_others(loaded):
    again = load_dates(train=3000, test=400)
    np.testing.assert_array_equal(loaded[0][0], again[0][0])
    np.testing.assert_array_equal(loaded[1][1], again[1][1])
    assert (load_dates(3000, 400, seed=1)[0][1] != loaded[0][1]).mean() > 0.9


def test_another_language_and_none_at_all():
    (written, _), _ = load_dates(50, 0, locales=("de_DE",))
    assert any("." in text for text in written)
    with pytest.raises(DatasetError, match="no locale .*'xx_YY'"):
        load_dates(1, 1, locales=("xx_YY",))
    (none, _), _ = load_dates(0, 0)
    assert none.shape == (0,)


def test_without_babel_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "babel", None)
    with pytest.raises(DatasetError, match="pip install babel"):
        load_dates(1, 1)
