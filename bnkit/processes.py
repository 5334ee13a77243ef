"""Work for several processes that can talk to each other, on this machine."""

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

HERE = "127.0.0.1"
LOOK = 0.02  # seconds between two looks at who has answered
# Not by multiprocessing, whose new processes depend on how the present one was started.
BEGIN = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from bnkit.processes import take_part; take_part()"
)


def together(
    work: Callable[..., Any], num_processes: int, *args: Any, seconds: float = 120.0
) -> list[Any]:
    """Run `work(rank, *args)` in new processes that form a group of torch.distributed, by gloo.

    They find each other by a port of this machine alone that the system chooses, so that two such
    groups never meet. None outlives this call, nor the process that makes it.

    Args:
        work: a function of a module that a new process can import; what it takes and returns is
            pickled.
        num_processes: how many; their ranks are 0, 1, ...
        args: for all alike.
        seconds: for all of it.

    Returns:
        What each returned, in order of rank.

    Raises:
        TimeoutError: they had not all finished in time, as when one waits for another in vain.
        ChildProcessError: one raised an exception, which the message names, or was killed.
    """
    from torch.distributed import TCPStore

    deadline = time.monotonic() + seconds
    meeting = TCPStore(HERE, 0, is_master=True, wait_for_workers=False)  # 0: any free port
    workers: list[subprocess.Popen] = []
    try:
        for rank in range(num_processes):
            command = [sys.executable, "-c", BEGIN]
            workers.append(subprocess.Popen(command, stdin=subprocess.PIPE, env=_environment()))
            _tell(workers[rank], sys.path)
            _tell(workers[rank], (rank, num_processes, meeting.port, seconds, work, args))
        return _answers(meeting, workers, deadline, seconds)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def _environment() -> dict[str, str]:
    """Gloo would take the interface of the host's name, or wait for a name server."""
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    return {**({"GLOO_SOCKET_IFNAME": loopback[0]} if loopback else {}), **os.environ}


def _tell(worker: subprocess.Popen, message: Any) -> None:
    """Its input stays open: when it ends, so has this process."""
    assert worker.stdin is not None
    try:
        pickle.dump(message, worker.stdin)
        worker.stdin.flush()
    except BrokenPipeError:  # it was killed at once; that its answer is missing will be seen
        pass


def _answers(
    meeting: Any, workers: list[subprocess.Popen], deadline: float, seconds: float
) -> list[Any]:
    """Whoever is ready first is heard first: what went wrong in one leaves others waiting."""
    answers: dict[int, Any] = {}
    num_processes = len(workers)
    while waiting := [rank for rank in range(num_processes) if rank not in answers]:
        for rank in waiting:
            ended = workers[rank].poll() is not None  # first: it may answer between two questions
            if meeting.check([str(rank)]):
                error, answers[rank] = pickle.loads(meeting.get(str(rank)))
                if error:
                    raise ChildProcessError(f"process {rank} of {num_processes}: {error}")
            elif ended:
                raise ChildProcessError(f"process {rank} of {num_processes} was killed")
        if time.monotonic() > deadline:
            late = ", ".join(map(str, waiting))
            raise TimeoutError(f"processes {late} of {num_processes} did not end in {seconds:g} s")
        time.sleep(LOOK)
    return [answers[rank] for rank in range(num_processes)]


def take_part() -> None:
    """What a new process does."""
    rank, num_processes, port, seconds, work, args = pickle.load(sys.stdin.buffer)
    Thread(target=_end_with_parent, daemon=True).start()
    import torch
    from torch import distributed

    torch.set_num_threads(1)
    limit = timedelta(seconds=seconds)
    meeting = distributed.TCPStore(HERE, port, is_master=False, timeout=limit)
    try:
        distributed.init_process_group(
            "gloo", store=meeting, rank=rank, world_size=num_processes, timeout=limit
        )
        answer = None, work(rank, *args)
        distributed.barrier()  # who is done first would break the connection of the others
    except Exception as error:
        answer = f"{type(error).__name__}: {error}", None
    meeting.set(str(rank), pickle.dumps(answer))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of the group and of `_end_with_parent` would abort an orderly end


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):  # what is not the end of the input says nothing
        pass
    os._exit(1)
