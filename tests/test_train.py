"""The training loop: steps by pencil, probes before each step, a seed's order is its own."""

from itertools import islice

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from bnkit.rows import Row
from bnkit.train import at, cross_entropy, every, growing, stacked_batches, tenths, train

HALF_SQUARE = (torch.ones(1, 1), torch.zeros(1, 1))  # with `half_square` the loss is w² / 2


class Line(nn.Module):
    """y = w x, one w for each stacked seed; all sums below are exact in float64."""

    def __init__(self, *starts: float):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(starts, dtype=torch.float64))

    def forward(self, x):
        return self.w[:, None] * x


def half_square(outputs, targets):
    return (outputs - targets).square().sum(dim=1) / 2


def forever(batch):
    while True:
        yield batch


def watch(event):
    return event.rows("w", event.model.w.detach(), "1")


def path_of(rows, name="w"):
    return [row.value for row in rows if row.name == name]


def run(model, num_steps, rate=0.5, batches=None, **how):
    batches = forever(HALF_SQUARE) if batches is None else batches
    seeds = how.pop("seeds", range(len(model.w)))
    how = {"loss": half_square, "probes": [(every(1), watch)], **how}
    return train(model, batches, seeds=seeds, rate=rate, num_steps=num_steps, **how)


def test_a_step_by_pencil():
    # loss w² / 2, gradient w: each step takes w to w - w / 2
    assert path_of(run(Line(1.0), 3)) == [1.0, 0.5, 0.25, 0.125]


def test_momentum_and_weight_decay_by_pencil():
    # g = w + w / 4, v = v / 2 + g, w = w - v / 4: heavy ball as Polyak (1964), L2 in the gradient.
    # w = 16: g = v = 20, w = 11: g = 13.75, v = 23.75, w = 5.0625
    rows = run(Line(16.0), 2, rate=0.25, momentum=0.5, weight_decay=0.25)
    assert path_of(rows) == [16.0, 11.0, 5.0625]


@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 1e-2)])
def test_the_path_is_that_of_torchs_sgd(momentum, weight_decay):
    ours, theirs = Line(0.7), Line(0.7)
    sgd = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=momentum, weight_decay=weight_decay)
    expected = []
    for _ in range(11):
        expected.append(float(theirs.w.detach()))
        sgd.zero_grad()
        half_square(theirs(HALF_SQUARE[0]), HALF_SQUARE[1]).sum().backward()
        sgd.step()
    rows = run(ours, 10, rate=0.1, momentum=momentum, weight_decay=weight_decay)
    assert path_of(rows) == expected


def test_a_schedule_multiplies_the_rate_of_its_step():
    seen = []
    rows = run(
        Line(1.0),
        2,
        rate_at=lambda step: [1.0, 0.5, 0.25][step],
        probes=[(every(1), watch), (every(1), lambda event: seen.append(event.rate) or [])],
    )
    assert path_of(rows) == [1.0, 0.5, 0.375]  # w - w / 2, then w - w / 4
    assert seen == [0.5, 0.25, 0.125]


def test_probes_look_before_each_step_and_once_after_the_last():
    calls = []

    def note(event):
        calls.append((event.step, float(event.model.w.detach()), event.seeds))
        return []

    run(Line(1.0), 2, seeds=[7], probes=[(every(1), note)])
    assert calls == [(0, 1.0, (7,)), (1, 0.5, (7,)), (2, 0.25, (7,))]


def test_a_probe_is_called_only_when_it_is_due():
    rows = run(Line(1.0), 5, probes=[(every(2), watch), (at([5]), watch)])
    assert [row.step for row in rows] == [0, 2, 4, 5]


def test_a_probe_sees_the_batch_of_the_coming_step():
    batches = [(torch.full((1, 1), float(i)), torch.zeros(1, 1)) for i in range(3)]
    seen = []
    run(Line(1.0), 2, batches=iter(batches), probes=[(every(1), lambda e: seen.append(e) or [])])
    assert [float(event.inputs) for event in seen] == [0.0, 1.0, 2.0]


