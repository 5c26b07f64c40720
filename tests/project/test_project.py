"""The project's own promises: one list of packages, no strangers' addresses."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name(requirement):
    return re.split(r"[\[<>=!;~ ]", requirement, maxsplit=1)[0].lower()


def bound(requirement):
    found = re.search(r"[<>=!~][^;]*", requirement)
    return found.group(0).strip() if found else ""


def test_environment_yml_is_equivalent_to_pip():
    tree = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [d for d in tree["dependencies"] if isinstance(d, str)]
    (pip,) = [d["pip"] for d in tree["dependencies"] if isinstance(d, dict)]
    listed = {
        name(d): bound(d) for d in [*conda, *pip] if not d.startswith(("--", "python>"))
    }
    listed.pop("pip")
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"]]
    for extra in ("cpu", "staff", "dev"):
        wanted += extras[extra]
    due = {name(d): bound(d) for d in wanted}
    due.pop("tensorflow-cpu")  # conda's environment takes the plain package
    assert listed == due
    assert "--editable ." in pip
    python = next(d for d in conda if d.startswith("python"))
    assert bound(python).startswith(PROJECT["requires-python"])


def test_tensorflow_is_no_hard_dependency():
    hard = {name(d) for d in PROJECT["dependencies"]}
    assert not hard & {"tensorflow", "tensorflow-cpu", "keras"}


def test_constraints_pin_everything_and_name_no_index():
    for path in (ROOT / "constraints").iterdir():
        lines = path.read_text().splitlines()
        assert len(lines) > 50
        for line in lines:
            assert re.match(r"[A-Za-z0-9_.-]+==[^ ]+( ;.*)?$", line), line
    lines = (ROOT / "constraints" / "staff.txt").read_text().splitlines()
    pinned = {name(line) for line in lines}
    for extra in PROJECT["optional-dependencies"].values():
        for requirement in extra:
            if "gpu" not in extra and "and-cuda" not in requirement:
                assert name(requirement).replace("_", "-") in pinned


def test_readme_names_commands_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    readme = (ROOT / "README.md").read_text()
    used = set(re.findall(r"\bmake ([a-z]+)", readme))
    assert {"demo", "test"} <= used <= targets
    help_text = subprocess.run(
        [sys.executable, "-m", "autograder", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for command in re.findall(r"`autograder ([a-z]+)", readme):
        assert command in help_text


def tracked():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in listed.stdout.splitlines()]


def test_links_in_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), (page.name, target)


def test_no_generated_page_or_large_file_is_committed():
    for path in tracked():
        if path.is_file():
            records = path.suffix == ".safetensors"
            assert path.stat().st_size < (4_000_000 if records else 2_000_000), path
            assert path.suffix not in (".db", ".pyc")
