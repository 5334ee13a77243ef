"""Seeds are dealt into stacks, and each task runs with one thread."""

import torch

from bnkit import store, sweep
from bnkit.sweep import Task, perform, plan


def test_seeds_are_dealt_into_stacks_of_the_size_that_the_experiment_asks_for(records, toy):
    tasks = plan("toy", [toy.PLAIN], range(5))
    assert [task.seeds for task in tasks] == [(0, 1), (2, 3), (4,)]


def test_an_experiment_that_asks_for_nothing_runs_one_seed_at_a_time(records, toy, monkeypatch):
    monkeypatch.delattr(toy, "STACK")
    assert [task.seeds for task in plan("toy", [toy.PLAIN], range(2))] == [(0,), (1,)]


def test_two_arms_of_one_spec_and_a_seed_named_twice_are_run_once(records, toy):
    assert plan("toy", [toy.PLAIN, toy.PLAIN], [1, 1]) == [Task("toy", toy.PLAIN, (1,))]


def test_recorded_seeds_are_left_out_of_the_stacks(records, toy):
    store.save("toy", toy.PLAIN, 1, toy.run(toy.PLAIN, [1]), {})
    tasks = plan("toy", [toy.PLAIN, toy.BATCH], range(4))
    assert [(task.spec, task.seeds) for task in tasks] == [
        (toy.PLAIN, (0, 2)),
        (toy.PLAIN, (3,)),
        (toy.BATCH, (0, 1)),
        (toy.BATCH, (2, 3)),
    ]


def test_a_task_runs_with_one_thread_and_gives_the_rows_of_its_seeds(home, toy, monkeypatch):
    threads = []
    original = toy.run

    def counted(*arguments):
        threads.append(torch.get_num_threads())
        return original(*arguments)

    monkeypatch.setattr(toy, "run", counted)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        done = perform(Task("toy", toy.PLAIN, (4, 7)))
    finally:
        torch.set_num_threads(before)
    assert threads == [1]
    assert done.rows == original(toy.PLAIN, (4, 7))
    assert done.origin["stacked_seeds"] == 2


def test_there_is_at_least_one_core():
    assert sweep.tasks.num_cores() >= 1
