"""The project's virtual environment: complete and as pinned, or not there at all.

`.venv` carries a stamp with a fingerprint of everything that decides its content. A change of pins builds a new
environment while the old one, whole, is set aside (an environment works in one place only, but moving it away and back
is safe); it comes back when the new one fails. Only the stamp, written last, makes an environment count: whatever an
interruption or a power cut leaves is put right by the next start, before anything else.
"""

import hashlib
import json
import os
import shutil
import sys
import sysconfig
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from installer import system_packages
from installer.errors import SetUpError
from installer.lock import exclusive
from installer.processes import last_lines, run_logged

PROJECT = Path(__file__).resolve().parent.parent

# What is installed (7 GB where PyTorch brings the CUDA libraries) and the wheels that pip holds while it installs them.
BRINGS_CUDA = sysconfig.get_platform() == "linux-x86_64"
NEEDED_GB = 10 if BRINGS_CUDA else 4
EXPECTATION = "7 GB, two to three minutes on a fast line" if BRINGS_CUDA else "2 GB, a few minutes"

REASONS = (
    ("No space left on device", "The disk is full. Make room and start again."),
    ("Temporary failure in name resolution", "The package index cannot be reached. Check the network and start again."),
    ("getaddrinfo failed", "The package index cannot be reached. Check the network and start again."),
    ("Failed to establish a new connection", "The package index cannot be reached. Check the network and start again."),
    ("Read timed out", "The package index does not answer. Check the network and start again."),
    ("CERTIFICATE_VERIFY_FAILED", "The package index's certificate is not trusted. Set PIP_CERT to your network's."),
    (
        "No matching distribution found",
        "A pinned package is not offered for this Python and system, or there is no network.",
    ),
    ("Permission denied", "A file or folder may not be written. Check who owns the project's folder."),
)


@dataclass(frozen=True)
class Places:
    """Where one checkout keeps its environment and the set-up's own files."""

    project: Path

    @property
    def venv(self) -> Path:
        return self.project / ".venv"

    @property
    def python(self) -> Path:
        return self.script("python")

    @property
    def stamp(self) -> Path:
        return self.venv / "loupe-set-up.json"

    @property
    def work(self) -> Path:
        return self.project / ".venv.setup"

    @property
    def log(self) -> Path:
        return self.work / "set-up.log"

    @property
    def previous(self) -> Path:
        """The last complete environment, while its successor is being built."""
        return self.work / "previous"

    @property
    def discarded(self) -> Path:
        """What is being deleted: moved here first, so that `.venv` is never a half-deleted one."""
        return self.work / "discarded"

    @property
    def temporary(self) -> Path:
        """pip's downloads: on the disk whose space was checked, and swept by the next set-up after a power cut."""
        return self.work / "temporary"

    def script(self, name: str) -> Path:
        """A program of the environment, such as `python` or `lint-imports`."""
        return self.venv / ("Scripts" if os.name == "nt" else "bin") / (f"{name}.exe" if os.name == "nt" else name)


@dataclass(frozen=True)
class Stamp:
    """What `.venv` holds. No fingerprint: it is being built. `adding`: extras whose installation has begun."""

    fingerprint: str | None
    extras: tuple[str, ...] = ()
    adding: tuple[str, ...] = ()


Build = Callable[[Places, Sequence[str], bool, int], None]
"""Installs into `.venv`: places, extras, whether `.venv` is a new one, the lock's descriptor for children to keep."""


