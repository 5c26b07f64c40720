import os
import zipfile

import pytest

from autograder.grading.collect import find_submissions, student_id

NAME = "attention_head"


def found(folder):
    return {f.student: f for f in find_submissions(folder, NAME)}


def write(path, data=b"{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_layouts(tmp_path):
    write(tmp_path / "ana" / NAME / f"{NAME}.ipynb", b"1")
    write(tmp_path / "ben" / "my solution.ipynb", b"2")
    write(tmp_path / f"cem_{NAME}.ipynb", b"3")
    write(tmp_path / "dan.ipynb", b"4")
    (tmp_path / "eva").mkdir()
    write(tmp_path / ".DS_Store")
    write(tmp_path / "ana" / NAME / ".ipynb_checkpoints" / f"{NAME}.ipynb", b"no")
    write(tmp_path / "__MACOSX" / "x.ipynb")
    got = found(tmp_path)
    assert list(got) == ["ana", "ben", "cem", "dan", "eva"]
    assert [got[n].read() for n in ("ana", "ben", "cem", "dan")] == [
        b"1",
        b"2",
        b"3",
        b"4",
    ]
    assert got["eva"].status == "missing" and NAME in got["eva"].message


def test_the_assignments_name_wins_over_a_newer_file(tmp_path):
    right = write(tmp_path / "ana" / f"{NAME}.ipynb", b"right")
    other = write(tmp_path / "ana" / "scratch.ipynb", b"other")
    os.utime(right, (1, 1))
    (entry,) = find_submissions(tmp_path, NAME)
    assert entry.read() == b"right" and entry.earlier == (other,)


def test_zip_instead_of_a_notebook(tmp_path):
    path = tmp_path / "ana" / f"{NAME}.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.txt", "x")
        archive.writestr("__MACOSX/._a.ipynb", "no")
        archive.writestr("work/a.ipynb", "yes")
    (entry,) = find_submissions(tmp_path, NAME)
    assert entry.read() == b"yes"
    assert sorted(os.listdir(tmp_path)) == ["ana"]


@pytest.mark.parametrize("data", [b"PK\x03\x04rubbish", None])
def test_a_useless_zip_is_told(tmp_path, data):
    path = tmp_path / "ana.zip"
    if data is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "x")
    else:
        path.write_bytes(data)
    (entry,) = find_submissions(tmp_path, NAME)
    with pytest.raises(OSError, match="zip"):
        entry.read()


def test_links_and_pipes_are_not_opened(tmp_path):
    secret = write(tmp_path / "secret" / "truth.ipynb", b"secret")
    for name in ("link", "pipe", "loop"):
        (tmp_path / "in" / name).mkdir(parents=True)
    os.symlink(secret, tmp_path / "in" / "link" / f"{NAME}.ipynb")
    os.mkfifo(tmp_path / "in" / "pipe" / f"{NAME}.ipynb")
    os.symlink(tmp_path, tmp_path / "in" / "loop" / "again")
    os.symlink(secret.parent, tmp_path / "in" / "folder-link")
    got = found(tmp_path / "in")
    assert got["link"].status == got["pipe"].status == "unreadable"
    assert got["loop"].status == "missing"
    assert got["folder-link"].status == "unreadable"
    assert "is a link" in got["folder-link"].message


def test_odd_names_stay_apart_and_printable(tmp_path):
    names = ["a\x1b[31mb", "a\x1b[32mb", "x\ny", "‮evil", "é" * 90, "=1+1"]
    for name in names:
        write(tmp_path / name / f"{NAME}.ipynb")
    write(tmp_path / os.fsdecode(b"bad\xff") / f"{NAME}.ipynb")
    got = found(tmp_path)
    assert len(got) == len(names) + 1
    for student in got:
        assert student.isprintable() and len(student) < 100
        student.encode()


def test_ids_do_not_collide():
    assert student_id("a\x00b") != student_id("a\x01b")
    assert student_id("ana") == "ana"


def test_parts_are_counted_after_unpacking():
    import gzip

    from autograder.grading.reading import OBJECTS_LIMIT, Unreadable, read_notebook

    data = gzip.compress(b'{"cells": [' + b"[" * (OBJECTS_LIMIT + 1))
    assert len(data) < 100_000
    with pytest.raises(Unreadable, match="clear the outputs"):
        read_notebook(data, "bomb.ipynb.gz")
