"""`bench gpu` without a GPU: what it keeps, when it stops, what it refuses, and what it sees.

The kernels' part is played by torch here; tests/kernels plays it with the kernels themselves.
"""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bnkit.__main__ import main
from bnkit.bench import gpu, gpu_arms, gpu_cases, gpu_device, gpu_measure, gpu_record
from bnkit.bench.gpu_cases import CASES, TINY, Accuracy, Case, Stack
from bnkit.errors import InputError
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
    # start 0; first case 10-40, so 30 s long; second: 50 + 30 is too late
    assert len(measured) == 1
    clock = iter(range(0, 10_000, 10))
    assert bench(out, "--seconds", "80") == 0
    assert len(measured) == 3


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


@pytest.mark.parametrize("key", ["code", "torch", "triton", "device"])
def test_times_of_other_code_are_not_added_to_a_record(key, out, measured, monkeypatch, capsys):
    bench(out)
    before = out.read_bytes()
    original = gpu.session
    monkeypatch.setattr(gpu, "session", lambda device: {**original(device), key: "other"})
    assert bench(out) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(out) in line
    assert f"has {key} " in line
    assert "name another file by --out" in line
    assert out.read_bytes() == before


def test_a_commit_that_changes_nothing_of_the_measurement_goes_on(out, measured, monkeypatch):
    bench(out, "--seconds", "1e-9")
    monkeypatch.setenv("BNKIT_COMMIT", "2" * 40)
    monkeypatch.setenv("BNKIT_CLEAN", "0")
    commit.cache_clear()
    assert bench(out) == 0
    assert len(measured) == len(TINY)
    sessions = json.loads(out.read_text())["sessions"]
    assert [session["commit"][0] for session in sessions] == ["0", "2"]


def test_the_code_of_a_record_is_that_of_the_kernels_and_of_measuring(tmp_path, monkeypatch):
    for name in ("kernels", "bench"):
        shutil.copytree(gpu_record._BNKIT / name, tmp_path / name)
    before = gpu_record.code()
    monkeypatch.setattr(gpu_record, "_BNKIT", tmp_path)
    assert gpu_record.code() == before
    with (tmp_path / "bench" / "gpu_results.py").open("a") as file:
        file.write("# no time depends on what is made of it\n")
    assert gpu_record.code() == before
    for part in ("kernels/tiles.py", "bench/gpu_measure.py"):
        with (tmp_path / part).open("a") as file:
            file.write("# another\n")
        assert gpu_record.code() != before
        before = gpu_record.code()


def test_by_default_what_other_code_measured_is_left_and_a_new_record_begun(
    measured, home, monkeypatch
):
    device = gpu_device.Rehearsal()
    monkeypatch.setattr(gpu_cases, "CASES", TINY[:1])
    for version in "abab":
        monkeypatch.setattr(gpu, "code", lambda version=version: version)
        assert gpu.run(seconds=60, out=None, tiny=False, device=device) == 0
    folder = home / "data" / "records" / "gpu"
    assert sorted(path.name for path in folder.iterdir()) == [
        "rehearsal-on-a-cpu-2.json", "rehearsal-on-a-cpu.json",
    ]  # fmt: skip
    assert len(measured) == 2


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"schema": 0}', '{"schema": 1}', '{"schema": 1, "sessions": 3}',
        '{"schema": 1, "sessions": [], "cases": {}}',
    ],
)  # fmt: skip
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


# What fails


class Failing:
    """`measure` that fails at one case, in one of three ways, until it is mended."""

    def __init__(self, monkeypatch, case, how):
        self.names, self.case, self.how = [], case, how
        monkeypatch.setattr(gpu_measure, "measure", self)

    def __call__(self, case, device):
        self.names.append(case.name)
        arms = {arm: {"step": 1.0, "seed_steps_per_second": 1.0} for arm in ARMS}
        if case == self.case and self.how == "raises":
            raise torch.OutOfMemoryError("CUDA out of memory\nand more lines")
        if case == self.case and self.how == "dies":
            raise SystemExit  # as if the process were gone
        if case == self.case and self.how == "an arm":
            arms["kernels"] = {"error": "no compiler"}
        return {"arms": arms}


@pytest.mark.parametrize("how", ["raises", "an arm"])
def test_a_case_that_fails_is_recorded_and_the_others_go_on(how, out, monkeypatch, capsys):
    measure = Failing(monkeypatch, TINY[1], how)
    assert bench(out) == 1
    assert measure.names == [case.name for case in TINY]
    printed = capsys.readouterr().out
    why = {"raises": "OutOfMemoryError: CUDA out of memory", "an arm": "kernels: no compiler"}[how]
    assert f"failed: {TINY[1].name}: {why}" in printed
    assert "and more lines" not in printed
    document = json.loads(out.read_text())
    assert document["failed"] == {TINY[1].name: {"tries": 1, "error": why}}
    assert (TINY[1].name in document["cases"]) == (how == "an arm")


