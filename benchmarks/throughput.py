"""The same class through stock `nbgrader autograde`, `otter run` and this grader.

Of every assignment a small class is made: right in two styles, wrong once and twice,
slow (an experiment was left in a cell), and half broken (a cell that does not parse,
an exercise that was not written). The four ways to grade alternate within a round.

Equal work: all grade the same student cells, shown ones dropped (plots, trainings);
the test cells of nbgrader and of otter put the very same public probes that a student's
`check` puts, and assert its verdict. This grader puts its hidden probes, which are as
many, and in addition names mistakes, writes two pages for each student and fills the
gradebook; all that is in its time. nbgrader's feedback pages are another command,
`generate_feedback`: its time is measured too and told apart, in a ratio of its own. At
the end it is counted for how many exercises the verdicts agree.

Both gradebooks are there, and know the assignment, before the clock starts. What is
fixed per run (the start of the worker, the reference's answers, which are kept for the
next run) is told apart, and in the last column spread over 300 submissions. The other
two take a notebook after the other, each with a kernel of its own, at the same cost
whatever comes before: they grade the first six of the class, which are of all kinds.
Nor is nbgrader's own start counted: a run over the first one alone is taken off. And
this grader has graded the first wrong one, for what the first picture and page load.

    python benchmarks/throughput.py [--each 48] [--rounds 2] [--only NAME] [--otter DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections import defaultdict
from copy import deepcopy
from pathlib import Path

import nbformat

from autograder import exercises
from autograder.authoring.source import read_solution, read_variants
from autograder.course import load_course
from autograder.demo import complete
from autograder.gradebook.database import register
from autograder.grading.cells import grade_id
from autograder.nbgrading import tools_on_path

HERE = Path(__file__).resolve()
KINDS = 6  # of submissions, in turn; the others grade one of each
FIRST, WRONG = "s000", 2
CLASS = 300  # submissions over which what is fixed is spread
WAYS = ("nbgrader autograde", "otter run", "ours, 1 worker", "ours, all cores")
LOOK = 3  # seconds: a look at memory takes 0.06 s of a processor, from the graders
GRADEBOOK = "empty.db"  # which knows the assignment and nobody's points
SLOW = "\n\ntotal = 0\nfor number in range(20_000_000):\n    total += number\n"
BROKEN = "\n\nresult = attention(query, key\n"
ASSERTING = """from autograder.student import check as _check
_report = _check({arguments})
assert _report.passed, repr(_report)
_report.score"""
OTTER_TEST = """OK_FORMAT = True
test = {{"name": {name!r}, "points": {points}, "suites": [{{
    "cases": [{{"code": {code!r}, "hidden": False, "locked": False}}],
    "scored": True, "setup": "", "teardown": "", "type": "doctest"}}]}}
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--each", type=int, default=48, help="notebooks a class")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--only", nargs="*", help="names of assignments")
    options.add_argument("--otter", type=Path, help="an environment with otter-grader")
    options.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    tools_on_path()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    if chosen.child:
        root, name, jobs = chosen.child
        print(json.dumps(grade_ours(Path(root), name, int(jobs))))
        return
    names = chosen.only or [a.name for a in load_course().assignments]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        otter = see_ours(chosen.otter or install_otter(root / "otter-venv"))
        lay_out_all(root, names, chosen.each)
        runs = defaultdict(list)
        for number in range(chosen.rounds):
            for name in names:
                one_round(root / name, name, otter, runs)
                told = ", ".join(f"{w} {runs[name, w][-1]['each']:.2f} s" for w in WAYS)
                print(f"{number + 1}, {name}: {told}", file=sys.stderr, flush=True)
        report(runs, names, chosen.each)
        print(agreement(runs, names))


def one_round(root: Path, name: str, otter: Path, runs: dict) -> None:
    """Grades one class in all four ways, and notes what came of it."""
    cores = len(os.sched_getaffinity(0))
    count = len(list((root / "otter").glob("s*")))
    told, each = without_start(lambda *whom: grade_nbgrader(root, name, *whom), count)
    _, pages = without_start(lambda *whom: write_feedback(root, name, *whom), count)
    runs[name, WAYS[0]].append(told | {"each": each, "pages": pages})
    told = measured(lambda: grade_otter(root, name, otter))
    runs[name, WAYS[1]].append(told | {"each": told["seconds"] / count})
    for way, jobs in ((WAYS[2], 1), (WAYS[3], cores)):
        told = measured(lambda jobs=jobs: child(root, name, jobs))
        whole, result = told["result"]["seconds"], told["result"]
        runs[name, way].append(told | {"each": whole / len(result["right"])})


