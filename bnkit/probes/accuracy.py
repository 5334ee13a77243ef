"""How good is the model on a fixed set of examples?"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bnkit.probes.guard import BnMode, measuring
from bnkit.rows import Row, StepEvent


@dataclass(frozen=True)
class Evaluation:
    """Accuracy and mean cross-entropy on a split, for each stacked seed.

    Cost: one forward pass over the split. A seed whose outputs are not finite has the accuracy
    of chance and an infinite loss: it has diverged, and is not dropped.
    """

    split: str  # the prefix of the rows' names: "test" makes "test_accuracy"
    x: Tensor  # (M, D) or (M, C, H, W)
    y: Tensor  # (M,)
    num_classes: int
    bn_mode: BnMode = "running"
    chunk: int = 2500  # examples per forward pass, which bounds the memory

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows "<split>_accuracy" (fraction) and "<split>_loss" (nat)."""
        if self.bn_mode == "batch" and len(self.x) > self.chunk:
            raise ValueError(
                f"bn_mode 'batch' on {len(self.x)} examples in chunks of {self.chunk}: the chunks "
                "would each have statistics of their own; raise chunk to the size of the split"
            )
        with measuring(event.model, self.bn_mode), torch.no_grad():
            correct, loss = self._totals(event)
        converged = torch.isfinite(loss)
        accuracy = torch.where(converged, correct, 1.0 / self.num_classes)
        loss = torch.where(converged, loss, torch.inf)
        return [
            *event.rows(f"{self.split}_accuracy", accuracy, "fraction"),
            *event.rows(f"{self.split}_loss", loss, "nat"),
        ]

    def _totals(self, event: StepEvent) -> tuple[Tensor, Tensor]:
        correct = torch.zeros(len(event.seeds), dtype=torch.float64)
        loss = torch.zeros(len(event.seeds), dtype=torch.float64)
        for x, y in zip(self.x.split(self.chunk), self.y.split(self.chunk), strict=True):
            logits = event.model(x)
            logits = logits.reshape(len(event.seeds), len(y), -1)  # (K, N, classes)
            correct += (logits.argmax(-1) == y).sum(-1).cpu()
            targets = y.expand(len(event.seeds), -1)
            each = F.cross_entropy(logits.transpose(1, 2).double(), targets, reduction="none")
            loss += each.sum(-1).cpu()
        return correct / len(self.x), loss / len(self.x)
