"""Processes that work together: they answer, or an error says who did not; none is left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import distributed as dist

from bnkit.processes import together

pytestmark = pytest.mark.slow  # each test starts processes that load torch


def total(rank, offset):
    value = torch.tensor(rank + offset)
    dist.all_reduce(value)
    return os.getpid(), int(value)


def refuse(rank):
    if rank == 1:
        raise ValueError("rank 1 does not want to")
    time.sleep(60)


def leave(rank):
    if rank == 1:
        os._exit(3)
    time.sleep(60)


def keep_others_waiting(rank, folder):
    (Path(folder) / str(os.getpid())).touch()
    if rank == 1:
        time.sleep(120)
    dist.barrier()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_processes_are_new_ones_and_answer_in_order():
    answers = together(total, 2, 10)
    assert [value for _, value in answers] == [21, 21]
    assert len({os.getpid(), *(pid for pid, _ in answers)}) == 3


def test_processes_come_to_an_orderly_end(capfd, monkeypatch):
    ended = []

    class Patient(subprocess.Popen):
        def kill(self):
            ended.append(self.wait(timeout=20))

    monkeypatch.setattr(subprocess, "Popen", Patient)
    together(total, 2, 0)
    assert ended == [0, 0]
    assert not {"Fatal", "terminate", "Traceback"} & set(capfd.readouterr().err.split())


def test_an_exception_is_told_at_once_and_by_whom():
    started = time.monotonic()
    with pytest.raises(ChildProcessError, match="process 1 of 2: ValueError: rank 1 does not want"):
        together(refuse, 2)
    assert time.monotonic() - started < 40


def test_a_process_that_is_gone_is_missed():
    with pytest.raises(ChildProcessError, match="process 1 of 2 was killed"):
        together(leave, 2)


def test_waiting_in_vain_ends_with_an_error_and_leaves_nobody_behind(tmp_path):
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"processes 0, 1 of 2 did not end in 10 s"):
        together(keep_others_waiting, 2, str(tmp_path), seconds=10.0)
    assert time.monotonic() - started < 40
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 2
    assert not any(map(is_running, pids))


def test_processes_end_soon_after_the_one_that_began_them_was_killed(tmp_path):
    code = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent)]}\n"
        "from test_processes import keep_others_waiting\n"
        "from bnkit.processes import together\n"
        f"together(keep_others_waiting, 2, {str(tmp_path)!r})\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while len(pids := [int(path.name) for path in tmp_path.iterdir()]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert all(map(is_running, pids))
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_running, pids))
