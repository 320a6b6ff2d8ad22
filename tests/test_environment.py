"""pyproject.toml, the pinned files and environment.yml say the same."""

import re
import tomllib

import yaml
from packaging.requirements import Requirement

from alliance_helpers.paths import ROOT

PINS = {
    "requirements.txt": [],
    "requirements-test.txt": ["test", "dask", "web"],
    "requirements-seminar.txt": ["seminar"],
}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def pinned(name):
    """Name to version of one pinned file."""
    text = (ROOT / name).read_text("utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.M))


def test_every_dependency_is_pinned_within_its_range():
    extras = project()["optional-dependencies"]
    for file, names in PINS.items():
        wanted = project()["dependencies"] + [r for n in names for r in extras[n]]
        pins = pinned(file)
        for requirement in map(Requirement, wanted):
            assert requirement.specifier.contains(pins[requirement.name.lower()]), requirement


def test_the_files_agree_on_every_version():
    base = pinned("requirements.txt")
    for file in ("requirements-test.txt", "requirements-seminar.txt"):
        pins = pinned(file)
        assert {n: v for n, v in pins.items() if n in base} == base


def test_pins_have_hashes_and_no_addresses():
    for file in [*PINS, "requirements-build.txt"]:
        text = (ROOT / file).read_text("utf-8")
        blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
        assert all("--hash=sha256:" in block for block in blocks), file
        assert "://" not in text


def test_conda_users_get_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    listed = dict(
        re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line).groups()
        for line in environment["dependencies"][-1]["pip"]
    )
    assert listed == pinned("requirements-build.txt") | pinned("requirements.txt")
    assert f"python {project()['requires-python']}" in environment["dependencies"]
