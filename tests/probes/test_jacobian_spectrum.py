import math

import numpy as np
import pytest
import torch
from torch import nn

from bnkit.models import StackedMLP
from bnkit.probes import JacobianSpectrum
from bnkit.probes.jacobian import spectrum_summary


def test_a_diagonal_map_by_pencil(event_of, read):
    model = nn.Sequential(nn.Identity(), nn.Linear(2, 2), nn.Identity())
    with torch.no_grad():
        model[1].weight.copy_(torch.diag(torch.tensor([1.0, -4.0])))
    event = event_of(model, x=torch.randn(3, 2))
    assert read(JacobianSpectrum(source="0", target="2")(event)) == pytest.approx(
        {
            "jacobian_log_condition": math.log(4), "jacobian_max": 4.0, "jacobian_median": 2.5,
            "jacobian_min": 1.0, "jacobian_rank": 1.0, "jacobian_log_std": math.log(4) / 2,
            "jacobian_log_rms": math.log(4) / math.sqrt(2),
        }
    )  # fmt: skip


def test_a_linear_net_is_the_product_of_its_matrices_seed_by_seed(event_of, read):
    model = StackedMLP((5, 4, 3, 2), (1, 2), norm="none", activation="identity")
    event = event_of(model, seeds=(1, 2), x=torch.randn(2, 6, 5))
    rows = read(JacobianSpectrum(source="linears.0", target="linears.2")(event))
    first, second = (model.linears[i].weight.detach().double().numpy() for i in (0, 1))
    s = np.linalg.svd(second @ first, compute_uv=False)  # (K, 3)
    assert rows["jacobian_max"] == pytest.approx(s[:, 0], rel=1e-9)
    assert rows["jacobian_log_condition"] == pytest.approx(np.log(s[:, 0] / s[:, -1]), rel=1e-9)


@pytest.mark.parametrize("bn_mode", ["batch", "running"])
def test_blocks_of_the_whole_jacobian_by_autograd(bn_mode, event_of, read):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Identity(), nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Tanh()).double()
    x = torch.randn(4, 3, dtype=torch.float64)
    event = event_of(model, x=x)
    probe = JacobianSpectrum(source="0", target="3", num_examples=3, bn_mode=bn_mode)
    rows = read(probe(event))
    model.train(bn_mode == "batch")
    whole = torch.autograd.functional.jacobian(lambda h: model[2](model[1](h)), x)  # (4, 3, 4, 3)
    blocks = np.stack([whole[n, :, n].numpy() for n in range(3)])
    s = np.linalg.svd(blocks, compute_uv=False)
    assert rows["jacobian_max"] == pytest.approx(np.median(s[:, 0]), rel=1e-9)
    assert rows["jacobian_min"] == pytest.approx(np.median(s[:, -1]), rel=1e-9)


def test_a_convolution_is_taken_with_all_its_positions(event_of, read):
    # a 1 x 1 convolution by 2 at four positions: four singular values of 2
    model = nn.Sequential(nn.Identity(), nn.Conv2d(1, 1, 1, bias=False), nn.Identity())
    with torch.no_grad():
        model[1].weight.fill_(2.0)
    rows = read(JacobianSpectrum(source="0", target="2")(event_of(model, x=torch.ones(2, 1, 2, 2))))
    assert [rows["jacobian_max"], rows["jacobian_min"]] == pytest.approx([2.0, 2.0])
    assert rows["jacobian_log_std"] == pytest.approx(0.0, abs=1e-12)


def test_a_singular_map_has_an_infinite_condition_number_and_its_rank_says_so():
    u, v = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0, 1.0, 1.0]])
    summary = spectrum_summary(np.stack([u @ v, np.eye(3), np.zeros((3, 3))]))
    assert summary["log_condition"].tolist() == [np.inf, 0.0, np.inf]
    assert summary["rank"] == pytest.approx([1 / 3, 1.0, 0.0])
    assert summary["log_std"] == pytest.approx([0.0, 0.0, 0.0])
    # The one singular value that is not 0 is √14 √3.
    assert summary["log_rms"] == pytest.approx([np.log(42) / 2, 0.0, np.inf])


def test_layers_in_the_wrong_order_are_refused(event_of):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(ValueError, match="'0' does not depend on '1': swap them"):
        JacobianSpectrum(source="1", target="0")(event_of(model, x=torch.ones(3, 2)))


def test_a_module_that_is_not_there_is_refused_by_name(event_of):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"no module 'norms\.0': choose from 0, 1"):
        JacobianSpectrum(source="0", target="norms.0")(event_of(model, x=torch.ones(3, 2)))


def test_a_diverged_map_is_unknown_not_infinite():
    diverged = spectrum_summary(np.full((1, 3, 3), np.nan))
    assert np.isnan([diverged["log_rms"], diverged["rank"], diverged["log_condition"]]).all()
