"""Who is right? Rules that numbers can contradict, and the judge that applies them."""

from bnkit.judging.families import holm
from bnkit.judging.rules import (
    AllOf,
    Bound,
    Difference,
    Equivalence,
    Identity,
    Interaction,
    NonInferior,
    PartialCorrelation,
    Ratio,
    Rule,
    Slope,
)
from bnkit.judging.samples import Samples
from bnkit.judging.tables import KINDS, as_table, parse_rule, rule_sha256
from bnkit.judging.targets import Arrival, steps_to_target
from bnkit.judging.verdicts import Verdict, judge

__all__ = [
    "judge",
    "holm",
    "Verdict",
    "Samples",
    "Rule",
    "KINDS",
    "Ratio",
    "Difference",
    "Equivalence",
    "NonInferior",
    "Slope",
    "Interaction",
    "Identity",
    "Bound",
    "PartialCorrelation",
    "AllOf",
    "parse_rule",
    "as_table",
    "rule_sha256",
    "Arrival",
    "steps_to_target",
]
