import copy

import pytest
import torch
from torch.nn import functional as F

from bnkit.models import StackedMLP
from bnkit.probes import GradientICS
from bnkit.probes.steps import RelativeStepPerLayer


def product(outputs, _):
    return outputs.sum()


def test_a_chain_of_two_by_pencil(event_of, chain, read):
    # L = w1 w2 at (2, 1): g1 = 1, G = 2. A step of 0.5 takes w1 to 1.5, so G' = 1.5.
    probe = GradientICS(layer="1", loss=product)
    assert read(probe(event_of(chain(2.0, 1.0), rate=0.5))) == pytest.approx(
        {
            "ics_l2": 0.5, "ics_gradient": 2.0, "ics_relative": 0.25, "ics_size_ratio": 0.75,
            "ics_cosine": 1.0, "ics_step_min": 0.25, "ics_step_max": 0.25,
        }
    )  # fmt: skip


def test_a_step_too_long_turns_the_gradient_around(event_of, chain, read):
    # w1 = 2 - 4 * 1 = -2
    probe = GradientICS(layer="1", loss=product, name="turned")
    rows = read(probe(event_of(chain(2.0, 1.0), rate=4.0)))
    assert rows["turned_cosine"] == pytest.approx(-1.0)
    assert rows["turned_l2"] == pytest.approx(4.0)


def test_matched_steps_are_the_same_fraction_of_every_earlier_weight(event_of, chain, read):
    # L = w1 w2 w3; w1 and w2 lose a tenth each: G' = 0.81 G
    probe = GradientICS(layer="2", loss=product, step=RelativeStepPerLayer(0.1))
    rows = read(probe(event_of(chain(2.0, 1.0, 5.0), rate=123.0)))
    assert rows["ics_relative"] == pytest.approx(0.19)
    assert rows["ics_step_min"] == pytest.approx(0.1)
    assert rows["ics_step_max"] == pytest.approx(0.1)


def test_the_least_and_the_greatest_relative_step_of_an_earlier_layer(event_of, chain, read):
    # L = w1 w2 w3 at (2, 1, 5), rate 0.1: w1 moves by 0.5 of 2, w2 by 1 of 1
    rows = read(GradientICS(layer="2", loss=product)(event_of(chain(2.0, 1.0, 5.0), rate=0.1)))
    assert (rows["ics_step_min"], rows["ics_step_max"]) == pytest.approx((0.25, 1.0))


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_net_whose_earlier_layers_are_moved_by_hand(norm, event_of, read):
    torch.manual_seed(0)
    model = StackedMLP((4, 3, 3, 2), (1,), norm=norm, activation="tanh").double()
    x = torch.randn(1, 9, 4, dtype=torch.float64)
    y = torch.randint(0, 2, (1, 9))

    def gradients(net):
        net.zero_grad()
        F.cross_entropy(net(x)[0], y[0]).backward()
        return {name: p.grad.clone() for name, p in net.named_parameters()}

    moved = copy.deepcopy(model)
    before = gradients(moved)
    with torch.no_grad():
        for name, parameter in moved.named_parameters():
            if name.startswith(("linears.0", "norms.0")):  # gamma and beta move with their layer
                parameter -= 0.3 * before[name]
    g, g_after = before["linears.1.weight"], gradients(moved)["linears.1.weight"]
    rows = read(GradientICS(layer="linears.1")(event_of(model, x=x, y=y, rate=0.3)))
    assert rows["ics_l2"] == pytest.approx(float((g - g_after).norm()), rel=1e-9)
    assert rows["ics_gradient"] == pytest.approx(float(g.norm()), rel=1e-9)
    cosine = F.cosine_similarity(g.flatten(), g_after.flatten(), dim=0)
    assert rows["ics_cosine"] == pytest.approx(float(cosine), rel=1e-9)


@pytest.mark.parametrize("layer", ["0", "3", "weight"])
def test_the_first_layer_has_none_before_it_and_others_must_exist(layer, event_of, chain):
    probe = GradientICS(layer=layer, loss=product)
    with pytest.raises(ValueError, match=f"layer '{layer}': choose from 1, 2$"):
        probe(event_of(chain(1.0, 1.0, 1.0)))
