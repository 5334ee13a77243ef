"""`reproduce` runs stored seeds again; exit 1 if anything differs, 2 if it cannot run."""

import json
from dataclasses import replace

import pytest

from bnkit import claims, experiments, reproduce, store, sweep
from bnkit.__main__ import main
from bnkit.errors import InputError

CLAIM = """
[[claim]]
id = "M1"
claim = "BN helps a little."
kind = "experiment"
chapter = "speed-and-accuracy"
source = "ours"
certainty = "pilot"
expected = "supported"
because = "It does."
experiment = "mnist_sigmoid"
family = "m"
rule = { kind = "difference", metric = "test_accuracy", arm = "batch@0.1", above = 0.0 }
"""


def spec_of(toy, arm):
    return sweep.resolve("toy", toy.ARMS[arm])


def again(capsys, *arguments):
    code = main(["reproduce", *arguments])
    return code, *capsys.readouterr()


def on_another_machine(toy, arm):
    """As if the record had been made on another processor."""
    path = store.folder("toy", spec_of(toy, arm)) / "provenance.json"
    document = json.loads(path.read_text())
    for origin in document["seeds"].values():
        origin["cpu"] = "another"
    path.write_text(json.dumps(document))


def test_every_arm_of_the_rule_is_run_again_and_agrees(recorded, toy, capsys):
    code, out, err = again(capsys, "T1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "T1 batch@none: seeds 0",
        "T1 none: seeds 0",
    ]
    # 2 seeds, 2 curves of 21 points and one error
    assert all("seeds 0, 1, 86 numbers, 0 differ; compared bit for bit" in line for line in lines)


def test_the_number_of_seeds_is_chosen(recorded, toy):
    (report,) = reproduce.reproduce("T3", 5)
    assert report.seeds == (0, 1, 2, 3, 4)
    (report,) = reproduce.reproduce("T3", 100)
    assert report.seeds == tuple(range(8))


def test_seeds_of_tuning_are_not_run_again(recorded, toy):
    for report in reproduce.reproduce("T2", 100):
        assert report.seeds == tuple(range(8))


def test_nothing_is_written(recorded, toy):
    before = {path: path.stat().st_mtime_ns for path in recorded.rglob("*")}
    list(reproduce.reproduce("T1", 2))
    assert {path: path.stat().st_mtime_ns for path in recorded.rglob("*")} == before


def test_code_that_computes_something_else_is_found(recorded, toy, capsys, monkeypatch):
    original = toy.height
    monkeypatch.setattr(toy, "height", lambda spec, seed: original(spec, seed) + 1e-15)
    code, out, _ = again(capsys, "T3", "--seeds", "1")
    assert code == 1
    # 20 of the 21 points of each curve have moved; five of them are shown
    assert "T3 none@0.1: seeds 0, 43 numbers, 40 differ" in out
    assert out.count("allowed: the same bits") == 5


def test_a_run_that_measures_something_more_is_found(recorded, toy, capsys, monkeypatch):
    original = toy.run

    def more(spec, seeds, progress=None):
        rows = original(spec, seeds, progress)
        return [*rows, rows[0]._replace(name="surprise")]

    monkeypatch.setattr(toy, "run", more)
    code, out, _ = again(capsys, "T3", "--seeds", "1")
    assert code == 1
    assert "surprise" in out


@pytest.mark.parametrize("seed", [0, 7])
def test_a_record_with_one_digit_altered_exits_with_1(recorded, toy, capsys, seed):
    # also one that would not be run again
    path = store.folder("toy", spec_of(toy, "none@0.1")) / f"seed-{seed:03d}.csv"
    text = path.read_text()
    place = text.index("0.8") + 2
    path.write_text(text[:place] + "7" + text[place + 1 :])
    code, out, err = again(capsys, "T3", "--seeds", "1")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert f"seed-{seed:03d}.csv: SHA-256 is" in err
    assert err.count("\n") == 1