def without_start(work, count: int) -> tuple[dict, float]:
    """Returns what was measured of all, and the seconds of one of them.

    The first one alone is taken off, measured before and after: the quicker time, for
    a start that something held up would be taken from all of them.
    """
    alone = measured(lambda: work(FIRST))["seconds"]
    told = measured(work)
    alone = min(alone, measured(lambda: work(FIRST))["seconds"])
    return told, (told["seconds"] - alone) / (count - 1)


def measured(work) -> dict:
    """Returns what work returned, its seconds, and the peak memory of its processes."""
    ended = threading.Event()
    peaks = [0.0]

    def watch() -> None:
        while not ended.wait(LOOK):
            # Twice: who forks while the list is gone through is counted double.
            peaks.append(min(memory_of_children(), memory_of_children()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    ended.set()
    watcher.join()
    return {"seconds": seconds, "peak_mb": max(peaks), "result": result}


def memory_of_children() -> float:
    """Returns the memory of all processes below this one, shared pages counted once."""
    parents: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{name}/stat").read_text()
        except OSError:
            continue
        parents[int(name)] = int(stat.rpartition(")")[2].split()[1])
    below, total = {os.getpid()}, 0
    while more := {p for p, parent in parents.items() if parent in below} - below:
        below |= more
    for pid in below - {os.getpid()}:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(x.split()[1]) for x in lines if x.startswith("Pss:"))
    return total / 1024


# --- the classes ------------------------------------------------------------------


def lay_out_all(root: Path, names: list[str], each: int) -> None:
    for name in names:
        lay_out(root / name, name, each)


def lay_out(root: Path, name: str, each: int) -> None:
    """Writes one class for this grader, for nbgrader and for otter."""
    course = load_course()
    release = nbformat.read(course.release(name), as_version=4)
    root.mkdir()
    register(f"sqlite:///{root / GRADEBOOK}", course, name, release)
    release.cells = [c for c in release.cells if c.cell_type != "code" or grade_id(c)]
    asserting = deepcopy(release)
    for cell in asserting.cells:
        if cell.cell_type == "code" and cell.source.startswith("check("):
            cell.source = ASSERTING.format(arguments=arguments_of(cell))
    write(asserting, root / "course" / "source" / name, name)
    config = "c = get_config()\nc.CourseDirectory.course_id = 'bench'\n"
    (root / "course" / "nbgrader_config.py").write_text(config)
    nbgrader(root, "generate_assignment", name, "--force")
    path = root / "course" / "release" / name / f"{name}.ipynb"
    generated = nbformat.read(path, as_version=4)
    lay_out_otter(root, release)
    bare = deepcopy(release)
    bare.cells = [c for c in bare.cells if not (grade_id(c) or "").startswith("grade_")]
    for number, sources in enumerate(texts(course, name, each)):
        student = f"s{number:03d}"
        copies = [(release, root / "submitted" / student)]
        if number < KINDS:
            copies.append((generated, root / "course" / "submitted" / student / name))
            copies.append((bare, root / "otter" / student))
        for notebook, folder in copies:
            copy = deepcopy(notebook)
            for cell in copy.cells:
                cell.source = sources.get(grade_id(cell), cell.source)
            copy.cells[0].source += f"\n\nSubmission {number}."
            write(copy, folder, name)


def arguments_of(cell) -> str:
    return cell.source.removeprefix("check(").rstrip().removesuffix(")")


def texts(course, name: str, each: int) -> list[dict[str, str]]:
    """Returns the cells of every submission, by exercise: six kinds in turn."""
    right = {
        c.marks["exercise"]: c.source
        for c in read_solution(course, name)
        if c.role == "exercise"
    }
    variants = read_variants(course, name)
    good = [v for v in variants if v.right]
    bad = [v for v in variants if not v.right]
    first, last = list(right)[0], list(right)[-1]
    made = []
    for number in range(each):
        sources, kind = dict(right), number % KINDS
        used = good[number % len(good) :][:1] if kind in (1, 3) else []
        step = len(bad) // each * number + 1
        used += [
            bad[(step + 7 * i) % len(bad)] for i in range({2: 1, 3: 2}.get(kind, 0))
        ]
        for variant in used:
            sources[variant.exercise] = complete(variant, right)
        if kind == 4:
            sources[first] += SLOW
        if kind == 5:
            sources[first] += BROKEN
            del sources[last]
        made.append(sources)
    return made


def lay_out_otter(root: Path, release) -> None:
    """Writes otter's tests: per exercise the same check, its verdict expected."""
    tests = root / "otter" / "tests"
    tests.mkdir(parents=True)
    for cell in release.cells:
        if not (grade_id(cell) or "").startswith("grade_"):
            continue
        name = grade_id(cell).removeprefix("grade_")
        code = (
            ">>> from autograder.student import check as _check\n"
            f">>> bool(_check({arguments_of(cell)}).passed)\nTrue"
        )
        points = cell.metadata["nbgrader"]["points"]
        text = OTTER_TEST.format(name=name, points=points, code=code)
        (tests / f"{name}.py").write_text(text)


def write(notebook, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


# --- the four ways ----------------------------------------------------------------


def grade_nbgrader(
    root: Path, name: str, student: str = "*"
) -> dict[str, dict[str, bool]]:
    """Returns who has which exercise right, from nbgrader's gradebook."""
    whom = ("--student", student)
    nbgrader(root, "autograde", name, "--force", "--create", *whom)
    query = (
        "select a.student_id, c.name, g.auto_score, gc.max_score from grade g "
        "join submitted_notebook n on g.notebook_id = n.id "
        "join submitted_assignment a on n.assignment_id = a.id "
        "join base_cell c on g.cell_id = c.id join grade_cells gc on gc.id = c.id"
    )
    book = sqlite3.connect(root / "course" / "gradebook.db")
    rows = book.execute(query).fetchall()
    book.close()
    found = defaultdict(dict)
    for student, cell, score, most in rows:
        if cell.startswith("grade_"):
            found[student][cell.removeprefix("grade_")] = (score or 0) >= most
    if not found:
        sys.exit("nbgrader graded nothing; run it by hand to see why.")
    return dict(found)


def write_feedback(root: Path, name: str, student: str = "*") -> None:
    """Has nbgrader write the feedback page of whoever it has graded."""
    nbgrader(root, "generate_feedback", name, "--force", "--student", student)


def nbgrader(root: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=root / "course",
        env=environment,
        capture_output=True,
        text=True,
    )
    # 1: some submission failed, as some do.
    if done.returncode > 1:
        sys.exit(done.stderr[-2000:])


def grade_otter(root: Path, name: str, otter: Path) -> dict[str, dict[str, bool]]:
    """Returns who has which exercise right, from otter's results."""
    place = root / "otter"
    made = place / "autograder.zip"
    if not made.exists():
        arguments = ("generate", "-t", "tests", "-o", made.name)
        bare = ("--no-config", "--no-requirements", "--no-environment")
        run_otter(otter, place, *arguments, *bare)
    found = {}
    for folder in sorted(place.glob("s*")):
        arguments = (
            "run",
            "--no-logo",
            "-a",
            made,
            "-o",
            folder,
            folder / f"{name}.ipynb",
        )
        run_otter(otter, place, *arguments)
        path = folder / "results.json"
        tests = json.loads(path.read_text())["tests"] if path.exists() else []
        path.unlink(missing_ok=True)
        scores = {t["name"]: t.get("score", 0) for t in tests}
        due = {t["name"]: t.get("max_score", 0) for t in tests}
        found[folder.name] = {
            n: due[n] > 0 and scores[n] >= due[n] for n in due if n != "Public Tests"
        }
    return found


def run_otter(otter: Path, place: Path, *arguments: object) -> None:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    command = [str(otter / "bin" / "otter"), *map(str, arguments)]
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True
    )
    if done.returncode and arguments[0] == "generate":
        sys.exit(done.stderr[-2000:])


def install_otter(place: Path) -> Path:
    """Makes an environment with otter-grader."""
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin" / "pip"), "install", "--quiet"]
    subprocess.run([*pip, "otter-grader", "ipykernel"], check=True)
    return place


def see_ours(place: Path) -> Path:
    """Lets an environment see this one's packages, TensorFlow the same among them."""
    (site,) = (place / "lib").glob("python*/site-packages")
    (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place


def child(root: Path, name: str, jobs: int) -> dict:
    command = [sys.executable, str(HERE), "--child", str(root), name, str(jobs)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def grade_ours(root: Path, name: str, jobs: int) -> dict:
    """Grades as the command does, pages and gradebook too; tells what is fixed."""
    from autograder.gradebook.given import read_given
    from autograder.gradebook.hand_back import hand_back_class, hand_back_one
    from autograder.grading.classroom import Grader, Workplace
    from autograder.grading.collect import collect
    from autograder.sandbox.host import Sandbox

    course, out = load_course(), root / "out"
    place = Workplace(out)
    place.root.mkdir(exist_ok=True)
    shutil.copy(root / GRADEBOOK, place.gradebook)
    start = time.perf_counter()
    with Sandbox(course.limits) as sandbox:
        began = time.perf_counter()
        grader = Grader(course, name, place, sandbox, jobs)
        known = time.perf_counter()
        url = place.gradebook_url
        given = read_given(url, course, name)
        found = collect(root / "submitted", name).found
        for outcome in grader.grade(found[WRONG : WRONG + 1]):
            hand_back_one(course, grader, outcome, given)
        for made in ("results", "pages", "rebuilt"):
            shutil.rmtree(place.private / made, ignore_errors=True)
        clock = time.perf_counter()
        outcomes, phases = [], defaultdict(float)
        for outcome in grader.grade(found):
            begun = time.perf_counter()
            hand_back_one(course, grader, outcome, given)
            phases["pages"] += time.perf_counter() - begun
            outcomes.append(outcome)
        begun = time.perf_counter()
        result, _ = hand_back_class(course, grader, outcomes, url)
        done = time.perf_counter()
    phases["gradebook and class page"] = done - begun
    for submission in result.submissions:
        for phase, seconds in submission.phases.items():
            phases[phase] += seconds
    right = {
        s.student: {e.id: e.score >= e.max_score for e in s.exercises}
        for s in result.submissions
    }
    return {
        "seconds": done - clock,
        "fixed": began - start,
        "records": known - began,
        "phases": phases,
        "right": right,
    }


# --- what is told -----------------------------------------------------------------


def report(runs: dict, names: list[str], each: int) -> None:
    rounds = len(runs[names[0], WAYS[0]])
    cores = len(os.sched_getaffinity(0))
    print(
        f"{len(names)} assignments, {each} submissions of each ({KINDS} for the "
        f"others), {rounds} rounds, "
        f"{cores} cores\n"
    )
    print("| | s a submission (range) | ratio (range) | peak MB | ratio at 300 |")
    print("|---|---|---|---|---|")
    base = [mean(runs, names, WAYS[0], i) for i in range(rounds)]
    for way in WAYS:
        times = [mean(runs, names, way, i) for i in range(rounds)]
        ratios = [b / t for b, t in zip(base, times, strict=True)]
        peak = max(run["peak_mb"] for name in names for run in runs[name, way])
        told = [run["result"] for name in names for run in runs[name, way]]
        starts = [t["fixed"] for t in told if "fixed" in t]
        known = [records_of(runs, name) for name in names] if starts else [0]
        fixed = statistics.mean(starts or [0]) + statistics.mean(known)
        whole = statistics.median(times) + fixed / CLASS
        print(
            f"| {way} | {span(times, 2)} | {span(ratios, 1)} | {peak:.0f} | "
            f"{statistics.median(base) / whole:.1f} |"
        )
    pages = [mean(runs, names, WAYS[0], i, "pages") for i in range(rounds)]
    whole = [b + p for b, p in zip(base, pages, strict=True)]
    print(f"\nnbgrader's feedback pages: {span(pages, 2)} s a submission. With them:")
    for way in WAYS[2:]:
        times = [mean(runs, names, way, i) for i in range(rounds)]
        ratios = [b / t for b, t in zip(whole, times, strict=True)]
        print(f"{way}: {span(ratios, 1)} times.")
    told = " | ".join([*WAYS, "ratio", "start s", "records s"])
    print(f"\n| assignment | {told} |")
    print("|---" * (len(WAYS) + 4) + "|")
    for name in names:
        times = [statistics.median(r["each"] for r in runs[name, w]) for w in WAYS]
        cells = [*(f"{t:.2f}" for t in times), f"{times[0] / times[-1]:.1f}"]
        ours = [run["result"] for run in runs[name, WAYS[3]]]
        cells.append(f"{statistics.median(o['fixed'] for o in ours):.1f}")
        cells.append(f"{records_of(runs, name):.1f}")
        print(f"| `{name}` | {' | '.join(cells)} |")
    phases = defaultdict(float)
    for name in names:
        for run in runs[name, WAYS[2]]:
            for phase, seconds in run["result"]["phases"].items():
                phases[phase] += seconds / (len(names) * each * rounds)
    told = ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in phases.items())
    print(f"\nOurs, one worker, a submission: {told}.")


def records_of(runs: dict, name: str) -> float:
    """Returns what the reference's answers took: the first time, then they are kept."""
    told = [run["result"] for way in WAYS[2:] for run in runs[name, way]]
    return max(one["records"] for one in told)


def mean(
    runs: dict, names: list[str], way: str, number: int, what: str = "each"
) -> float:
    """Returns the seconds of a submission in one round, every assignment alike."""
    return statistics.mean(runs[name, way][number][what] for name in names)


def span(numbers: list[float], digits: int) -> str:
    low, high = min(numbers), max(numbers)
    middle = statistics.median(numbers)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def agreement(runs: dict, names: list[str]) -> str:
    """Says for how many exercises the graders agree on right or not."""
    lines = []
    for way in WAYS[:2]:
        same = different = 0
        for name in names:
            ours = runs[name, WAYS[3]][0]["result"]["right"]
            theirs = runs[name, way][0]["result"]
            asked = [e.id for e in exercises.load(name) if not e.manual]
            for student in sorted(ours)[:KINDS]:
                for id in asked:
                    right = theirs.get(student, {}).get(id, False)
                    agree = ours[student][id] == right
                    same, different = same + agree, different + (not agree)
        lines.append(
            f"{way}: right or not agrees for {same} of {same + different} exercises."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
