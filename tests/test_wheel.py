"""The wheel in an environment of its own, run in another folder, where nothing of the clone is."""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from glob import glob
from hashlib import sha256
from pathlib import Path

import pytest

from alliance_helpers.paths import ROOT

UV = Path(sys.executable).parent / "uv"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PLACES = ("~/.pyenv/versions/{}.*/bin/python", "~/.local/share/uv/python/cpython-{}.*/bin/python")

SOURCE = ("alliance_helpers", "data", "notebooks")
PIP = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


def interpreter(version):
    """A Python of that version on this machine, if there is one that starts."""
    found = [shutil.which(f"python{version}")]
    found += [
        path for place in PLACES for path in glob(str(Path(place.format(version)).expanduser()))
    ]
    for python in filter(None, found):
        if subprocess.run([python, "-c", "import ensurepip"], capture_output=True).returncode == 0:
            return python
    return None


def libraries(python, version) -> str:
    """Where the libraries are: those of this test, or of another Python, installed only once."""
    if version == HERE:
        return sysconfig.get_path("purelib")
    wanted = ROOT / "requirements.txt"
    digest = sha256(wanted.read_bytes()).hexdigest()[:12]
    kept = Path(tempfile.gettempdir(), f"kit-libraries-{version}-{digest}")
    if not kept.is_dir():
        with tempfile.TemporaryDirectory(dir=kept.parent) as new:
            into = ["--python", python, "--target", f"{new}/all", "-r", wanted]
            how = ["pip", "install", "-q", "--offline", *into]  # from this machine's cache
            if subprocess.run([UV, *how], capture_output=True).returncode:
                pytest.skip(f"the libraries for Python {version} are not on this machine")
            Path(new, "all").rename(kept)
    return str(kept)


def environment(place, version):
    """A new environment beside libraries."""
    python = sys.executable if version == HERE else interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    subprocess.run([python, "-m", "venv", "--without-pip", place / "env"], check=True)
    (site,) = (place / "env" / "lib").glob("*/site-packages")
    # a path of this kind brings libraries, but not what is installed there to be edited
    (site / "libraries.pth").write_text(libraries(python, version), "utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, made of the sources and of somebody's private file among them."""
    place = tmp_path_factory.mktemp("wheel")
    for name in SOURCE:
        shutil.copytree(ROOT / name, place / "source" / name)
    for name in FILES:
        shutil.copy(ROOT / name, place / "source")
    (place / "source" / "data" / "private").mkdir(exist_ok=True)
    (place / "source" / "data" / "private" / "clinic.yml").write_text("somebody's", "utf-8")
    how = ["--no-deps", "--no-build-isolation", "-w", place]
    subprocess.run([*PIP, "wheel", *how, place / "source"], check=True, cwd=place)
    (made,) = place.glob("*.whl")
    return made


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13"])
def installed(tmp_path_factory, wheel, request):
    """An environment with the wheel in it, beside the libraries that the kit needs."""
    place = tmp_path_factory.mktemp("installed")
    environment(place, request.param)
    python = ["--python", place / "env" / "bin" / "python"]
    subprocess.run([*PIP, *python, "install", "--no-deps", wheel], check=True, cwd=place)
    return place


def alliance(installed, *command) -> str:
    folder = installed / "elsewhere"
    folder.mkdir(exist_ok=True)
    run = subprocess.run(
        [installed / "env" / "bin" / "alliance", *command], cwd=folder, capture_output=True,
        text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_every_command_works_elsewhere(installed):
    alliance(installed, "simulate", "--n-clients", "40", "--out", "study")
    drafted = alliance(installed, "describe", "study")
    assert "client_alliance" in drafted
    assert str(installed) not in drafted
    assert "No problems found" in alliance(installed, "check", "--data", "study")
    assert "report.html" in alliance(installed, "run", "--data", "study", "-p", "n_perm", "19")
    assert (installed / "elsewhere" / "results" / "latest" / "report.html").is_file()


def test_it_carries_no_private_file(installed):
    carried = next((installed / "env" / "lib").glob("*/site-packages/alliance_helpers/carried"))
    assert not list(carried.rglob("*private*"))
    assert len(list(carried.rglob("*.ipynb"))) == len(list((ROOT / "notebooks").glob("*_*.ipynb")))
