import subprocess
import sys

import pytest
import torch

from ml import threads


def _in_fresh_interpreter(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_that_importing_it_imports_no_torch() -> None:
    assert _in_fresh_interpreter("import sys, ml.threads; print('torch' in sys.modules)") == "False"


def test_that_threads_wait_passively_when_torch_comes_later() -> None:
    code = "import os; from ml import threads; threads.configure(2); import torch; "
    code += "print(os.environ['OMP_WAIT_POLICY'], os.environ['KMP_BLOCKTIME'], torch.get_num_threads())"
    assert _in_fresh_interpreter(f"import os; os.environ.pop('OMP_WAIT_POLICY', None); {code}") == "PASSIVE 0 2"


def test_that_the_users_environment_is_respected() -> None:
    code = "import os; os.environ['OMP_WAIT_POLICY'] = 'ACTIVE'; from ml import threads; threads.configure(1); "
    assert _in_fresh_interpreter(f"{code} print(os.environ['OMP_WAIT_POLICY'])") == "ACTIVE"


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 1), (4, 3), (16, 4)])
def test_that_a_core_is_left_to_the_window(monkeypatch: pytest.MonkeyPatch, cores: int, expected: int) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda logical: cores)
    assert threads.default_threads() == expected


def test_that_configuring_sets_torchs_threads() -> None:
    before = torch.get_num_threads()
    try:
        assert threads.configure(1) == torch.get_num_threads() == 1
        assert threads.configure(0) == 1
    finally:
        torch.set_num_threads(before)


def test_that_the_probe_tells_milliseconds_by_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 1)
    found = threads.probe()
    assert [setting.words for setting in found] == ["ONNX Runtime, 1 thread", "torch, 1 thread"]
    assert min(found.values()) > 0


def test_that_settings_are_named_in_words() -> None:
    settings = (threads.ThreadSetting("onnx", 2), threads.ThreadSetting("torch", 2, is_spinning=True))
    assert [setting.words for setting in settings] == ["ONNX Runtime, 2 threads", "torch, 2 threads, spinning"]


def test_that_a_setting_that_cannot_be_measured_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 1)
    monkeypatch.setattr("ml.threads.PROBE_TIMEOUT_S", 0.01)
    assert threads.probe() == {}


@pytest.mark.parametrize(("part_s", "rounds"), [(0.01, 7), (0.07, 5), (2.0, 3)])
def test_that_the_slower_the_model_the_fewer_repeats_settle_its_threads(
    monkeypatch: pytest.MonkeyPatch, part_s: float, rounds: int
) -> None:
    now = [0.0]
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 2)
    monkeypatch.setattr("ml.threads.time.perf_counter", lambda: now[0])
    used: list[int] = []

    def work() -> None:
        now[0] += part_s / used[-1]

    assert threads.settle(used.append, work) == 2
    assert len(used) == 2 * rounds + 1
