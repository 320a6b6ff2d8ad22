"""The wheel in an environment of its own, run in another folder, where nothing of the clone is."""

import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest

from alliance_helpers.paths import ROOT

SOURCE = ("alliance_helpers", "data", "notebooks")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment with the wheel in it, beside the libraries that the kit needs."""
    place = tmp_path_factory.mktemp("wheel")
    for name in SOURCE:
        shutil.copytree(ROOT / name, place / "source" / name)
    for name in FILES:
        shutil.copy(ROOT / name, place / "source")
    (place / "source" / "data" / "private").mkdir(exist_ok=True)
    (place / "source" / "data" / "private" / "clinic.yml").write_text("somebody's", "utf-8")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    how = ["--no-deps", "--no-build-isolation", "-w", place]
    subprocess.run([*pip, "wheel", *how, place / "source"], check=True, cwd=place)
    shutil.rmtree(place / "source")
    (wheel,) = place.glob("*.whl")
    venv.create(place / "env", symlinks=True)
    site = sysconfig.get_path("purelib", "venv", {"base": str(place / "env")})
    # a path of this kind brings libraries, but not what is installed there to be edited
    (place / "env" / "libraries.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    shutil.move(place / "env" / "libraries.pth", site)
    python = ["--python", place / "env" / "bin" / "python"]
    subprocess.run([*pip, *python, "install", "--no-deps", wheel], check=True, cwd=place)
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
    assert "report.html" in alliance(installed, "run", "--data", "study", "--out", "first")
    alliance(installed, "run", "-p", "scenario", "halo", "-p", "n_clients", "40")
    assert (installed / "elsewhere" / "results" / "latest" / "report.html").is_file()


def test_it_carries_no_private_file(installed):
    carried = next((installed / "env" / "lib").glob("*/site-packages/alliance_helpers/carried"))
    assert not list(carried.rglob("*private*"))
    assert len(list(carried.rglob("*.ipynb"))) == len(list((ROOT / "notebooks").glob("*_*.ipynb")))
