"""What there is of an experiment: its recorded arms, without the seeds that tuned them."""

import pytest

from bnkit import store, sweep
from bnkit.errors import InputError
from bnkit.ledger.recorded import tables


def test_recorded_arms_are_read_at_their_rates_without_the_seeds_of_tuning(recorded, toy):
    found = tables("toy", ["none", "batch@none"])
    assert list(found) == ["none", "batch@none"]
    assert sorted(found["none"]["seed"].unique()) == list(range(8))
    arms = {name: sweep.resolve("toy", toy.ARMS[name]) for name in found}
    for name, table in found.items():
        assert table.equals(store.table("toy", arms[name], range(8)))


def test_arms_that_have_no_rate_or_no_record_are_left_out(records, toy):
    assert tables("toy", ["none", "none@0.1"]) == {}  # neither tuned nor recorded


def test_an_arm_that_does_not_exist_is_refused(recorded):
    with pytest.raises(InputError, match="toy has no arm 'nome': choose of none, "):
        tables("toy", ["nome"])


@pytest.mark.parametrize("file", ["seed-003.csv", "seed-1001.csv"])  # shown, and of the tuning
def test_a_damaged_record_is_not_taken_for_a_missing_one(recorded, toy, file):
    path = store.folder("toy", sweep.resolve("toy", toy.ARMS["none"])) / file
    path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(store.RecordError, match=file):
        tables("toy", ["none"])
