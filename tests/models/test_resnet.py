import pytest
import torch
from torch.nn import functional as F

from bnkit.models import ResNet
from bnkit.models.resnet import BasicBlock
from bnkit.probes import ActivationPercentiles
from bnkit.rows import StepEvent


def test_resnet_20_has_the_parameters_that_pencil_gives():
    # 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64) in 19 convolutions,
    # 2 * (7 * 16 + 6 * 32 + 6 * 64) of BN, 650 in the head; table 6 of the paper says 0.27 million
    model = ResNet((3, 32, 32), 10, 0, norm="batch")
    assert sum(p.numel() for p in model.parameters()) == 269_722
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def block(**arm):
    options = {"norm": "batch", "activation": "relu", "placement": "before", "init": "he"}
    generator = torch.Generator().manual_seed(0)
    return BasicBlock(**{"inputs": 2, "outputs": 2, **options, **arm}, generator=generator)


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_block_computes_what_torchs_layers_compute(norm, placement):
    def bn(z):
        return F.batch_norm(z, None, None, training=True) if norm == "batch" else z

    ours = block(inputs=2, outputs=4, norm=norm, placement=placement).double()
    x = torch.randn(3, 2, 6, 6, dtype=torch.float64)
    first, second = (conv.weight for conv in ours.convs)
    skip = torch.cat([x[:, :, ::2, ::2], torch.zeros(3, 2, 3, 3, dtype=torch.float64)], dim=1)
    z = F.conv2d(x, first, stride=2, padding=1)
    if placement == "before":
        expected = (bn(F.conv2d(bn(z).relu(), second, padding=1)) + skip).relu()
    else:
        expected = bn((F.conv2d(bn(z.relu()), second, padding=1) + skip).relu())
    torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-12)


def test_a_block_without_weights_hands_its_input_on():
    ours = block(norm="none")
    for parameter in ours.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.rand(2, 2, 4, 4)
    assert torch.equal(ours(x), x)


def test_the_same_seed_has_the_same_weights_in_every_arm_and_no_bias_before_a_norm():
    def convolutions(seed, **arm):
        model = ResNet((1, 8, 8), 3, seed, blocks_per_stage=1, **arm)
        return [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]

    plain, batch = convolutions(1, norm="none"), convolutions(1, norm="batch")
    after = convolutions(1, norm="batch", placement="after")
    for a, b, c in zip(plain, batch, after, strict=True):
        assert torch.equal(a.weight, b.weight)
        assert torch.equal(a.weight, c.weight)
        assert (a.bias is None, b.bias is None, c.bias is None) == (False, True, False)
    assert not torch.equal(plain[0].weight, convolutions(2, norm="none")[0].weight)


def test_the_normalizer_stands_where_placement_says():
    x = torch.randn(4, 1, 8, 8)
    model = ResNet((1, 8, 8), 3, 0, norm="batch", blocks_per_stage=1, placement="after")
    streams = []
    for part in model.blocks:
        part.register_forward_pre_hook(lambda _, inputs: streams.append(inputs[0]))
    model(x)
    for stream in streams:  # each begins right behind a normalizer
        means = stream.mean(dim=(0, 2, 3))
        torch.testing.assert_close(means, torch.zeros_like(means), rtol=0, atol=1e-5)


def test_probes_find_layers_by_name():
    model = ResNet((1, 8, 8), 3, 0, norm="batch", blocks_per_stage=1)
    x = torch.randn(4, 1, 8, 8)
    event = StepEvent(0, model, (0,), x, torch.randint(3, (4,)), 0.1)
    for name in ("stem", "blocks.1", "blocks.2.activations.0", "blocks.0.norms.1", "head"):
        assert ActivationPercentiles(name, x)(event)
