"""What Canvas, Moodle and Gradescope give out, zipped and not, with a roster."""

import io
import os
import stat
import zipfile

import pytest

from autograder.course import CourseError
from autograder.grading import places
from autograder.grading.collect import collect
from autograder.grading.lateness import submitted_at
from autograder.grading.roster import read_roster

NAME = "attention_head"
CANVAS = {
    f"doejane_LATE_1234_567890_{NAME}-2.ipynb": b"jane",
    f"roejim_77_567891_{NAME}.ipynb": b"jim",
    "roejim_77_567892_notes.pdf": b"%PDF",
    f"anon_xY12z_567893_{NAME}.ipynb": b"anon",
    "poeann_78_text.html": b"<p>here</p>",
}
MOODLE = {
    f"Jane Doe_123456_assignsubmission_file_/{NAME}.ipynb": b"jane",
    "Jane Doe_123456_assignsubmission_onlinetext_/onlinetext.html": b"<p>hi</p>",
    f"Jean-Luc O'Neill_7_assignsubmission_file/work/{NAME}.ipynb": b"luc",
}
MOODLE_FLAT = {
    f"Jane Doe_123456_assignsubmission_file_{NAME}.ipynb": b"jane",
    f"Jean-Luc O'Neill_7_assignsubmission_file_{NAME}.ipynb": b"luc",
}
METADATA = """\
submission_11:
  :submitters:
  - :name: Jane Doe
    :sid: '0012'
    :email: jane@example.edu
  :created_at: 2026-11-20 22:30:00.123 Z
  :score: !ruby/object:BigDecimal 18:0.1e1
submission_12:
  :submitters:
  - :name: Pair One
    :sid: 'p1'
    :email: one@example.edu
  - :name: Pair Two
    :sid:
    :email: Two@Example.edu
submission_13:
  :submitters:
  - :name: Empty Handed
    :sid: 'e1'
"""
GRADESCOPE = {
    "assignment_5_export/submission_metadata.yml": METADATA.encode(),
    f"assignment_5_export/submission_11/{NAME}.ipynb": b"jane",
    f"assignment_5_export/submission_12/{NAME}.ipynb": b"pair",
    "assignment_5_export/submission_99/x.ipynb": b"nobody",
    "__MACOSX/assignment_5_export/._submission_metadata.yml": b"\0",
}
NBGRADER = {
    f"submitted/ana/{NAME}/{NAME}.ipynb": b"ana",
    f"submitted/ana/{NAME}/timestamp.txt": b"2026-11-20 22:00:00 UTC",
    f"submitted/ana/{NAME}/.ipynb_checkpoints/{NAME}.ipynb": b"no",
    "submitted/ana/other/other.ipynb": b"no",
    "submitted/ben/other/other.ipynb": b"no",
    f"submitted/Ben/{NAME}/{NAME}.ipynb": b"Ben",
}
FLAT = {
    f"ana_{NAME}.ipynb": b"ana",
    f"ben-{NAME} (1).ipynb": b"ben",
    f"van_der_berg_{NAME}.ipynb": b"van",
}


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def laid_out(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture(params=["zip", "folder"])
def put(request, tmp_path):
    """Puts files into a zip or a folder; returns where they are."""

    def put(files):
        if request.param == "zip":
            return zipped(tmp_path / "download.zip", files)
        return laid_out(tmp_path / "download", files)

    return put


def read(collected):
    return {f.student: f.read() for f in collected.found if f.status == "found"}


@pytest.mark.parametrize(
    "layout, files, due",
    [
        (
            "canvas",
            CANVAS,
            {"1234": b"jane", "77": b"jim", "anon_xY12z": b"anon", "78": None},
        ),
        ("moodle", MOODLE, {"123456": b"jane", "7": b"luc"}),
        ("moodle", MOODLE_FLAT, {"123456": b"jane", "7": b"luc"}),
        (
            "gradescope",
            GRADESCOPE,
            {
                "0012": b"jane",
                "p1": b"pair",
                "Two@Example.edu": b"pair",
                "submission_99": b"nobody",
            },
        ),
        ("plain", NBGRADER, {"ana": b"ana", "Ben": b"Ben"}),
        ("plain", FLAT, {"ana": b"ana", "ben": b"ben", "van_der_berg": b"van"}),
    ],
    ids=["canvas", "moodle", "moodle-flat", "gradescope", "nbgrader", "flat"],
)
def test_every_layout_is_recognised_zipped_or_not(put, tmp_path, layout, files, due):
    where = put(files)
    before = sorted(os.listdir(tmp_path))
    got = collect(where, NAME, others=["other"])
    assert got.layout == layout and not got.refused
    assert set(read(got)) == set(due)
    assert all(read(got)[s] == data for s, data in due.items() if data is not None)
    assert sorted(os.listdir(tmp_path)) == before, "nothing is unpacked"


def test_what_a_system_tells_is_kept(put):
    got = {f.student: f for f in collect(put(CANVAS), NAME).found}
    assert got["1234"].name == "doejane" and got["1234"].notes == (
        "Canvas marks it LATE",
    )
    assert [p.name for p in got["77"].earlier] == ["roejim_77_567892_notes.pdf"]


def test_gradescope_tells_when_and_who_has_nothing(put):
    got = {f.student: f for f in collect(put(GRADESCOPE), NAME).found}
    assert submitted_at(got["0012"]).isoformat() == "2026-11-20T22:30:00.123000+00:00"
    assert got["e1"].status == "missing" and got["e1"].name == "Empty Handed"


def test_nbgraders_time_is_read_in_a_zip_too(put):
    got = {f.student: f for f in collect(put(NBGRADER), NAME, others=["other"]).found}
    assert submitted_at(got["ana"]).isoformat() == "2026-11-20T22:00:00+00:00"
    assert got["ben"].status == "missing", "of this assignment there is nothing"


def test_of_a_name_handed_in_again_the_last_is_taken(put):
    files = {
        f"doejane_1_500_{NAME}.ipynb": b"first",
        f"doejane_1_502_{NAME}-2.ipynb": b"last",
        f"doejane_1_501_{NAME}-1.ipynb": b"second",
        "doejane_1_503_helper.ipynb": b"helper",
    }
    (found,) = collect(put(files), NAME).found
    assert found.read() == b"last"
    assert [place.name.split("_")[2] for place in found.earlier] == [
        "501",
        "500",
        "503",
    ]


# --- the roster -------------------------------------------------------------------

ROSTER = """\
ID;Canvas;Moodle;Gradescope;Email;Name
u01;1234;Participant 123456;0012;JANE@example.edu;Doe, Jane
1234;4321;7;;luc@example.edu;Luc
u03;;;;two@example.edu;
u04;999;;e1;;Absent
"""


@pytest.fixture
def roster(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER, encoding="utf-8-sig")
    return read_roster(path)


def test_a_roster_gives_everybody_their_id(put, roster):
    got = collect(put(CANVAS), NAME, roster=roster)
    status = {f.student: f.status for f in got.found}
    # Canvas' 1234 is u01; whose own id is 1234 is somebody else, who has nothing.
    assert read(got)["u01"] == b"jane" and status["1234"] == "missing"
    assert status["u04"] == "missing" and status["u03"] == "missing"
    assert got.unmatched == ["77", "78", "anon_xY12z"]
    assert all(status[s] == "found" for s in got.unmatched), "nobody is dropped"


def test_moodles_and_gradescopes_ids_are_matched(put, roster):
    got = collect(put(MOODLE), NAME, roster=roster)
    assert (read(got)["u01"], read(got)["1234"]) == (b"jane", b"luc")
    assert not got.unmatched


def test_addresses_are_matched_whatever_their_case(put, roster):
    got = collect(put(GRADESCOPE), NAME, roster=roster)
    assert read(got)["u03"] == b"pair" and got.unmatched == ["p1", "submission_99"]


def test_names_are_never_matched(put, roster):
    files = {f"Doe, Jane/{NAME}.ipynb": b"1", f"u3/{NAME}.ipynb": b"2"}
    got = collect(put(files), NAME, roster=roster)
    assert got.unmatched == ["Doe, Jane", "u3"]


def test_an_unmatched_id_does_not_fall_together_with_the_rosters(put, tmp_path):
    (tmp_path / "r.csv").write_text("id,canvas\n77,5\nx,6\n")
    got = collect(put(CANVAS), NAME, roster=read_roster(tmp_path / "r.csv"))
    assert {f.student: f.status for f in got.found}["77"] == "missing"
    assert "canvas-77" in got.unmatched


@pytest.mark.parametrize(
    "text, words",
    [
        ("name,email\nAna,a@x\n", "no column `id`"),
        ("id,name\nu1,A\nu1,B\n", "rows 2 and 3"),
        ("id,canvas\nu1,7\nu2,7\n", "the canvas 7"),
        ("id,name\n,Ana\n", "no id in row 2"),
        ("", "no column `id`"),
    ],
)
def test_a_roster_that_is_none_is_told_in_one_sentence(tmp_path, text, words):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(CourseError, match=words):
        read_roster(tmp_path / "r.csv")


def test_a_roster_in_another_encoding_is_told(tmp_path):
    (tmp_path / "r.csv").write_bytes("id,name\nu1,Zoë\n".encode("latin-1"))
    with pytest.raises(CourseError, match="UTF-8"):
        read_roster(tmp_path / "r.csv")


# --- what somebody could try ------------------------------------------------------


def test_a_name_that_looks_like_anothers_id_takes_nothing_over(put, tmp_path):
    """Somebody calls themself `x_1234`, so that Canvas' first number is a victim's."""
    files = {
        f"doejane_1234_900_{NAME}.ipynb": b"victim",
        f"x_1234_777_555_{NAME}.ipynb": b"evil",
    }
    where = put(files)
    assert read(collect(where, NAME)) == {"1234": b"victim", "777": b"evil"}
    (tmp_path / "r.csv").write_text("id,canvas\nvic,1234\nevil,777\n")
    roster = read_roster(tmp_path / "r.csv")
    assert read(collect(where, NAME, roster=roster)) == {
        "vic": b"victim",
        "evil": b"evil",
    }


def test_where_only_the_impostor_came_they_are_listed(put, tmp_path):
    (tmp_path / "r.csv").write_text("id,canvas\nvic,1234\nevil,777\n")
    files = {f"x_1234_777_555_{NAME}.ipynb": b"evil", f"a_1_2_{NAME}.ipynb": b"a"}
    got = collect(put(files), NAME, roster=read_roster(tmp_path / "r.csv"))
    assert {f.student: f.status for f in got.found}["vic"] == "missing"
    assert got.unmatched == ["1", "canvas-1234"]


def test_a_file_name_that_begins_with_a_number_is_honest(put, tmp_path):
    files = {f"doejane_1234_900_2026_{NAME}.ipynb": b"jane"}
    (tmp_path / "r.csv").write_text("id,canvas\nu1,1234\n")
    got = collect(put(files), NAME, roster=read_roster(tmp_path / "r.csv"))
    assert read(got) == {"u1": b"jane"} and not got.unmatched


def test_what_leads_out_of_a_zip_is_listed_and_not_read(tmp_path):
    path = tmp_path / "in" / "class.zip"
    path.parent.mkdir()
    zipped(
        path,
        {
            f"ana/{NAME}.ipynb": b"ana",
            "../evil.ipynb": b"no",
            "/abs/evil.ipynb": b"no",
            "C:\\evil.ipynb": b"no",
            "ben\\..\\..\\evil.ipynb": b"no",
            "/".join(["deep"] * 60) + "/x.ipynb": b"no",
        },
    )
    got = collect(path, NAME)
    assert read(got) == {"ana": b"ana"} and len(got.refused) == 5
    assert sorted(os.listdir(tmp_path)) == ["in"]
    assert os.listdir(path.parent) == ["class.zip"]


def test_a_link_in_a_zip_is_not_followed(tmp_path):
    link = zipfile.ZipInfo(f"ana/{NAME}.ipynb")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    path = zipped(tmp_path / "c.zip", {f"ben/{NAME}.ipynb": b"ben"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    got = {f.student: f for f in collect(path, NAME).found}
    assert got["ana"].status == "unreadable" and "a link" in got["ana"].message
    with pytest.raises(OSError, match="no regular file"):
        places.read_regular(got["ana"].path)


def test_a_bomb_costs_its_own_student_only(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "SIZE_LIMIT", 10_000)
    files = {f"ana/{NAME}.ipynb": b"0" * 20_000, f"ben/{NAME}.ipynb": b"ben"}
    data = zipped(tmp_path / "c.zip", files).read_bytes()
    got = {f.student: f for f in collect(tmp_path / "c.zip", NAME).found}
    with pytest.raises(OSError, match="clear the outputs"):
        got["ana"].read()
    assert got["ben"].read() == b"ben"
    # The same with a header that says it is small.
    lied = data.replace((20_000).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    (tmp_path / "lie.zip").write_bytes(lied)
    got = {f.student: f for f in collect(tmp_path / "lie.zip", NAME).found}
    with pytest.raises(OSError):
        got["ana"].read()


def test_a_zip_of_too_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ZIP_LIMIT", 3)
    path = zipped(tmp_path / "c.zip", {f"s{i}/a.ipynb": b"" for i in range(4)})
    with pytest.raises(CourseError, match="unpack it"):
        collect(path, NAME)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04rubbish", b"no zip"])
def test_what_is_no_zip_is_told_in_one_sentence(tmp_path, data):
    (tmp_path / "c.zip").write_bytes(data)
    with pytest.raises(CourseError, match="no zip that can be read"):
        collect(tmp_path / "c.zip", NAME)


@pytest.mark.parametrize(
    "metadata", [b"- a\n- b\n", b"{" * 5000, b"\xff\xfe\x00x", b"a: [", b"x: &a [*a"]
)
def test_damaged_metadata_of_gradescope_is_told(put, metadata):
    with pytest.raises(CourseError, match="export the submissions"):
        collect(put({"submission_metadata.yml": metadata, "s/a.ipynb": b""}), NAME)


def test_odd_metadata_of_gradescope_drops_nobody(put):
    text = "submission_1: 3\nsubmission_2:\n  :submitters: x\nsubmission_3:\n"
    text += "  :submitters: [4, {':name': Ann}]\n"
    files = {f"submission_{n}/{NAME}.ipynb": b"x" for n in (1, 2, 3)}
    got = collect(put({"submission_metadata.yml": text.encode(), **files}), NAME)
    assert list(read(got)) == ["submission_1", "submission_2", "submission_3 Ann"]


def test_names_that_differ_in_case_stay_two(put):
    files = {f"Ana/{NAME}.ipynb": b"1", f"ana/{NAME}.IPYNB": b"2"}
    assert read(collect(put(files), NAME)) == {"Ana": b"1", "ana": b"2"}


def test_a_student_hands_in_what_looks_like_a_class(put):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(f"doejane_1_2_{NAME}.ipynb", b"one")
    files = {"eve/work.zip": inner.getvalue(), f"ana/{NAME}.ipynb": b"ana"}
    assert read(collect(put(files), NAME)) == {"eve": b"one", "ana": b"ana"}


def test_a_layout_can_be_named(put):
    files = {f"roe_5_1_{NAME}.ipynb": b"1", f"poe_6_1_{NAME}.ipynb": b"2"}
    where = put(files)
    assert list(read(collect(where, NAME))) == ["5", "6"]
    assert list(read(collect(where, NAME, layout="plain"))) == ["poe_6_1", "roe_5_1"]
    with pytest.raises(CourseError, match="one of auto, plain, canvas"):
        collect(where, NAME, layout="blackboard")
    with pytest.raises(CourseError, match="Export Submissions"):
        collect(where, NAME, layout="gradescope")


def test_a_stray_in_a_download_is_kept(put):
    files = {**CANVAS, f"zoe_{NAME}.ipynb": b"zoe", "readme.nfo": b""}
    got = {f.student: f for f in collect(put(files), NAME).found}
    assert got["zoe"].read() == b"zoe" and "Canvas" in got["zoe"].notes[0]
