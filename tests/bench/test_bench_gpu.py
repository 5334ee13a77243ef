"""`bench gpu` without a GPU: what it keeps, when it stops, what it refuses, and what it sees.

The kernels' part is played by torch here; tests/kernels plays it with the kernels themselves.
"""

import json
import os
import subprocess
import sys

import pytest
import torch

from bnkit.__main__ import main
from bnkit.bench import gpu, gpu_arms, gpu_cases, gpu_device, gpu_measure
from bnkit.bench.gpu_cases import CASES, TINY, Accuracy, Case, Stack
from bnkit.sweep.origin import commit

# torch compiles its own rules by torch.jit.script, on first use.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")

ARMS = ("eager", "compile", "kernels")


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu_arms, "ours", gpu_arms.eager)


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("BNKIT_COMMIT", "0" * 40)
    monkeypatch.setenv("BNKIT_CLEAN", "1")
    commit.cache_clear()
    yield tmp_path / "new folder" / "record.json"
    commit.cache_clear()


def bench(out, *more):
    return main(["bench", "gpu", "--tiny", "--out", str(out), *more])


@pytest.fixture
def measured(monkeypatch):
    """Names of the cases measured, by something that takes no time."""
    names = []

    def measure(case, device):
        names.append(case.name)
        return {"arms": {"kernels": {"step": 1.0, "seed_steps_per_second": 1.0}}}

    monkeypatch.setattr(gpu_measure, "measure", measure)
    return names


# Refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("gpu", "no CUDA device: `bench gpu` measures one; `--tiny` rehearses on the CPU"),
        ("tiles", "no CUDA device"),
        ("gpu --tiny", "--tiny is a rehearsal: name a file for its record by --out"),
        ("gpu --seconds 0", "--seconds 0.0: give a number above 0"),
        ("gpu --seconds nan", "--seconds nan: give a number above 0"),
        ("tiles --seconds -3", "--seconds -3.0: give a number above 0"),
        ("gpu --seconds many", "invalid float value: 'many'"),
        ("gpu extra", "unrecognized arguments: extra"),
        ("nonsense", "invalid choice: 'nonsense'"),
        ("", "the following arguments are required: WHAT"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(arguments, message, capsys):
    try:
        code = main(["bench", *arguments.split()])
    except SystemExit as stop:
        code = stop.code
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.slow
def test_it_starts_where_there_is_torch_but_no_notebook_stack():
    absent = (
        "jupyter", "jupyter_core", "papermill", "pooch", "plotly", "dask", "distributed",
        "tqdm", "psutil", "yaml", "nbformat", "nbclient", "ipykernel", "IPython", "myst_nb",
        "jupyterquiz",
    )  # fmt: skip
    code = (
        f"import sys\nfor name in {absent}: sys.modules[name] = None\n"
        "from bnkit.__main__ import main\nsys.exit(main(['bench', 'gpu']))"
    )
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=hidden
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no CUDA device")


# The record


def test_every_call_does_what_is_missing_and_nothing_twice(out, measured, capsys):
    for _ in range(3):  # a budget that one case exceeds: one case a call
        assert bench(out, "--seconds", "1e-9") == 0
    assert len(measured) == 3
    assert "3 of 7 cases" in capsys.readouterr().out
    assert bench(out) == 0
    assert measured == [case.name for case in TINY]
    assert bench(out) == 0
    assert len(measured) == len(TINY)
    document = json.loads(out.read_text())
    assert [document["cases"][name]["session"] for name in measured] == [0, 1, 2, 3, 3, 3, 3]


def test_a_case_that_would_end_after_the_budget_is_not_begun(out, measured, monkeypatch):
    clock = iter(range(0, 10_000, 10))  # every look at the clock, ten seconds have passed
    monkeypatch.setattr(gpu.time, "monotonic", lambda: next(clock))
    assert bench(out, "--seconds", "75") == 0
    # start 0; first case 10-20, so 10 s long; second: 40 + 10 <= 75; third: 70 + 10 is too late
    assert len(measured) == 2


def test_what_was_finished_is_kept_when_it_is_stopped(out, measured, monkeypatch):
    measure = gpu_measure.measure

    def stopped(case, device):
        if len(measured) == 2:
            raise KeyboardInterrupt
        return measure(case, device)

    monkeypatch.setattr(gpu_measure, "measure", stopped)
    assert bench(out) == 130
    assert len(json.loads(out.read_text())["cases"]) == 2
    monkeypatch.setattr(gpu_measure, "measure", measure)
    assert bench(out) == 0
    assert len(measured) == len(TINY)


def test_a_session_says_when_by_what_and_on_what(out, measured):
    bench(out)
    (session,) = json.loads(out.read_text())["sessions"]
    assert session["commit"] == "0" * 40
    assert session["clean"] is True
    assert session["device"] == "rehearsal on a CPU"
    assert session["torch"] == torch.__version__
    assert session["date"].endswith("+00:00")


@pytest.mark.parametrize("key", ["BNKIT_COMMIT", "BNKIT_CLEAN"])
def test_times_of_other_code_are_not_added_to_a_record(key, out, measured, monkeypatch, capsys):
    bench(out)
    before = out.read_bytes()
    monkeypatch.setenv(key, "2")
    commit.cache_clear()
    assert bench(out) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(out) in line
    assert "name another file by --out" in line
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 0}', '{"schema": 1}', '{"schema": 1, "sessions": 3}']
)
def test_a_file_that_is_no_record_is_refused_and_left(text, out, measured, capsys):
    out.parent.mkdir()
    out.write_text(text)
    assert bench(out) == 2
    assert "is no record of `bench gpu`" in capsys.readouterr().err
    assert out.read_text() == text


