"""The networks on trial. The normalizer and its place are chosen by name."""

from bnkit.models.deep_linear import DeepLinear
from bnkit.models.graphed_step import GraphedStep
from bnkit.models.residual_mlp import ResidualMLP
from bnkit.models.resnet import ResNet
from bnkit.models.small_cnn import SmallCNN
from bnkit.models.stacked_mlp import StackedMLP
from bnkit.models.stacked_step import StackedStep
from bnkit.models.vgg import VGG

__all__ = [
    "StackedMLP",
    "StackedStep",
    "GraphedStep",
    "DeepLinear",
    "ResidualMLP",
    "SmallCNN",
    "VGG",
    "ResNet",
]
