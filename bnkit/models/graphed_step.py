"""One step of gradient descent as a CUDA graph: captured once, replayed at every step.

On a GPU the step of a small net is some hundred kernels of a few microseconds, and starting each of
them from Python costs as much as it runs. A graph starts them all at once. On the CPU the same step
runs as it is written, which is how it is tested.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]  # (outputs, targets) -> (K,) losses


class GraphedStep:
    """SGD with momentum and weight decay, as torch.optim.SGD, for `bnkit.train.train(step=...)`.

    Args:
        model: on one device; it trains in place. What it draws at random comes from torch's
            default generator of that device.
        loss: (outputs, targets) -> (K,) losses, whose sum is differentiated.
        momentum: of the gradient (heavy ball).
        weight_decay: L2 coefficient.

    Every batch has the shape of the first.
    """

    def __init__(
        self, model: nn.Module, loss: Loss, *, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        self._model, self._loss = model, loss
        self._momentum, self._weight_decay = momentum, weight_decay
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._velocities = [torch.zeros_like(p) for p in self._parameters if momentum]
        self._rate = torch.zeros((), dtype=torch.float64, device=self._parameters[0].device)
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step."""
        self._rate.fill_(rate)
        if not self._rate.is_cuda:
            return self._step(inputs, targets)
        if self._graph is None:
            self._capture(inputs, targets)
            self._rate.fill_(rate)
        self._inputs.copy_(inputs)
        self._targets.copy_(targets)
        self._graph.replay()
        return self._losses.clone()  # the next replay writes to the same memory

    def _step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        losses = self._loss(self._model(inputs), targets).reshape(-1)
        gradients = torch.autograd.grad(losses.sum(), self._parameters)
        with torch.no_grad():
            for index, (parameter, gradient) in enumerate(
                zip(self._parameters, gradients, strict=True)
            ):
                step = gradient
                if self._weight_decay:
                    step = step + self._weight_decay * parameter
                if self._momentum:
                    step = self._velocities[index].mul_(self._momentum).add_(step)
                parameter.sub_(self._rate * step)
        return losses.detach()

    def _capture(self, inputs: Tensor, targets: Tensor) -> None:
        """Capture the step, and leave the model as it was."""
        changing = [*self._parameters, *self._model.buffers(), *self._velocities]
        before = [tensor.detach().clone() for tensor in changing]
        self._inputs, self._targets = inputs.clone(), targets.clone()
        self._rate.zero_()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries choose their algorithms before the capture
            for _ in range(3):
                self._step(self._inputs, self._targets)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._losses = self._step(self._inputs, self._targets)
        with torch.no_grad():
            for tensor, value in zip(changing, before, strict=True):
                tensor.copy_(value)