def test_by_default_a_record_is_named_after_its_device(out, measured, home):
    device = gpu_device.Rehearsal()
    device.name = "NVIDIA H200 (80 GB)"
    assert gpu.run(seconds=1e-9, out=None, tiny=False, device=device) == 0
    assert (home / "data" / "records" / "gpu" / "nvidia-h200-80-gb.json").is_file()


# The measurement


@pytest.mark.slow
def test_a_rehearsal_measures_every_arm_of_every_kind_of_case(out):
    assert bench(out) == 0
    cases = json.loads(out.read_text())["cases"]
    assert set(cases) == {case.name for case in TINY}
    for case in TINY:
        report = cases[case.name]
        assert report["seconds"] >= 0
        assert isinstance(report["seed"], int)
        if isinstance(case, Stack):
            speed = report["arms"]["eager"]
            assert speed["seed_steps_per_second"] == case.num_seeds / speed["step"]
            continue
        assert tuple(report["arms"]) == tuple(sorted(ARMS))
        for arm in report["arms"].values():
            assert "error" not in arm
            if isinstance(case, Accuracy):
                assert 0 <= arm["var_relative_error"] < 1e-4
                continue
            passes = {"forward", "backward", "both"} if case.backward else {"forward"}
            assert set(arm["share_of_copy"]) == set(arm["share_of_copy_read_once"]) == passes
            assert all(arm[name] > 0 for name in (*passes, "called"))
            assert all(len(arm[f"{name}_rounds"]) == gpu_measure.ROUNDS for name in passes)
            assert set(arm["relative_errors"]) >= {"y", "dx", "dgamma", "dbeta"}


def test_shares_are_bytes_over_time_beside_those_of_a_copy():
    # A copy (2 S) takes 2 s. 3 S in 4 s is 3/4 of its speed; 5 S in 5 s is as fast.
    case = Case("bn", (2, 2), "float32", "contiguous")
    times = {"forward": 4.0, "backward": 5.0, "both": 9.0}
    shares = gpu_measure._shares(times, case, 2.0)
    assert shares["share_of_copy"] == pytest.approx(
        {"forward": 3 / 4, "backward": 1.0, "both": 8 / 9}
    )
    assert shares["share_of_copy_read_once"]["forward"] == pytest.approx(2 / 4)


def test_medians_are_of_all_rounds_and_of_each():
    rounds = [[(1.0, 2.0), (3.0, 4.0)], [(5.0, 6.0), (7.0, 8.0)]]
    report = gpu_measure._medians(rounds)
    assert report["forward"] == 4.0
    assert report["forward_rounds"] == [2.0, 6.0]
    assert report["both"] == 9.0  # of 3, 7, 11, 15


def wrong_by_a_hundredth(parameters, *, relu):
    right = gpu_arms.eager(parameters, relu=relu)
    return lambda x, residual: 1.01 * right(x, residual)


def unwritten_in_part(parameters, *, relu):
    right = gpu_arms.eager(parameters, relu=relu)

    def forward(x, residual):
        y = right(x, residual)
        result = torch.empty_like(y)
        result[:-1] = y[:-1]
        return result

    return forward


def broken(parameters, *, relu):
    def forward(x, residual):
        raise RuntimeError("out of something\nand more lines")

    return forward


@pytest.mark.parametrize(
    ("arm", "error"),
    [
        (wrong_by_a_hundredth, "too far from float64"),
        (unwritten_in_part, "too far from float64"),
        (broken, "RuntimeError: out of something"),
    ],
)
def test_a_kernel_that_is_wrong_gets_no_time_and_fails_the_command(arm, error, out, monkeypatch):
    monkeypatch.setattr(gpu_arms, "ours", arm)
    monkeypatch.setattr(gpu_cases, "TINY", [TINY[1]])
    assert bench(out) == 1
    (report,) = json.loads(out.read_text())["cases"].values()
    assert report["arms"]["kernels"]["error"].startswith(error)
    assert "forward" not in report["arms"]["kernels"]
    assert "forward" in report["arms"]["eager"]


def test_kernels_are_checked_on_memory_full_of_nan(monkeypatch):
    fresh = []

    def arm(parameters, *, relu):
        right = gpu_arms.eager(parameters, relu=relu)
        return lambda x, residual: (fresh.append(torch.empty(3)), right(x, residual))[1]

    monkeypatch.setattr(gpu_arms, "ours", arm)
    gpu_measure.measure(TINY[1], gpu_device.Rehearsal())
    assert fresh[0].isnan().all()
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_variant_that_was_not_compiled_is_not_called_compiled(monkeypatch):
    monkeypatch.setattr(
        gpu_arms, "compiled", lambda p, relu, device, mode: gpu_arms.eager(p, relu=relu)
    )
    report = gpu_measure.measure(TINY[1], gpu_device.Rehearsal())
    assert report["arms"]["compile"]["error"].startswith("nothing was compiled")


def test_the_cases_are_named_apart_and_cover_what_was_asked():
    assert len({case.name for case in CASES}) == len(CASES)
    shapes = {case.shape for case in CASES if isinstance(case, Case)}
    assert {(256, 64, 56, 56), (256, 256, 14, 14), (1024, 512, 7, 7), (65536, 1024)} <= shapes
    assert (64, 64, 512, 512) in shapes
    assert {case.num_seeds for case in CASES if isinstance(case, Stack)} >= {1, 500}
    assert {case.workload for case in CASES if isinstance(case, Case)} == {
        "bn", "bn_relu", "bn_add_relu",
    }  # fmt: skip
    assert sum(case.autotune for case in CASES if isinstance(case, Case)) == 2