def test_no_steps_still_measure_the_start():
    assert run(Line(3.0), 0) == [Row(0, 0, "w", 3.0, "1")]


def test_training_mode_is_restored_for_each_step():
    modes = []

    class Watched(Line):
        def forward(self, x):
            modes.append(self.training)
            return super().forward(x)

    run(Watched(1.0), 2, probes=[(every(1), lambda event: event.model.eval() and [])])
    assert modes == [True, True]


def test_stacked_seeds_do_not_touch_each_other():
    together = run(Line(1.0, 4.0), 3, seeds=[5, 6])
    alone = [*run(Line(1.0), 3, seeds=[5]), *run(Line(4.0), 3, seeds=[6])]
    assert sorted(together) == sorted(alone)


@pytest.mark.parametrize("broken", [torch.inf, torch.nan])
@pytest.mark.parametrize("step", [0, 1, 37, 100, 101, 149])
def test_a_diverged_seed_is_recorded_once_with_its_step(step, broken):
    calls = 0

    def fails_in_one_seed(outputs, targets):
        nonlocal calls
        losses = half_square(outputs, targets)
        if calls in (step, step + 1):  # and is finite again afterwards
            losses = losses + torch.tensor([0.0, broken])
        calls += 1
        return losses

    rows = run(Line(1.0, 1.0), 150, rate=1e-3, seeds=[5, 6], loss=fails_in_one_seed)
    assert [row for row in rows if row.name == "diverged"] == [
        Row(6, step, "diverged", float(step), "step")
    ]
    assert [row.step for row in rows if row.name == "w" and row.seed == 6] == list(range(151))


def test_a_rate_that_is_too_large_diverges_and_the_others_go_on():
    # w -> w - 3 w = -2 w doubles each time: the loss overflows, 0 stays where it is
    rows = run(Line(1.0, 0.0), 600, rate=3.0, seeds=[1, 2])
    (row,) = [row for row in rows if row.name == "diverged"]
    assert row.seed == 1
    assert row.step == 512  # (2^512)² is the first square above 2^1024
    assert [r.value for r in rows if r.seed == 2] == [0.0] * 601


def test_batches_that_run_out_are_refused():
    with pytest.raises(ValueError, match="ran out before step 3"):
        run(Line(1.0), 3, batches=iter([HALF_SQUARE] * 3))


@pytest.mark.parametrize(("rate", "num_steps"), [(0.0, 1), (-1.0, 1), (float("nan"), 1), (1.0, -1)])
def test_a_rate_or_number_of_steps_that_makes_no_sense_is_named(rate, num_steps):
    with pytest.raises(ValueError, match=f"rate {rate}, num_steps {num_steps}"):
        run(Line(1.0), num_steps, rate=rate)


def test_there_is_a_progress_bar_only_when_asked(capsys):
    run(Line(1.0), 2)
    assert capsys.readouterr() == ("", "")
    run(Line(1.0), 2, progress="arm none")
    out, err = capsys.readouterr()
    assert out == ""
    assert "arm none" in err
    assert "2/2" in err
    assert "loss=" in err


def test_cross_entropy_is_torchs_for_each_seed():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64)
    targets = torch.randint(3, (2, 7), generator=generator)
    expected = [float(F.cross_entropy(z, t)) for z, t in zip(logits, targets, strict=True)]
    assert cross_entropy(logits, targets).tolist() == pytest.approx(expected, rel=1e-12)


# ---- batches


def examples(num=7):
    return torch.arange(num, dtype=torch.float32)[:, None], torch.arange(num) * 10


def batches_of(seeds, count, **how):
    how = {"batch_size": 3, **how}
    return list(islice(stacked_batches(*examples(), seeds=seeds, **how), count))