def test_a_digit_altered_together_with_its_hash_is_found_by_running(recorded, toy, capsys):
    spec = spec_of(toy, "none@0.1")
    rows = store.load("toy", spec, [0])
    rows[-1] = rows[-1]._replace(value=rows[-1].value + 1e-3)
    store.save("toy", spec, 0, rows, store.provenance("toy", spec)["0"])
    code, out, _ = again(capsys, "T3", "--seeds", "1")
    assert code == 1
    assert "1 differ" in out


def test_on_another_machine_an_exact_claim_agrees_to_a_millionth(
    recorded, toy, capsys, monkeypatch
):
    on_another_machine(toy, "none@0.1")
    original = toy.height
    monkeypatch.setattr(toy, "height", lambda spec, seed: original(spec, seed) + 1e-9)
    code, out, _ = again(capsys, "T3")
    assert code == 0
    assert "to 1e-6 relative (another machine)" in out
    monkeypatch.setattr(toy, "height", lambda spec, seed: original(spec, seed) + 1e-5)
    assert again(capsys, "T3")[0] == 1


def test_on_another_machine_a_trained_claim_lies_in_the_prediction_interval(
    recorded, toy, capsys, monkeypatch
):
    for arm in ("batch", "none"):
        on_another_machine(toy, arm)
    original = toy.height
    monkeypatch.setattr(toy, "height", lambda spec, seed: original(spec, seed) + 1e-4)
    code, out, _ = again(capsys, "T2")
    assert code == 0
    assert "within the 99 % prediction interval of the stored seeds (another machine)" in out
    monkeypatch.setattr(toy, "height", lambda spec, seed: original(spec, seed) - 0.1)
    assert again(capsys, "T2")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Z9"], "no claim 'Z9': `python -m bnkit claims` lists"),
        (["T5"], "T5 is editorial: there is nothing to run again"),
        (["T4"], "T4: its experiment not_written is not written yet"),
        (["T3"], "T3: arm none@0.1 has no record; run `python -m bnkit sweep toy`"),
        (["T1"], "no rate is tuned; run `python -m bnkit sweep toy --tune`"),
        (["T3", "--seeds", "0"], "--seeds 0: give a whole number from 1 to 1000"),
    ],
)
def test_what_cannot_be_run_again_exits_with_2(home, capsys, arguments, words):
    code, out, err = again(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_an_arm_that_the_experiment_does_not_have_is_named(recorded, toy, monkeypatch):
    arms = {name: arm for name, arm in toy.ARMS.items() if name != "none@0.1"}
    monkeypatch.setattr(toy, "ARMS", arms)
    with pytest.raises(InputError, match=r"T3: its experiment toy has no arm none@0\.1"):
        list(reproduce.reproduce("T3"))


@pytest.fixture
def trained(home, monkeypatch):
    """A real record of mnist_sigmoid, on digits and short."""
    (home / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    claims._load.cache_clear()
    module = experiments.find("mnist_sigmoid")
    spec = replace(module.BATCH, rate=0.1, data_set="digits", num_steps=20, drift_interval=10)
    monkeypatch.setitem(module.ARMS, "batch@0.1", spec)
    sweep.run("mnist_sigmoid", [spec], range(3), workers=1, quiet=True)
    return module, spec


def test_a_trained_network_is_the_same_to_the_last_bit(trained, capsys):
    code, out, _ = again(capsys, "M1", "--seeds", "2")  # stored in a stack of three
    assert code == 0
    assert "0 differ; compared bit for bit" in out


def test_without_the_data_it_exits_with_2_and_names_the_file_and_its_hash(
    trained, capsys, monkeypatch, home
):
    module, spec = trained
    elsewhere = replace(spec, data_set="cifar10-jpeg75")
    monkeypatch.setitem(module.ARMS, "batch@0.1", elsewhere)
    monkeypatch.setenv("BNKIT_DATA", str(home / "empty"))
    rows = store.load("mnist_sigmoid", spec, [0])
    store.save("mnist_sigmoid", elsewhere, 0, rows, {})
    code, out, err = again(capsys, "M1")
    assert (code, out) == (2, "")
    from bnkit.data import registry

    (file,) = registry.FILES["cifar10-jpeg75"]
    assert file.name in err
    assert file.sha256 in err
    assert err.count("\n") == 1
