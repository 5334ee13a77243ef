"""What can be measured of a network in training. Every probe names its BN mode, leaves no trace."""

from bnkit.probes.accuracy import Evaluation
from bnkit.probes.activations import ActivationDrift, ActivationPercentiles

__all__ = ["Evaluation", "ActivationPercentiles", "ActivationDrift"]
