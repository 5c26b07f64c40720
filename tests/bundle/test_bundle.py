"""`autograder bundle`: what is in it, what is not, and the same bytes every time."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import yaml

from autograder import exercises
from autograder.authoring import bundle as bundling
from autograder.authoring.build import public_path
from autograder.authoring.course_map import course_map
from autograder.authoring.leaks import contents, find_leaks, secret_lines, values_of
from autograder.authoring.reference import ask_here, reference_cells
from autograder.authoring.release import set_up_cell
from autograder.course import CourseError, load_course

ROOT = Path(__file__).parents[2]
PARTS = ("autograder", "assignments", "solutions", "datasets", "course.toml", "LICENSE")
PARTS += ("README.md", "pyproject.toml", "setup.py", "MANIFEST.in", "environment.yml")
STRAY = "def unlisted_exam():\n    return 'the exam of next term'\n"


@pytest.fixture(scope="module")
def quick():
    """Takes committed notebooks for fresh ones: tests/authoring holds them equal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            bundling,
            "release_text",
            lambda course, name: course.release(name).read_text(encoding="utf-8"),
        )
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory, quick):
    folder = tmp_path_factory.mktemp("public") / "course"
    bundling.bundle(load_course(ROOT), folder)
    return folder


@pytest.fixture(scope="module")
def files(written):
    return read(written)


