"""Where scores can be computed, on each system, and that torch is asked only where there may be a GPU."""

import ctypes
import logging
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ml.errors import DetectorError
from ml.runtime import devices
from ml.runtime.devices import best_device, usable_device

NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE: also where CUDA_VISIBLE_DEVICES hides them all


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(devices, "_AMD_DRIVER", tmp_path / "kfd")
    _forget()
    yield
    _forget()


def _forget() -> None:
    devices._may_have_gpu.cache_clear()
    devices._best_of_torch.cache_clear()


class _Machine:
    """A system with a driver of some answer, or none, and a torch that says what it finds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.opened: list[str] = []
        self.asked_torch = 0

    def system(self, name: str, machine: str = "x86_64") -> None:
        self._monkeypatch.setattr(sys, "platform", name)
        self._monkeypatch.setattr(platform, "machine", lambda: machine)

    def driver(self, answer: int | None, *, has_init: bool = True) -> None:
        def opened(name: str) -> Any:
            self.opened.append(name)
            if answer is None:
                raise OSError(f"{name}: cannot open shared object file")
            return SimpleNamespace(cuInit=lambda flags: answer) if has_init else object()

        self._monkeypatch.setattr(ctypes, "CDLL", opened)

    def torch(self, *, cuda: bool = False, mps: bool = False, fails: str = "") -> None:
        def is_available() -> bool:
            self.asked_torch += 1
            return cuda

        def ones(*_: object, device: str) -> Any:
            assert device == "cuda"
            if fails:
                raise RuntimeError(fails)
            return SimpleNamespace(add=lambda _: SimpleNamespace(item=lambda: 2.0))

        stand_in = SimpleNamespace(
            cuda=SimpleNamespace(is_available=is_available),
            backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps)),
            ones=ones,
        )
        self._monkeypatch.setitem(sys.modules, "torch", stand_in)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> _Machine:
    return _Machine(monkeypatch)


@pytest.mark.parametrize(("system", "library"), [("linux", "libcuda.so.1"), ("win32", "nvcuda.dll")])
def test_that_torch_is_not_asked_where_no_driver_finds_a_gpu(machine: _Machine, system: str, library: str) -> None:
    machine.system(system)
    machine.torch(cuda=True)
    for answer, has_init in ((None, True), (NO_DEVICE, True), (0, False)):
        _forget()
        machine.driver(answer, has_init=has_init)
        assert best_device() == "cpu"
    assert machine.opened == [library] * 3
    assert machine.asked_torch == 0


@pytest.mark.parametrize("system", ["linux", "win32"])
@pytest.mark.parametrize(("has_cuda", "expected"), [(True, "cuda"), (False, "cpu")])
def test_that_torch_decides_where_a_driver_finds_a_gpu(
    machine: _Machine, system: str, has_cuda: bool, expected: str
) -> None:
    machine.system(system)
    machine.driver(0)
    machine.torch(cuda=has_cuda)  # none: torch was built without it
    assert [best_device(), best_device()] == [expected] * 2
    assert machine.asked_torch == 1


def test_that_an_amd_gpu_is_asked_of_torch(machine: _Machine) -> None:
    machine.system("linux")
    machine.driver(None)
    machine.torch(cuda=True)  # as torch calls ROCm
    devices._AMD_DRIVER.touch()
    assert best_device() == "cuda"


@pytest.mark.parametrize(
    ("processor", "has_mps", "expected"), [("arm64", True, "mps"), ("arm64", False, "cpu"), ("x86_64", True, "cpu")]
)
def test_that_a_mac_has_a_gpu_where_its_processor_is_apples(
    machine: _Machine, processor: str, has_mps: bool, expected: str
) -> None:
    machine.system("darwin", processor)
    machine.torch(mps=has_mps)
    assert best_device() == expected


def test_that_a_gpu_that_cannot_compute_leaves_it_to_the_processor_and_is_told(
    machine: _Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.system("linux")
    machine.driver(0)
    machine.torch(cuda=True, fails="CUDA error: no kernel image is available for execution on the device\nmore")
    with caplog.at_level(logging.WARNING):
        assert best_device() == "cpu"
    assert caplog.messages == [
        "The GPU cannot be used, the processor computes: "
        "CUDA error: no kernel image is available for execution on the device"
    ]
    with pytest.raises(DetectorError, match="no device 'cuda'"):
        usable_device("cuda")


def test_that_the_processor_can_be_chosen_beside_a_gpu(machine: _Machine) -> None:
    machine.system("linux")
    machine.driver(0)
    machine.torch(cuda=True)
    assert [usable_device(wanted) for wanted in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    with pytest.raises(DetectorError, match=r"Choose one of 'auto', 'cpu', 'cuda'\."):
        usable_device("mps")
