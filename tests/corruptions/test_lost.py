"""Where the code is not there, status and message say exactly what to do."""

import io
import json
import os
import re
import zipfile
from pathlib import Path

import nbformat
import pytest

from autograder.grading.classroom import Grader
from autograder.grading.collect import find_submissions
from autograder.grading.kept import Kept
from tests.corruptions.conftest import Bench

NAME = "attention_head"


class Desk(Grader):
    """A grader without its questions: it finds, reads and rebuilds."""

    def __init__(self, bench):
        self.release, self.names = bench.release, bench.names
        self.kept = Kept(Path(os.devnull), "")  # nothing can be kept there


def taken(bench, folder):
    """Returns what the grader takes for each student's submission, or its message."""
    desk, told = Desk(bench), {}
    for found in find_submissions(folder, bench.assignment):
        if found.status != "found":
            told[found.student] = (found.status, found.message)
            continue
        try:
            told[found.student] = desk._rebuilt(found)[1]
        except Exception as error:
            told[found.student] = ("unreadable", str(error))
    return told


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def bench(benches):
    return benches[NAME]


@pytest.fixture(scope="module")
def text(bench):
    return nbformat.writes(bench.filled)


def other(course, assignment="multi_head_attention", metadata=True):
    notebook = nbformat.read(course.release(assignment), as_version=4)
    if not metadata:
        for cell in notebook.cells:
            cell.metadata = {}
    return nbformat.writes(notebook)


LOST = {
    "empty": (b"", "empty.*save.*hand it in again"),
    "blank": (b" \n\n ", "empty.*save"),
    "half_a_line": (b'{"cells": [{"cell_type": "co', "damaged.*open it in Jupyter"),
    "braces": (b"{" * 3000, "damaged.*hand it in again"),
    "brackets": (b"[" * 200_000, "nested too deeply"),
    "no_cells": (b'{"metadata": {}, "nbformat": 4}', "no cells.*notebook itself"),
    "a_number": (b"[1, 2, 3]", "None of this assignment"),
    "a_letter": (b"Dear professor, my laptop broke.", "ends in .ipynb"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "a PDF.*.ipynb"),
    "rtf": (b"{\\rtf1\\ansi {\\fonttbl}}", "an RTF document.*.ipynb"),
    "old_word": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Word document.*.ipynb"),
    "docx": (zipped(word__document_dot_xml="<w/>"), "without a notebook.*.ipynb"),
    "picture": (b"\x89PNG\r\n\x1a\n\x00", "a picture.*.ipynb"),
    "7z": (b"7z\xbc\xaf\x27\x1c", "a 7z archive.*.ipynb"),
    "rar": (b"Rar!\x1a\x07\x00", "a RAR archive.*.ipynb"),
    "web_page": (b"<!DOCTYPE html><html><p>Sign in</p></html>", "web page.*.ipynb"),
    "drive_link": (b'{"doc_id": "1aB", "email": "x"}', "no cells.*not a link"),
    "noise": (bytes(range(256)) * 20, "no notebook.*.ipynb"),
    "gzip_noise": (b"\x1f\x8b\x08rubbish", "compressed file is damaged"),
    "zip_noise": (b"PK\x03\x04rubbish", "zip cannot be read.*zip it again"),
    "zip_of_nothing": (zipped(readme_dot_md="x"), "no notebook|without a notebook"),
    "another_language": (
        json.dumps({"cells": [{"cell_type": "code", "source": "x <- 1"}]}),
        "None of this assignment's exercises.*attention_head.ipynb",
    ),
}


@pytest.mark.parametrize("name", LOST)
def test_it_says_what_to_do(name, bench, tmp_path):
    data, words = LOST[name]
    put(tmp_path / "ana" / f"{NAME}.ipynb", data)
    status, message = taken(bench, tmp_path)["ana"]
    assert status == "unreadable"
    assert re.search(words, message), message
    assert "\n" not in message and str(tmp_path) not in message


@pytest.mark.parametrize("ending", ["pdf", "docx", "rtf", "jpg", "7z", "pages"])
def test_files_of_other_kinds_still_have_a_student(ending, bench, tmp_path):
    put(tmp_path / f"ana_{NAME}.{ending}", b"%PDF-1.7")
    put(tmp_path / "ben" / f"work.{ending}", b"%PDF-1.7")
    told = taken(bench, tmp_path)
    assert set(told) == {"ana", "ben"}
    assert all(".ipynb" in message for _, message in told.values())


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("assignment", ["multi_head_attention", "vit_patch_embedder"])
def test_another_assignment_is_named(assignment, metadata, bench, course, tmp_path):
    put(tmp_path / "ana" / f"{NAME}.ipynb", other(course, assignment, metadata))
    status, message = taken(bench, tmp_path)["ana"]
    assert status == "unreadable"
    assert message == (
        f"This is the notebook of {assignment}; hand in {NAME}.ipynb here."
    )


