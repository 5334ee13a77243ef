"""`make gpu` with toys in place of its jobs: order, budget, failures, a stop, what is packed."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import torch

from bnkit import sweep
from bnkit.__main__ import main
from bnkit.bench import gpu_session
from bnkit.bench.gpu import AGAIN
from bnkit.bench.gpu_session import Job
from bnkit.errors import InputError


def python(name, code, **more):
    return Job(name, (sys.executable, "-S", "-c", code, "{seconds}"), **more)


def writes(name, then=""):
    """A job that stores a file named after it, and then does something else."""
    code = (
        "import os, pathlib, sys, time\n"
        "folder = pathlib.Path(os.environ['BNKIT_HOME'], 'data', 'records', 'toy')\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        f"with open(folder / '{name}.csv', 'a') as file: print(sys.argv[1], file=file)\n"
    )
    return python(name, code + then)


FAILS = "sys.exit('first line\\nthe reason')"


def session(tmp_path, *jobs, seconds=60.0):
    return gpu_session.run(seconds=seconds, archive=tmp_path / "records.tgz", jobs=jobs)


def packed(tmp_path):
    with tarfile.open(tmp_path / "records.tgz") as archive:
        return set(archive.getnames())


def log(records):
    lines = (records / "gpu" / "sessions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_every_job_is_done_and_what_it_stored_is_packed(records, tmp_path):
    assert session(tmp_path, writes("a"), writes("b")) == 0
    assert packed(tmp_path) == {"toy/a.csv", "toy/b.csv", "gpu/sessions.jsonl"}
    assert [(entry["job"], entry["code"]) for entry in log(records)] == [("a", 0), ("b", 0)]


def test_the_next_call_packs_only_what_is_new(records, tmp_path):
    session(tmp_path, writes("a"))
    for path in records.rglob("*.csv"):  # as if it had been an hour ago
        os.utime(path, (time.time() - 3600,) * 2)
    session(tmp_path, writes("b"))
    assert "toy/b.csv" in packed(tmp_path)
    assert "toy/a.csv" not in packed(tmp_path)


def test_a_job_that_fails_is_named_with_its_reason_and_the_others_go_on(records, tmp_path, capfd):
    assert session(tmp_path, writes("a", FAILS), writes("b")) == 1
    assert {"toy/a.csv", "toy/b.csv"} < packed(tmp_path)
    out = capfd.readouterr().out
    assert "first line\n" in out
    assert out.splitlines()[-1] == "failed: a: the reason"
    assert [(entry["code"], entry["why"]) for entry in log(records)] == [(1, "the reason"), (0, "")]


def test_a_job_that_says_nothing_has_its_exit_code_as_the_reason(records, tmp_path):
    session(tmp_path, writes("a", "sys.exit(3)"))
    assert log(records)[0]["why"] == "exit code 3"


@pytest.mark.parametrize("how", [f"sys.exit({AGAIN})", "os.abort()"])
def test_a_job_that_loses_the_device_is_begun_again_and_not_for_ever(how, records, tmp_path):
    count = "len((folder / 'a.csv').read_text().splitlines())"
    assert session(tmp_path, writes("a", f"if {count} < 3: {how}")) == 0
    assert len((records / "toy" / "a.csv").read_text().splitlines()) == 3
    assert session(tmp_path, writes("b", how)) == 1
    assert len((records / "toy" / "b.csv").read_text().splitlines()) == 5


def test_a_job_is_told_its_share_of_the_budget(records, tmp_path):
    session(tmp_path, writes("a")._replace(share=0.5), writes("b"), seconds=40.0)
    assert (records / "toy" / "a.csv").read_text() == "20\n"
    assert 30 <= int((records / "toy" / "b.csv").read_text()) <= 40


def test_a_job_that_does_not_end_is_stopped_with_all_that_it_started(
    records, tmp_path, monkeypatch
):
    monkeypatch.setattr(gpu_session, "_GRACE", 1.0)
    child = "[sys.executable, '-S', '-c', 'import time; time.sleep(600)']"
    then = f"import subprocess; file = open(folder / 'pid.csv', 'w')\n" \
        f"print(subprocess.Popen({child}).pid, file=file, flush=True); time.sleep(600)"  # fmt: skip
    before = time.monotonic()
    assert session(tmp_path, writes("a", then), writes("b"), seconds=1.0) == 1
    assert time.monotonic() - before < 10.0
    assert "did not end with its budget" in log(records)[0]["why"]
    assert packed(tmp_path) == {"toy/a.csv", "toy/pid.csv", "gpu/sessions.jsonl"}
    pid = int((records / "toy" / "pid.csv").read_text())
    for _ in range(50):
        if not is_running(pid):
            return
        time.sleep(0.1)
    pytest.fail("what the job had started is still running")


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_budget_that_is_spent_still_brings_home_what_is_there(records, tmp_path, capfd):
    assert session(tmp_path, writes("a", "time.sleep(1.1)"), writes("b"), seconds=1.0) == 0
    assert "call again" in capfd.readouterr().out
    assert packed(tmp_path) == {"toy/a.csv", "gpu/sessions.jsonl"}


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_the_job_and_packs_what_was_finished(how, records, environment, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tests.bench.test_gpu_session import session, writes\n"
        "from bnkit import __main__ as command\n"
        "command.build_parser = lambda: None\n"
        "jobs = writes('a'), writes('b', 'time.sleep(600)'), writes('c')\n"
        "try: session(Path(sys.argv[1]), *jobs)\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    while not (records / "toy" / "b.csv").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(how)
    assert process.wait(20) == 130
    assert packed(tmp_path) == {"toy/a.csv", "toy/b.csv", "gpu/sessions.jsonl"}


def test_the_archive_is_written_although_the_session_itself_breaks(records, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_session, "_log", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        session(tmp_path, writes("a"))
    assert packed(tmp_path) == {"toy/a.csv"}
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_archive_that_cannot_be_written_is_refused_before_any_work(records, tmp_path):
    with pytest.raises(InputError, match="in a folder that exists"):
        gpu_session.run(seconds=1.0, archive=tmp_path / "nowhere" / "records.tgz")
    assert main(["bench", "session", "--archive", str(tmp_path / "records.zip")]) == 2


def test_without_a_gpu_it_is_refused_in_one_line(records, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "session", "--archive", str(tmp_path / "records.tgz")]) == 2
    assert capsys.readouterr().err.startswith("error: no CUDA device")


# The jobs themselves


@pytest.fixture
def on_a_gpu(records, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu_session, "_has_data", lambda: True)
    sweeps = (("toy", ("none@0.1", "batch@0.1")), ("toy", ("none",)), ("toy", ("batch",)))
    monkeypatch.setattr(gpu_session, "SWEEPS", sweeps)
    monkeypatch.setattr(gpu_session, "SEED_SECONDS", {"toy": 1})
    monkeypatch.setattr(gpu_session, "SEEDS", range(2))
    return records


def names(jobs):
    return [job.name for job in jobs]


def test_the_bench_comes_first_and_then_what_is_not_recorded(on_a_gpu, toy):
    jobs = gpu_session._bench_and_sweeps(1)
    assert names(jobs) == ["bench", "toy none@0.1, batch@0.1", "toy none", "toy batch"]
    assert [job.share for job in jobs] == [0.5, 1.0, 1.0, 1.0]
    specs = [toy.ARMS[arm] for arm in ("none@0.1", "batch@0.1")]
    sweep.run("toy", specs, range(2), workers=1, quiet=True)
    assert names(gpu_session._bench_and_sweeps(1)) == ["bench", "toy none", "toy batch"]


def test_a_sweep_that_failed_comes_last_until_it_succeeds(on_a_gpu):
    for code in (1, 0):
        gpu_session._log(Job("toy none@0.1, batch@0.1", ()), 1.0, code, "")
        with (on_a_gpu / "gpu" / "sessions.jsonl").open("a") as file:
            file.write('{"job": "cut\n')
        last = names(gpu_session._bench_and_sweeps(1))[-1]
        assert last == ("toy none@0.1, batch@0.1" if code else "toy batch")


def test_without_the_data_set_the_bench_has_all_the_time(on_a_gpu, monkeypatch):
    monkeypatch.setattr(gpu_session, "_has_data", lambda: False)
    jobs = gpu_session._bench_and_sweeps(1)
    assert names(jobs) == ["cifar10-jpeg75", "bench"]
    assert jobs[1].share == 1.0


@pytest.mark.slow
def test_a_sweep_is_a_command_that_runs(on_a_gpu, tmp_path, capfd):
    _, fixed, tuned, _ = gpu_session._bench_and_sweeps(1)
    assert session(tmp_path, fixed, tuned) == 0
    out = capfd.readouterr().out
    assert "toy: 4 seeds run, 0 are left" in out
    assert "toy: 2 seeds run, 0 are left" in out
    assert len([name for name in packed(tmp_path) if name.endswith("seed-001.csv")]) == 3


@pytest.mark.slow
def test_the_job_of_an_absent_data_set_says_what_is_missing(on_a_gpu, tmp_path, monkeypatch):
    monkeypatch.setenv("BNKIT_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr(gpu_session, "_has_data", lambda: False)
    data, bench = gpu_session._bench_and_sweeps(1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert session(tmp_path, data) == 1
    assert "cifar10_jpeg75.pack.npz" in log(on_a_gpu)[0]["why"]
    assert bench.command[1:4] == ("-m", "bnkit", "bench")