def fingerprint(places: Places) -> str:
    """Everything that decides what an environment holds: pins, dependencies, entry points, the Python and the folder.

    Of pyproject.toml only what reaches the installation counts, so that a linter's setting does not cost a rebuild.
    """
    pyproject = tomllib.loads((places.project / "pyproject.toml").read_text(encoding="utf-8"))
    content = {
        "constraints": (places.project / "installer" / "constraints.txt").read_text(encoding="utf-8"),
        "build": [pyproject["build-system"], pyproject["project"], pyproject.get("tool", {}).get("setuptools")],
        "python": [sys.implementation.name, *sys.version_info[:3], sysconfig.get_platform()],
        "folder": str(places.project),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_stamp(places: Places) -> Stamp | None:
    """The stamp of `.venv`; None when there is no `.venv`, or one that set-up did not make."""
    try:
        fields = json.loads(places.stamp.read_text(encoding="utf-8"))
        return Stamp(fields["fingerprint"], tuple(fields["extras"]), tuple(fields["adding"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_ready(places: Places, extras: Sequence[str] = ()) -> bool:
    """Whether `.venv` is complete, as pinned, and has the extras."""
    stamp = read_stamp(places)
    return (
        stamp is not None
        and stamp.fingerprint == fingerprint(places)
        and set(extras) <= set(stamp.extras)
        and places.python.exists()
    )


def prepare(places: Places, extras: Sequence[str] = (), build: Build | None = None) -> Path:
    """Make `.venv` ready when it is not, and return its Python. Raises SetUpError; then `.venv` is as it was before."""
    places.work.mkdir(exist_ok=True)
    if is_ready(places, extras):
        return places.python
    with exclusive(places.work / "lock", _say_waiting) as lock:
        recover(places)
        if not is_ready(places, extras):
            _set_up(places, extras, build or install, lock)
    return places.python


def recover(places: Places) -> None:
    """Put right what an interrupted set-up left: call it only while holding the lock."""
    _delete(places.discarded)
    _delete(places.temporary)
    stamp = read_stamp(places)
    if stamp is not None and stamp.fingerprint is None:
        _discard(places, places.venv)
    if places.previous.exists():
        if places.venv.exists():
            _discard(places, places.previous)
        else:
            places.previous.rename(places.venv)


def check_disk_space(folder: Path, needed_gb: float) -> None:
    """Raise SetUpError when the disk would be full before set-up is done."""
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < needed_gb:
        raise SetUpError(
            f"Set-up needs {needed_gb:.0f} GB of free disk space; {folder} has {free_gb:.1f} GB.\n"
            "Make room and start again. An old .venv folder is kept until its successor is complete; it may be deleted."
        )


def install(places: Places, extras: Sequence[str], is_new: bool, lock: int) -> None:
    """Make the virtual environment when it is new, and install the project with its pinned dependencies into it."""
    if is_new:
        # The base interpreter: an environment that set-up was started from may be the one that is being replaced.
        base = getattr(sys, "_base_executable", sys.executable)
        _run(places, lock, "Python could not make the virtual environment", [base, "-I", "-m", "venv", places.venv])
    pip: list[str | Path] = [places.python, "-I", "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    pip += ["--disable-pip-version-check", "--constraint", places.project / "installer" / "constraints.txt"]
    # The build tool is pinned like the rest; a build in isolation would fetch the newest one.
    _run(places, lock, "pip could not install the build tool", [*pip, "setuptools"])
    target = str(places.project) + (f"[{','.join(sorted(extras))}]" if extras else "")
    project: list[str | Path] = [*pip, "--no-build-isolation", "--editable", target]
    _run(places, lock, "pip could not install the packages", project)


def _set_up(places: Places, extras: Sequence[str], build: Build, lock: int) -> None:
    started = time.monotonic()
    places.log.write_bytes(b"")
    system_packages.require(system_packages.missing_for_venv(), places.log)
    stamp = read_stamp(places)
    if stamp is not None and stamp.fingerprint == fingerprint(places) and places.python.exists() and not stamp.adding:
        print(f"Adding to {places.venv}: {', '.join(sorted(set(extras) - set(stamp.extras)))}.", flush=True)
        _add(places, stamp, extras, build, lock)
    else:
        check_disk_space(places.project, NEEDED_GB)
        print(f"Setting Loupe up in {places.venv} ({EXPECTATION}).\nDetails: {places.log}", flush=True)
        _replace(places, extras, build, lock)
    print(f"Set-up is complete ({time.monotonic() - started:.0f} s).", flush=True)


def _replace(places: Places, extras: Sequence[str], build: Build, lock: int) -> None:
    if places.venv.exists():
        _set_aside(places)
    try:
        _start_empty(places)
        build(places, extras, True, lock)
        _flush_to_disk()
        _write_stamp(places.stamp, Stamp(fingerprint(places), tuple(sorted(extras))))
    except BaseException:
        _discard(places, places.venv)
        if places.previous.exists():
            places.previous.rename(places.venv)
        raise
    _discard(places, places.previous)


def _add(places: Places, stamp: Stamp, extras: Sequence[str], build: Build, lock: int) -> None:
    """Install further extras in place: the pins are the same, so nothing that is there changes.

    A failure leaves `adding` in the stamp: the station still starts; the next set-up that wants extras starts afresh.
    """
    wanted = tuple(sorted({*stamp.extras, *extras}))
    _write_stamp(places.stamp, replace(stamp, adding=wanted))
    build(places, wanted, False, lock)
    _write_stamp(places.stamp, replace(stamp, extras=wanted))


def _start_empty(places: Places) -> None:
    """Make `.venv` in one step with the stamp that says it is being built: it never looks like somebody's own."""
    fresh = places.work / "fresh"
    _delete(fresh)
    fresh.mkdir()
    _write_stamp(fresh / places.stamp.name, Stamp(None))
    fresh.rename(places.venv)


def _set_aside(places: Places) -> None:
    try:
        places.venv.rename(places.previous)
    except PermissionError as error:
        raise SetUpError(f"{places.venv} is in use. Close Loupe and start again.") from error


def _write_stamp(path: Path, stamp: Stamp) -> None:
    temporary = path.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(asdict(stamp), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _flush_to_disk() -> None:
    """The stamp may not reach the disk before what it vouches for."""
    if hasattr(os, "sync"):
        os.sync()


def _discard(places: Places, folder: Path) -> None:
    if folder.exists():
        _delete(places.discarded)
        folder.rename(places.discarded)
        _delete(places.discarded)


def _delete(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _run(places: Places, lock: int, failure: str, command: Sequence[str | Path]) -> None:
    places.temporary.mkdir(exist_ok=True)
    folder = str(places.temporary)
    # A person's own `user = true` for pip does not apply to an environment.
    environment = {**os.environ, "TMPDIR": folder, "TEMP": folder, "TMP": folder, "PIP_USER": "0"}
    try:
        status = run_logged(command, places.log, environment, inherit=(lock,))
    finally:
        _delete(places.temporary)
    if status != 0:
        raise SetUpError(failure_report(failure, places.log))


def failure_report(failure: str, log: Path) -> str:
    """What failed, and why: the telling line of the log with advice, or the log's end where no line is known."""
    lines = last_lines(log, 200)
    known = next(((advice, line) for sign, advice in REASONS for line in lines if sign in line), None)
    advice, shown = (known[0], [known[1]]) if known else ("The last lines of the log tell why.", lines[-8:])
    quoted = "\n".join(f"    {line}" for line in shown)
    return f"Set-up failed: {failure}. {advice}\nNothing half-made was left behind. From {log}:\n{quoted}"


def _say_waiting() -> None:
    print("Another set-up is at work here; waiting until it is done.", flush=True)
