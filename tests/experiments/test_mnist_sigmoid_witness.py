"""The recorded trial of B1 contradicts a famous figure: so here is the same net written twice."""

import torch
from torch import nn

from bnkit.data import load
from bnkit.models import StackedMLP
from bnkit.train import stacked_batches, train

SIZES, SEED, RATE, NUM_STEPS = (64, 100, 100, 100, 10), 3, 1.0, 150


def plain_torch_net(stack, norm):
    """`nn.Sequential` with torch's own layers, holding the weights of the stack's only seed."""
    layers = []
    for linear in stack.linears:
        mine = nn.Linear(*linear.weight.shape[:0:-1], bias=linear.bias is not None)
        mine.weight.data = linear.weight.data[0].clone()
        if mine.bias is not None:
            mine.bias.data = linear.bias.data[0, :, 0].clone()
        layers += [mine, nn.BatchNorm1d(len(mine.weight)), nn.Sigmoid()]
    layers = layers[:-2]  # nothing follows the head
    return nn.Sequential(*(x for x in layers if norm == "batch" or type(x) is not nn.BatchNorm1d))


def accuracies(norm):
    """Test accuracy of the engine's net and of plain torch's after the same batches."""
    data = load("digits")
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    stack = StackedMLP(SIZES, [SEED], norm=norm, activation="sigmoid")
    net = plain_torch_net(stack, norm)
    batches = stacked_batches(x, y, batch_size=60, seeds=[SEED])
    train(stack, batches, seeds=[SEED], rate=RATE, num_steps=NUM_STEPS)

    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    again = stacked_batches(x, y, batch_size=60, seeds=[SEED])
    for _, (inputs, targets) in zip(range(NUM_STEPS), again, strict=False):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(inputs[0]), targets[0]).backward()
        optimizer.step()

    x_test, y_test = torch.tensor(data.test.flat), torch.tensor(data.test.y)
    stack.eval(), net.eval()
    with torch.no_grad():
        pair = stack(x_test)[0], net(x_test)
    return [float((logits.argmax(-1) == y_test).double().mean()) for logits in pair], pair


def test_the_engine_trains_the_net_that_plain_torch_trains():
    for norm in ("none", "batch"):
        (engine, torch_alone), (logits, expected) = accuracies(norm)
        # Sums in another order, magnified by 150 steps of float32.
        torch.testing.assert_close(logits, expected, rtol=1e-2, atol=1e-2)
        assert abs(engine - torch_alone) < 0.01
        assert engine > 0.3  # and it did learn