def read(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def copy_of(course_root, target, umask=0o022):
    """Copies a course as a clone would: other times, another umask, other order."""
    before = os.umask(umask)
    try:
        for part in reversed(PARTS):
            source = course_root / part
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(
                    source, target / part, ignore=ignore, copy_function=shutil.copyfile
                )
            else:
                target.mkdir(exist_ok=True)
                shutil.copyfile(source, target / part)
    finally:
        os.umask(before)
    return target


def test_it_holds_the_public_course_and_nothing_else(files):
    listed = [a.name for a in load_course(ROOT).assignments]
    due = {f"assignments/{name}/{name}.ipynb" for name in listed}
    due |= {"README.md", "LICENSE", "AGENTS.md", "assignments/AGENTS.md"}
    due |= {"environment.yml", "SHA256SUMS"}
    rest = set(files) - due
    assert due <= set(files)
    (wheel,) = [name for name in rest if name.startswith("wheel/")]
    assert wheel.endswith(".whl")
    assert all(name.startswith("datasets/") for name in rest - {wheel})
    assert not any(name.endswith(".py") for name in files)
    for name in listed:
        path = f"assignments/{name}/{name}.ipynb"
        assert files[path] == (ROOT / path).read_bytes()
    for line in files["SHA256SUMS"].decode().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256(files[name]).hexdigest() == digest
    assert len(files["SHA256SUMS"].splitlines()) == len(files) - 1


def test_its_readme_has_the_course_map(files):
    readme = files["README.md"].decode()
    assert course_map(load_course(ROOT), badges=True) in readme
    for link in re.findall(r"\]\((assignments/[^)]+)\)", readme):
        assert link in files


def test_another_clone_gives_the_same_bytes(files, tmp_path, quick):
    clone = copy_of(ROOT, tmp_path / "clone", umask=0o077)
    # What lies about in a checkout is no part of the course.
    (clone / "autograder" / "exercises" / "unlisted_exam.py").write_text(STRAY)
    (clone / "autograder" / "public" / "unlisted_exam.safetensors").write_text(STRAY)
    (clone / "autograder" / ".notes").write_text(STRAY)
    (clone / "assignments" / "attention_head" / "solved.ipynb").write_text(STRAY)
    (clone / "datasets" / "class_list.csv").write_text("alma,12")
    (clone / "build" / "lib" / "autograder").mkdir(parents=True)
    (clone / "build" / "lib" / "autograder" / "old.py").write_text(STRAY)
    for number, path in enumerate(sorted(clone.rglob("*"))):
        os.utime(path, (number, 1_000_000_000 + number))
    before = os.umask(0o077)
    try:
        bundling.bundle(load_course(clone), tmp_path / "public")
    finally:
        os.umask(before)
    assert read(tmp_path / "public") == files
    modes = {p.stat().st_mode & 0o777 for p in (tmp_path / "public").rglob("*")}
    assert modes == {0o644, 0o755}


def test_no_solution_line_and_no_hidden_number_is_in_it(files):
    course = load_course(ROOT)
    lines = secret_lines(course)
    assert len(lines) > 500
    values = {}
    for assignment in ("attention_head", "dna_tokenization"):
        asked = [e for e in exercises.load(assignment, 8_191) if not e.manual]
        answers = ask_here(reference_cells(course, assignment), asked)
        values |= {value: assignment for value in values_of(answers)}
    assert len(values) > 10
    assert list(find_leaks(files, lines, values)) == []
    names = [name for path in files for name, _ in contents(path, files[path])]
    names = [name for name in names if "authoring/template/" not in name]  # `new`'s
    assert any("autograder/judging.py" in name for name in names)  # it looked inside
    for word in ("misconceptions.py", "solutions/", ".autograder", "tests/"):
        assert not any(word in name for name in names), word


def wheel_with(text):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("autograder/notes.json", text)
    return data.getvalue()


def test_the_search_finds_what_it_is_for():
    course = load_course(ROOT)
    lines = secret_lines(course)
    line = next(x for x in lines if '"' in x)
    public = next(iter(values_of(_public_answers(course))))
    for data in (wheel_with(f"# {line}\n"), wheel_with(json.dumps(f"  {line}  \n"))):
        assert list(find_leaks({"wheel/a.whl": data}, lines, {}))
    found = find_leaks({"n.txt": b"a" + public + b"b"}, lines, {public: "records"})
    assert list(found) == [("n.txt", "records")]


def _public_answers(course):
    from autograder import records

    return records.read(public_path(course, "attention_head"))["answers"]


def test_a_leak_ends_it_and_nothing_is_written(tmp_path, quick):
    clone = copy_of(ROOT, tmp_path / "clone")
    line = next(iter(secret_lines(load_course(clone))))
    readme = clone / "datasets" / "README.md"
    readme.write_text(f"{readme.read_text()}\n    {line}\n")
    target = tmp_path / "public"
    with pytest.raises(CourseError, match="datasets/README.md would tell") as error:
        bundling.bundle(load_course(clone), target)
    assert "\n" not in str(error.value)
    readme.write_text("12345678901234567 is our seed")
    (clone / ".autograder").mkdir()
    (clone / ".autograder" / "seed").write_text("12345678901234567\n")
    with pytest.raises(CourseError, match="autograder/seed"):
        bundling.bundle(load_course(clone), target)
    assert not target.exists()


# --- addresses --------------------------------------------------------------------


def test_badges_and_set_up_cells_follow_the_address(files):
    course = load_course(ROOT)
    name = course.assignments[0].name
    path = f"assignments/{name}/{name}.ipynb"
    owner = course.repository.removeprefix("https://github.com/")
    readme = files["README.md"].decode()
    assert f"colab.research.google.com/github/{owner}/blob/main/{path}" in readme
    other = replace(course, repository="https://git.example.org/c", branch="2027")
    for one in (course, other):
        assert f'"{one.repository}/raw/{one.branch}"' in set_up_cell(one).source
    cells = {nbformat.reads(files[n], 4).cells[1].source for n in files if "ipynb" in n}
    assert cells == {set_up_cell(course).source}  # the same in every notebook


@pytest.mark.parametrize("address", [None, "https://git.example.org/course"])
def test_without_github_badges_are_left_out_and_one_sentence_says_how(address):
    course = replace(load_course(ROOT), repository=address)
    readme = bundling._readme(course, ["keras"], "wheel/x.whl")
    assert "badge" not in readme.replace("badges stand here", "")
    assert readme.count("set `repository` in `course.toml`") == 1
    assert ('ADDRESS, VERSION = "",' in set_up_cell(course).source) == (not address)


BAD_ADDRESSES = ["x", "https://a b", 'https://a"b', "https://a\nb", "javascript:x"]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_what_is_no_address_is_refused(tmp_path, address):
    text = (ROOT / "course.toml").read_text()
    line = f"repository = {json.dumps(address)}"
    text = re.sub(r"^repository = .*$", lambda _: line, text, flags=re.MULTILINE)
    (tmp_path / "course.toml").write_text(text)
    with pytest.raises(CourseError, match="is no address"):
        load_course(tmp_path)


def test_a_course_without_repository_loads(tmp_path):
    text = (ROOT / "course.toml").read_text()
    text = re.sub(r"^repository = .*\n", "", text, flags=re.MULTILINE)
    (tmp_path / "course.toml").write_text(text)
    assert load_course(tmp_path).address is None


def test_the_students_environment_has_all_that_the_wheel_needs(files):
    tree = yaml.safe_load(files["environment.yml"])
    (pip,) = [d["pip"] for d in tree["dependencies"] if isinstance(d, dict)]
    assert pip[-1].removeprefix("./") in files
    listed = " ".join(map(str, [*tree["dependencies"], *pip]))
    for name in "numpy matplotlib ipython safetensors keras tensorflow babel".split():
        assert name in listed
    assert "nbgrader" not in listed


# --- where it goes ----------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """Takes a handful of files for the public course."""
    made = {"README.md": b"new", "wheel/a.whl": wheel_with("x")}
    monkeypatch.setattr(bundling, "public_files", lambda *_: dict(made))
    return load_course(ROOT)


def test_an_earlier_bundle_is_replaced_and_git_stays(small, tmp_path):
    target = tmp_path / "public"
    bundling.bundle(small, target)
    (target / ".git").mkdir()
    (target / ".git" / "HEAD").write_text("ref")
    stale = target / "wheel" / "old.whl"
    stale.write_bytes(b"")
    sums = target / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{'0' * 64}  wheel/old.whl\n")
    bundling.bundle(small, target)
    assert not stale.exists() and (target / ".git" / "HEAD").read_text() == "ref"
    assert [p.name for p in tmp_path.iterdir()] == ["public"]


def test_what_no_bundle_wrote_is_never_touched(small, tmp_path):
    mine = tmp_path / "thesis"
    (mine / "chapters").mkdir(parents=True)
    (mine / "chapters" / "one.md").write_text("mine")
    link = tmp_path / "link"
    link.symlink_to(mine)
    for target in (mine, link, mine / "chapters" / "one.md", ROOT, ROOT.parent):
        with pytest.raises(CourseError, match="another|new folder"):
            bundling.bundle(small, target)
    assert read(mine) == {"chapters/one.md": b"mine"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "thesis"]


def test_where_writing_fails_the_earlier_bundle_stays(small, tmp_path, monkeypatch):
    target = tmp_path / "public"
    bundling.bundle(small, target)
    before = read(target)

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundling, "_write", full)
    with pytest.raises(OSError, match="space"):
        bundling.bundle(small, target)
    assert read(target) == before and len(list(tmp_path.iterdir())) == 1


def test_a_stale_notebook_ends_it(tmp_path, monkeypatch):
    clone = copy_of(ROOT, tmp_path / "clone")
    notebook = load_course(clone).release("attention_head")
    notebook.write_text(notebook.read_text().replace("light switch", "lamp"))
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "bundle", tmp_path / "public"],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "autograder build attention_head" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "public").exists()
