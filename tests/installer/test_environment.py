import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from installer import environment
from installer.environment import PROJECT, Places, Stamp, fingerprint, is_ready, prepare, read_stamp
from installer.errors import SetUpError
from tests.installer.conftest import FakeBuild


def change_pins(places: Places) -> None:
    constraints = places.project / "installer" / "constraints.txt"
    constraints.write_text(constraints.read_text() + "another==1.0\n")


def test_that_a_second_start_installs_nothing(places: Places, build: FakeBuild) -> None:
    assert prepare(places, build=build) == places.python
    prepare(places, build=build)
    assert build.calls == [((), True)]


def test_that_changed_pins_build_a_new_environment(places: Places, build: FakeBuild) -> None:
    prepare(places, build=build)
    change_pins(places)
    assert not is_ready(places)
    prepare(places, build=build)
    assert build.calls == [((), True), ((), True)]
    assert places.python.read_text() == "build 2"
    assert not places.previous.exists()


def test_that_a_linter_setting_changes_nothing_and_a_dependency_does(places: Places) -> None:
    pyproject = places.project / "pyproject.toml"
    before = fingerprint(places)
    pyproject.write_text(pyproject.read_text().replace("line-length = 120", "line-length = 99"))
    assert fingerprint(places) == before
    pyproject.write_text(pyproject.read_text().replace('"psutil>=6.1"', '"psutil>=7"'))
    assert fingerprint(places) != before


def test_that_a_moved_checkout_is_set_up_anew(places: Places, build: FakeBuild) -> None:
    prepare(places, build=build)
    moved = Places(places.project.rename(places.project.with_name("moved")))
    assert not is_ready(moved)


def test_that_a_first_set_up_that_ends_early_leaves_nothing(
    places: Places, build: FakeBuild, failure: BaseException
) -> None:
    build.fail_with(failure)
    with pytest.raises(type(failure)):
        prepare(places, build=build)
    assert not places.venv.exists()
    assert {path.name for path in places.work.iterdir()} <= {"lock", "set-up.log"}


def test_that_a_failed_upgrade_gives_the_old_environment_back(
    places: Places, build: FakeBuild, failure: BaseException
) -> None:
    prepare(places, build=build)
    stamp = read_stamp(places)
    change_pins(places)
    build.fail_with(failure)
    with pytest.raises(type(failure)):
        prepare(places, build=build)
    assert read_stamp(places) == stamp
    assert places.python.read_text() == "build 1"
    assert not is_ready(places)  # it is whole, but not what this checkout asks for


def test_that_a_set_up_cut_off_by_a_power_cut_is_thrown_away_and_the_old_one_found_again(
    places: Places, build: FakeBuild
) -> None:
    prepare(places, build=build)
    old = fingerprint(places)
    # What lies there after the plug was pulled in the middle of an upgrade:
    places.venv.rename(places.previous)
    environment._start_empty(places)
    places.discarded.mkdir()
    (places.discarded / "half-deleted").touch()
    assert not is_ready(places)
    environment.recover(places)
    assert read_stamp(places) == Stamp(old)
    assert is_ready(places)
    assert not places.previous.exists()
    assert not places.discarded.exists()


def test_that_a_complete_new_environment_outlives_a_cut_while_the_old_one_was_being_removed(
    places: Places, build: FakeBuild
) -> None:
    prepare(places, build=build)
    places.previous.mkdir()
    environment.recover(places)
    assert is_ready(places)
    assert not places.previous.exists()


def test_that_test_tools_are_added_to_a_complete_environment(places: Places, build: FakeBuild) -> None:
    prepare(places, build=build)
    assert not is_ready(places, ("test",))
    prepare(places, ("test",), build=build)
    assert build.calls == [((), True), (("test",), False)]
    assert is_ready(places, ("test",))
    assert is_ready(places)


def test_that_a_failed_addition_keeps_the_station_and_is_not_built_upon(
    places: Places, build: FakeBuild, failure: BaseException
) -> None:
    prepare(places, build=build)
    build.fail_with(failure)
    with pytest.raises(type(failure)):
        prepare(places, ("test",), build=build)
    assert is_ready(places)
    build.fail_with(None)
    prepare(places, ("test",), build=build)
    assert build.calls[-1] == (("test",), True)
    assert is_ready(places, ("test",))


def test_that_an_environment_somebody_made_by_hand_comes_back_when_set_up_fails(
    places: Places, build: FakeBuild, failure: BaseException
) -> None:
    places.venv.mkdir()
    (places.venv / "theirs").touch()
    build.fail_with(failure)
    with pytest.raises(type(failure)):
        prepare(places, build=build)
    assert (places.venv / "theirs").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"fingerprint": "x"}'])
def test_that_an_unreadable_stamp_counts_as_none(places: Places, content: str) -> None:
    places.venv.mkdir()
    places.stamp.write_text(content)
    assert read_stamp(places) is None


def test_that_an_environment_without_its_python_is_built_again(places: Places, build: FakeBuild) -> None:
    prepare(places, build=build)
    places.python.unlink()
    prepare(places, build=build)
    assert [is_new for _, is_new in build.calls] == [True, True]


def test_that_too_little_disk_space_is_told_before_anything_is_done(
    places: Places, build: FakeBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "NEEDED_GB", 1e9)
    with pytest.raises(SetUpError, match=r"needs 1000000000 GB of free disk space"):
        prepare(places, build=build)
    assert build.calls == []


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "The disk is full"),
        ("WARNING: Retrying: Temporary failure in name resolution", "Check the network"),
        ("ERROR: No matching distribution found for torch==2.14.1", "not offered for this Python"),
        ("ERROR: something new", "The last lines of the log tell why"),
    ],
)
def test_that_a_failure_is_told_with_its_reason_and_what_the_log_says(tmp_path: Path, line: str, advice: str) -> None:
    log = tmp_path / "set-up.log"
    log.write_text(f"Collecting torch\n{line}\n\n")
    report = environment.failure_report("pip could not install the packages", log)
    assert advice in report
    assert str(log) in report
    assert report.endswith(f"    {line}")


def test_that_every_dependency_is_pinned_within_its_range() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    constraints = (PROJECT / "installer" / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in constraints if line and not line.startswith("#")]
    for needed in map(Requirement, project["dependencies"] + project["optional-dependencies"]["test"]):
        versions = [str(pin.specifier)[2:] for pin in pins if canonicalize_name(pin.name) == needed.name]
        assert versions, f"{needed.name} has no pin"
        assert all(needed.specifier.contains(version) for version in versions), f"{needed}: {versions}"


def test_that_torch_has_one_pin_on_each_platform() -> None:
    constraints = (PROJECT / "installer" / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in constraints if line.startswith("torch==")]

    def pinned(system: str, machine: str) -> list[str]:
        where = {"sys_platform": system, "platform_machine": machine}
        return [str(pin.specifier) for pin in pins if pin.marker and pin.marker.evaluate(where)]

    assert pinned("linux", "x86_64") == pinned("darwin", "arm64") == pinned("win32", "AMD64") == ["==2.14.1"]
    assert pinned("linux", "aarch64") == ["==2.9.1"]