def test_one_deleted_exercise_costs_itself(course, sandbox, papers):
    bench = Bench(course, NAME)
    notebook = bench.filled
    gone = next(
        i for i, c in enumerate(notebook.cells) if c.source.startswith("def causal")
    )
    del notebook.cells[gone]
    result = bench.grade(notebook, sandbox, papers[NAME])
    exercise = next(e for e in result.exercises if e.id == "causal_mask")
    assert exercise.status == "not_attempted" and "put it back" in exercise.message
    assert "exercise causal_mask: its cell is gone" in result.repairs
    others = [e for e in result.exercises if e.id != "causal_mask"]
    assert sum(e.score for e in others) == result.score > 0


# --- files and folders that hold it after all --------------------------------------


def folders(text, release, course):
    broken, far = text[: len(text) // 20], other(course)
    inner = zipped(work_dot_ipynb=text)
    return {
        "copy_of_a_browser": {f"{NAME} (1).ipynb": text},
        "text_ending": {f"{NAME}.ipynb.txt": text},
        "json_ending": {f"{NAME}.ipynb.json": text},
        "json": {f"{NAME}.json": text},
        "capitals": {"Attention_Head.IPYNB": text},
        "spaces": {"attention head final FINAL.ipynb": text},
        "any_name": {"Untitled3.ipynb": text},
        "zip": {"work.zip": zipped(a__b__work_dot_ipynb=text)},
        "zip_called_notebook": {f"{NAME}.ipynb": zipped(x_dot_ipynb=text)},
        "zip_in_a_zip": {"work.zip": zipped(inner_dot_zip=inner)},
        "zip_of_a_mac": {
            "work.zip": zipped(__MACOSX__x_dot_ipynb="junk", x_dot_ipynb=text)
        },
        "zip_with_several": {
            "all.zip": zipped(
                multi_head_attention_dot_ipynb=far,
                attention_head_dot_ipynb=text,
                zzz_dot_ipynb=broken,
            )
        },
        "zip_with_the_release_beside": {
            "all.zip": zipped(attention_head_dot_ipynb=release, my_work_dot_ipynb=text)
        },
        "broken_and_whole": {
            f"{NAME}.ipynb": broken,
            f"{NAME}-backup.ipynb": text,
        },
        "wrong_one_by_this_name": {f"{NAME}.ipynb": far, "other.ipynb": text},
        "empty_and_whole": {f"{NAME}.ipynb": "", "copy.ipynb": text},
        "release_and_work": {f"{NAME}.ipynb": release, "Untitled.ipynb": text},
        "report_beside": {"report.pdf": b"%PDF-1.7", "x.ipynb": text},
        "deep": {f"a/b/{NAME}.ipynb": text},
        "checkpoints": {
            f".ipynb_checkpoints/{NAME}-checkpoint.ipynb": "old",
            f"{NAME}.ipynb": text,
        },
    }


def test_the_work_is_found_under_other_names(bench, text, course, tmp_path):
    release = nbformat.writes(bench.release)
    cases = folders(text, release, course)
    for student, files in cases.items():
        for name, data in files.items():
            put(tmp_path / student / name, data)
    told = taken(bench, tmp_path)
    assert set(told) == set(cases)
    lost = {s: r for s, r in told.items() if isinstance(r, tuple)}
    assert not lost
    untouched = {s for s, r in told.items() if r.untouched}
    assert not untouched
    for student in ("broken_and_whole", "release_and_work", "wrong_one_by_this_name"):
        assert "was taken" in told[student].repairs[0], student


def test_tar_archives(bench, text, tmp_path):
    import tarfile

    for ending, mode in (("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as archive:
            info = tarfile.TarInfo("../../evil/work.ipynb")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
            link = tarfile.TarInfo(f"{NAME}.ipynb")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        put(tmp_path / ending.replace(".", "") / f"x.{ending}", buffer.getvalue())
    told = taken(bench, tmp_path)
    assert len(told) == 3 and all(not r.untouched for r in told.values())


@pytest.mark.parametrize(
    "name", ["ana_{}.ipynb", "ana {} (2).ipynb", "ana-{}.ipynb.txt", "ana_{}.zip"]
)
def test_flat_folders_name_the_student(name, bench, text, tmp_path):
    data = zipped(x_dot_ipynb=text) if name.endswith("zip") else text
    put(tmp_path / name.format("Attention_Head"), data)
    told = taken(bench, tmp_path)
    assert set(told) == {"ana"} and not told["ana"].untouched


def test_a_zip_that_swells_is_refused(bench, tmp_path, monkeypatch):
    from autograder.grading import places

    monkeypatch.setattr(places, "SIZE_LIMIT", 10_000)
    put(tmp_path / "ana" / "x.zip", zipped(x_dot_ipynb=b"0" * 50_000))
    status, message = taken(bench, tmp_path)["ana"]
    assert status == "unreadable" and "too large" in message
