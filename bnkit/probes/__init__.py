"""What can be measured of a network in training. Every probe names its BN mode, leaves no trace.

Probes of the loss take one of `probes.steps` or `probes.directions` to say how far they look.
"""

from bnkit.probes.accuracy import Evaluation
from bnkit.probes.activation_walk import ActivationSmoothness
from bnkit.probes.activations import ActivationDrift, ActivationPercentiles
from bnkit.probes.density import SpectralDensity
from bnkit.probes.depth import SizeByDepth, WeightsByDepth
from bnkit.probes.gradient_ics import GradientICS
from bnkit.probes.jacobian import JacobianSpectrum
from bnkit.probes.moments import MomentDrift
from bnkit.probes.rank import EffectiveRank
from bnkit.probes.sharpness import Sharpness
from bnkit.probes.smoothness import Smoothness
from bnkit.probes.step_drift import StepDrift
from bnkit.probes.taylor import TaylorRemainder
from bnkit.probes.trace import HessianTrace

__all__ = [
    "Evaluation",
    "ActivationPercentiles",
    "ActivationDrift",
    "MomentDrift",
    "StepDrift",
    "GradientICS",
    "TaylorRemainder",
    "Smoothness",
    "ActivationSmoothness",
    "Sharpness",
    "HessianTrace",
    "SpectralDensity",
    "SizeByDepth",
    "WeightsByDepth",
    "EffectiveRank",
    "JacobianSpectrum",
]