@pytest.mark.parametrize("how", ["raises", "an arm"])
def test_what_failed_is_tried_again_and_may_succeed(how, out, monkeypatch):
    measure = Failing(monkeypatch, TINY[1], how)
    bench(out)
    measure.how = "mended"
    assert bench(out) == 0
    assert measure.names[len(TINY) :] == [TINY[1].name]
    document = json.loads(out.read_text())
    assert document["failed"] == {}
    assert "error" not in document["cases"][TINY[1].name]["arms"]["kernels"]


@pytest.mark.parametrize("how", ["raises", "an arm", "dies"])
def test_what_fails_again_and_again_is_given_up(how, out, monkeypatch, capsys):
    measure = Failing(monkeypatch, TINY[1], how)
    for _ in range(5):
        with suppress(SystemExit):
            assert bench(out) == 1
    assert measure.names.count(TINY[1].name) == gpu_record.MAX_TRIES
    assert set(measure.names) == {case.name for case in TINY}
    if how == "dies":
        assert f"failed: {TINY[1].name}: it was begun and did not end" in capsys.readouterr().out


def test_a_case_that_kills_the_process_comes_after_all_others_in_the_next_call(out, monkeypatch):
    measure = Failing(monkeypatch, TINY[1], "dies")
    with pytest.raises(SystemExit):
        bench(out)
    measure.names.clear()
    with pytest.raises(SystemExit):
        bench(out)
    assert measure.names == [case.name for case in (*TINY[2:], TINY[1])]


def test_a_second_try_that_fails_in_more_arms_does_not_replace_the_first(out, monkeypatch):
    Failing(monkeypatch, TINY[1], "an arm")
    bench(out)
    before = json.loads(out.read_text())["cases"]
    monkeypatch.setattr(
        gpu_measure, "measure", lambda *_: {"arms": {arm: {"error": "all"} for arm in ARMS}}
    )
    assert bench(out) == 1
    assert json.loads(out.read_text())["cases"] == before


def test_a_device_that_answers_no_longer_ends_the_call_and_asks_for_another(out, monkeypatch):
    measure = Failing(monkeypatch, TINY[1], "raises")
    monkeypatch.setattr(gpu_device.Rehearsal, "works", lambda self: len(measure.names) != 2)
    assert bench(out) == gpu.AGAIN
    assert len(measure.names) == 2
    assert bench(out) == 1
    assert measure.names[2:] == [case.name for case in (*TINY[2:], TINY[1])]


def test_where_no_kernel_can_be_compiled_nothing_is_tried(out, measured, monkeypatch, capsys):
    def check(self):
        raise InputError("no kernel can be compiled and run")

    monkeypatch.setattr(gpu_device.Rehearsal, "check", check)
    assert bench(out) == 2
    assert "no kernel can be compiled" in capsys.readouterr().err
    assert not out.exists()


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


def breaks_when_it_is_timed(parameters, *, relu):
    right, calls = gpu_arms.eager(parameters, relu=relu), []

    def forward(x, residual):
        calls.append(x)
        if len(calls) > 2:  # the check has passed, and one call of the first round
            raise RuntimeError("out of memory")
        return right(x, residual)

    return forward


def test_an_arm_that_fails_while_it_is_timed_takes_no_other_with_it(monkeypatch):
    monkeypatch.setattr(gpu_arms, "ours", breaks_when_it_is_timed)
    arms = gpu_measure.measure(TINY[1], gpu_device.Rehearsal())["arms"]
    assert arms["kernels"]["error"] == "RuntimeError: out of memory"
    assert "forward" not in arms["kernels"]
    assert len(arms["eager"]["forward_rounds"]) == gpu_measure.ROUNDS


def test_an_arm_that_fails_beside_its_times_keeps_them_with_the_error(monkeypatch):
    monkeypatch.setattr(gpu_device.Rehearsal, "peak_bytes", lambda self, call: 1 / 0)
    arms = gpu_measure.measure(TINY[1], gpu_device.Rehearsal())["arms"]
    assert set(arms) == set(ARMS)
    for arm in arms.values():
        assert arm["error"].startswith("ZeroDivisionError")
        assert arm["forward"] > 0


def test_eager_may_round_before_it_adds_and_the_kernels_may_not():
    # Both are torch's own operators here, and round between.
    case = Case("bn_add_relu", (64, 16, 14, 14), "bfloat16", "channels_last")
    arms = gpu_measure.measure(case, gpu_device.Rehearsal())["arms"]
    assert "error" not in arms["eager"]
    assert 1e-2 < arms["eager"]["relative_errors"]["dx"] < 6e-2
    assert arms["kernels"]["error"].startswith("too far from float64")


class Copied(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.places = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.copy_.default:
            self.places.append(args[0].data_ptr())
        return function(*args, **(kwargs or {}))


def test_a_copy_goes_to_as_many_places_as_it_comes_from():
    batches = [gpu_arms.draw_batch((4, 2), torch.float32, "contiguous", "cpu", adds=False)] * 3
    copy = gpu_measure._copies(batches)
    with Copied() as copied:
        for batch in 2 * batches:
            copy(batch, lambda: None)
    assert len(copied.places) == 6
    assert len(set(copied.places)) == 3


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
