import pytest

from autograder.safe import csv_cell, inert, one_line


@pytest.mark.parametrize(
    "text, kept",
    [
        ("plain", "plain"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]8;;x\x07link", "link"),
        ("\x1b]0;never closed", ""),
        ("a\nb\tc", "a\nb\tc"),
        ("a\rb\x00c\x9b2J", "a�b�c�2J"),
        ("\u202eabc\u2066\u200f", "�abc��"),
        ("zero\u200bwidth\ufeff", "zero�width�"),
        ("نمی\u200cروم", "نمی\u200cروم"),
        ("e\u0301", "e\u0301"),
        ("e" + "\u0301" * 99, "e" + "\u0301" * 5),
        ("\ud800", "�"),
        ("x" * 5000, "x" * 1999 + "…"),
        (7, "7"),
    ],
)
def test_inert(text, kept):
    assert inert(text) == kept


def test_one_line():
    assert one_line(" a\n\tb\u2028c ") == "a b c"
    assert len(one_line("x" * 500, 80)) == 80


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u200d=1"]
    + ["＝1", "＋1", "－1", "＠x", "=cmd|' /C calc'!A0", '=HYPERLINK("x")'],
)
def test_no_cell_starts_a_formula(text):
    cell = csv_cell(text)
    assert cell[0] in "'�" and "\n" not in cell


@pytest.mark.parametrize("value", ["ana", "o'neil", "a=1", "3-4", -1, 2.5, None])
def test_harmless_cells_stay(value):
    assert csv_cell(value) == value
