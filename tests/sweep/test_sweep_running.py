"""What is absent is run and stored, what is there is not touched, two sweeps do not mix."""

import time
from dataclasses import replace

import pytest
from filelock import FileLock

from bnkit import experiments, store, sweep
from bnkit.errors import DataError, InputError
from bnkit.judging import rule_sha256


def run(specs, seeds, **how):
    return sweep.run("toy", specs, seeds, workers=1, quiet=True, **how)


def files(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_every_arm_and_seed_is_stored_as_the_experiment_gives_it(records, toy):
    specs = [replace(toy.PLAIN, rate=0.1), replace(toy.BATCH, rate=0.1)]
    assert run(specs, [0, 3, 1]) == 6
    for spec in specs:
        assert sorted(store.load("toy", spec)) == sorted(toy.run(spec, [0, 1, 3]))


def test_a_second_sweep_runs_nothing_and_changes_no_file(records, toy):
    run([toy.PLAIN], range(3))
    before = files(records)
    assert run([toy.PLAIN], range(3)) == 0
    assert files(records) == before


def test_only_what_is_absent_is_run(records, toy):
    run([toy.PLAIN], [0, 2])
    first = store.provenance("toy", toy.PLAIN)["0"]
    assert run([toy.PLAIN, toy.BATCH], range(4)) == 2 + 4
    assert store.recorded_seeds("toy", toy.PLAIN) == [0, 1, 2, 3]
    assert store.provenance("toy", toy.PLAIN)["0"] == first


def test_seeds_are_stored_as_they_finish(records, toy, monkeypatch):
    # the third task fails: the four seeds of the first two are kept
    original = toy.run

    def fails_at_seed_4(spec, seeds, progress=None):
        if 4 in seeds:
            raise MemoryError("no memory")
        return original(spec, seeds, progress)

    monkeypatch.setattr(toy, "run", fails_at_seed_4)
    with pytest.raises(MemoryError):
        run([toy.PLAIN], range(6))
    assert store.recorded_seeds("toy", toy.PLAIN) == [0, 1, 2, 3]
    monkeypatch.undo()


def test_a_seed_whose_file_was_deleted_is_run_again(records, toy):
    run([toy.PLAIN], range(2))
    (store.folder("toy", toy.PLAIN) / "seed-001.csv").unlink()
    assert run([toy.PLAIN], range(2)) == 1
    assert len(store.load("toy", toy.PLAIN)) == len(toy.run(toy.PLAIN, range(2)))


def test_an_altered_record_stops_the_sweep_and_stays_as_it_is(records, toy):
    run([toy.PLAIN], range(2))
    path = store.folder("toy", toy.PLAIN) / "seed-001.csv"
    path.write_text(path.read_text().replace(",0.0,", ",0.5,"))
    before = files(records)
    with pytest.raises(store.RecordError, match=r"seed-001\.csv: .* altered or cut"):
        run([toy.PLAIN], range(4))
    assert files(records) == before


def test_a_second_sweep_into_the_same_folder_is_refused(records, toy):
    (records / "toy").mkdir(parents=True)
    with (
        FileLock(records / "toy" / ".lock"),
        pytest.raises(InputError, match=r"another sweep is writing .*toy: wait for it"),
    ):
        run([toy.PLAIN], [0])
    assert run([toy.PLAIN], [0]) == 1


def test_an_experiment_that_is_not_there_leaves_no_folder(records, home):
    with pytest.raises(InputError, match=r"no experiment 'nonsense': choose one of .*toy"):
        sweep.run("nonsense", [], [0])
    assert not records.exists()


def test_a_data_set_that_is_missing_is_said_before_any_process_starts(home, monkeypatch, capfd):
    monkeypatch.setenv("BNKIT_DATA", str(home / "empty"))
    spec = replace(experiments.find("mnist_sigmoid").PLAIN, data_set="cifar10-jpeg75")
    with pytest.raises(DataError, match="cifar10_jpeg75"):
        sweep.run("mnist_sigmoid", [spec], [0])
    assert capfd.readouterr() == ("", "")  # no progress bar of something that does not begin


def test_each_seed_keeps_where_it_comes_from(records, toy):
    run([replace(toy.PLAIN, seconds=0.04)], range(3))
    origins = store.provenance("toy", replace(toy.PLAIN, seconds=0.04))
    assert [origins[seed]["stacked_seeds"] for seed in "012"] == [2, 2, 1]
    assert origins["0"]["seconds"] >= 0.02  # of a stack of two, each has half
    assert origins["2"]["seconds"] >= 0.04
    assert origins["0"]["commit"] == "0" * 40
    assert origins["0"]["threads"] == 1
    assert origins["0"]["data_sha256"] == ""  # it uses none
    assert origins["0"]["peak_memory_mib"] > 10


def test_each_seed_keeps_the_hash_of_every_rule_that_it_serves(records, toy, home):
    from bnkit import claims

    run([toy.PLAIN], [0])
    rules = store.provenance("toy", toy.PLAIN)["0"]["rules"]
    assert set(rules) == {"T1", "T1.accuracy", "T2", "T3"}  # T4 is decided elsewhere
    claim = claims.load().claim("T1")
    assert rules["T1"] == rule_sha256(claim.rule)
    assert rules["T1.accuracy"] == rule_sha256(claim.controls["accuracy"])


def test_progress_counts_seeds_unless_it_is_not_wanted(records, toy, capsys):
    sweep.run("toy", [toy.PLAIN], range(3), workers=1)
    assert "3/3" in capsys.readouterr().err
    sweep.run("toy", [toy.BATCH], range(3), workers=1, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_a_real_network_is_recorded_as_it_is_computed(records):
    mnist_sigmoid = experiments.find("mnist_sigmoid")
    spec = replace(mnist_sigmoid.BATCH, data_set="digits", num_steps=30, drift_interval=10)
    assert sweep.run("mnist_sigmoid", [spec], [0, 1], workers=1, quiet=True) == 2
    assert sorted(store.load("mnist_sigmoid", spec)) == sorted(mnist_sigmoid.run(spec, [0, 1]))
    origin = store.provenance("mnist_sigmoid", spec)["1"]
    assert len(origin["data_sha256"]) == 64


def test_nothing_is_begun_that_would_end_after_the_deadline(records, toy):
    slow = replace(toy.PLAIN, seconds=0.2)
    assert run([slow], range(2)) == 2  # the record now knows how long a seed takes
    assert run([slow], range(4), deadline=time.time() + 0.1) == 0
    assert store.recorded_seeds("toy", slow) == [0, 1]
    assert run([slow], range(4), deadline=time.time() + 60) == 2


def test_a_first_seed_that_may_take_too_long_is_not_begun(records, toy):
    arm = replace(toy.PLAIN, num_steps=11)
    in_a_minute = time.time() + 60
    assert run([arm], range(4), deadline=in_a_minute, seed_seconds=100.0) == 0
    assert run([arm], range(2), deadline=in_a_minute, seed_seconds=1.0) == 2
    # From then on it is known how long they really take.
    assert run([arm], range(4), deadline=in_a_minute, seed_seconds=100.0) == 2


def test_the_time_that_an_arm_takes_replaces_the_time_expected(records, toy, monkeypatch):
    arm, clock, original = replace(toy.PLAIN, num_steps=12), [0.0], toy.run

    def in_a_second(*arguments):
        clock[0] += 1.0
        return original(*arguments)

    monkeypatch.setattr(toy, "run", in_a_second)
    monkeypatch.setattr("bnkit.sweep.tasks.time.time", lambda: clock[0])
    # Two stacks of two seeds: a minute each was expected, and there is time for one such.
    assert run([arm], range(4), deadline=60.5, seed_seconds=30.0) == 4


def test_a_process_learns_how_long_an_arm_takes(records, toy):
    slow = replace(toy.PLAIN, seconds=0.5, num_steps=10)
    done = run([slow], range(40), deadline=time.time() + 3.0)
    assert 2 <= done < 40
    assert len(store.recorded_seeds("toy", slow)) == done
