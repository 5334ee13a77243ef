import pytest
import torch
from torch import nn

from bnkit.models.normalizers import NORMALIZERS, Folded, Normalizer, needs_bias, normalizer


@pytest.mark.parametrize(
    ("dims", "layer"),
    [(0, nn.BatchNorm1d), (1, nn.BatchNorm1d), (2, nn.BatchNorm2d), (3, nn.BatchNorm3d)],
)
def test_batch_is_torchs_layer_for_that_many_axes(dims, layer):
    bn = normalizer("batch", 3, dims, eps=1e-3, affine=False)
    assert type(bn) is layer
    assert (bn.num_features, bn.eps, bn.affine) == (3, 1e-3, False)
    assert bn(torch.randn(4, 3, *[2] * dims)).shape == (4, 3, *[2] * dims)


def test_none_changes_nothing_and_learns_nothing():
    identity = normalizer("none", 3, 2)
    x = torch.randn(4, 3, 2, 2)
    assert identity(x) is x
    assert not list(identity.parameters())


def test_a_bias_is_of_use_where_no_normalizer_takes_it_away():
    assert needs_bias("none", "before")
    assert needs_bias("none", "after")
    assert not needs_bias("batch", "before")
    assert needs_bias("batch", "after")


def test_a_bias_in_front_of_the_normalizer_is_lost_as_its_entry_says():
    x = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    bias = torch.randn(3, 1, 1, dtype=torch.float64)
    for name, entry in NORMALIZERS.items():
        norm = normalizer(name, 3, 2).double()
        assert torch.allclose(norm(x + bias), norm(x), atol=1e-9) == entry.removes_bias, name


def test_folded_each_seed_is_normalized_alone():
    x = torch.randn(3, 4, 6)  # seeds, channels, examples
    together = Folded("batch", 3, 4, eps=1e-5)
    alone = normalizer("batch", 4, 1)
    for k in range(3):
        assert torch.equal(together(x)[k], alone(x[k : k + 1])[0])


def test_a_normalizer_that_mixes_channels_cannot_be_folded(monkeypatch):
    # folded, it would mix seeds without a word
    def make(num_features, dims, *, eps, affine):
        return nn.GroupNorm(1, num_features)

    monkeypatch.setitem(NORMALIZERS, "layer", Normalizer(make, False, False))
    assert isinstance(normalizer("layer", 4, 2), nn.GroupNorm)
    with pytest.raises(ValueError, match="norm 'layer' mixes channels"):
        Folded("layer", 3, 4, eps=1e-5)


def test_a_wrong_name_or_place_is_answered_with_the_allowed_ones():
    with pytest.raises(ValueError, match="norm 'bach': choose one of none, batch"):
        normalizer("bach", 3, 2)
    with pytest.raises(ValueError, match="placement 'beside': choose before or after"):
        needs_bias("batch", "beside")
