import pytest

from bnkit.__main__ import main
from bnkit.bench import seeds


@pytest.mark.slow
def test_both_sides_are_measured_in_one_run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("BNKIT_DATA", str(tmp_path))  # no MNIST there: digits
    assert main(["bench", "sweep", "--steps", "20", "--workers", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("seed-steps/s" in line for line in lines) == 6
    assert sum("probes take" in line for line in lines) == 2


def test_a_speed_is_seeds_times_steps_over_the_seconds_of_each_process(monkeypatch):
    monkeypatch.setattr(seeds, "_seconds_of_training", lambda spec, stack: 2.0)
    spec = seeds.MnistSigmoid(norm="none", rate=0.5, num_steps=100)
    assert seeds._stacked(spec, 1) == seeds.STACK * 100 / 2.0


@pytest.mark.parametrize("arguments", [["--steps", "3"], ["--workers", "0"], ["--steps", "x"]])
def test_sizes_that_cannot_be_measured_are_refused(arguments, capsys):
    try:
        code = main(["bench", "sweep", *arguments])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1