def test_a_short_last_batch_is_left_out():
    # 7 examples in threes: 2 batches an epoch, 6 of the 7 examples, each once
    for epoch in (0, 1, 2):
        first, second = batches_of([0], 6)[2 * epoch : 2 * epoch + 2]
        assert first[0].shape == second[0].shape == (1, 3, 1)
        assert len({*first[0].flatten().tolist(), *second[0].flatten().tolist()}) == 6


def test_an_epoch_that_divides_evenly_shows_every_example_once():
    epoch = batches_of([4], 7, batch_size=1)
    assert sorted(float(x) for x, _ in epoch) == [0, 1, 2, 3, 4, 5, 6]


def test_the_labels_stay_with_their_examples():
    for x, y in batches_of([0, 1], 4):
        assert torch.equal(y, x[..., 0].long() * 10)


def test_the_order_of_a_seed_does_not_depend_on_the_other_seeds():
    together = batches_of([8, 3, 5], 6)
    for place, seed in enumerate([8, 3, 5]):
        for (x, y), (x_alone, y_alone) in zip(together, batches_of([seed], 6), strict=True):
            assert torch.equal(x[place], x_alone[0])
            assert torch.equal(y[place], y_alone[0])


def test_the_order_does_not_depend_on_torchs_random_state():
    torch.manual_seed(1)
    before = batches_of([0], 4)
    torch.manual_seed(2)
    torch.rand(10)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(before, batches_of([0], 4), strict=True))


def test_two_seeds_have_two_orders_and_two_epochs_as_well():
    x = torch.stack([x for x, _ in batches_of([0, 1], 14, batch_size=1)])[:, :, 0, 0]  # (14, 2)
    assert not torch.equal(x[:7, 0], x[:7, 1])
    assert not torch.equal(x[:7, 0], x[7:, 0])


def test_without_reshuffling_the_first_epoch_comes_again():
    x = torch.stack([x for x, _ in batches_of([0], 14, batch_size=1, reshuffle=False)])
    assert torch.equal(x[:7], x[7:])
    shuffled = torch.stack([x for x, _ in batches_of([0], 7, batch_size=1)])
    assert torch.equal(x[:7], shuffled)


class Copies(TorchDispatchMode):
    """Counts copies from device to device, each of which a GPU would wait for."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._to_copy.default
        return function(*args, **(kwargs or {}))


def test_an_order_goes_to_the_examples_device_once_an_epoch():
    x, y = (tensor.to("meta") for tensor in examples())  # three batches of two an epoch
    with Copies() as copies:
        batches = list(islice(stacked_batches(x, y, seeds=[0, 1], batch_size=2), 7))
    assert copies.count == 3
    assert {tensor.device.type for batch in batches for tensor in batch} == {"meta"}


@pytest.mark.parametrize("batch_size", [0, 8])
def test_a_batch_size_beyond_the_data_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size {batch_size}: the data set has 7 examples"):
        batches_of([0], 1, batch_size=batch_size)


# ---- schedules


def test_schedules_by_pencil():
    assert [step for step in range(10) if every(4)(step)] == [0, 4, 8]
    assert [step for step in range(10) if at([9, 2])(step)] == [2, 9]


def test_tenths_begin_at_the_first_step_and_end_at_the_last():
    assert tenths(1000) == [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
    assert tenths(25)[-2:] == [22, 25]


def test_steps_that_grow_by_pencil():
    # 300 * 1.5 = 450 is rounded up to 500, 500 * 1.5 to 800, 800 * 1.5 is beyond the end
    assert growing(0, 1000, interval=100, growth=1.5) == [0, 100, 200, 300, 500, 800, 1000]


def test_steps_that_grow_end_at_the_last_even_if_it_is_no_multiple():
    assert growing(0, 30, interval=100, growth=1.02) == [0, 30]
    assert growing(0, 0, interval=100, growth=1.02) == [0]
