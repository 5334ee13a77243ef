"""How is a rule written down? As a table of plain values, with a hash that shows any change."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from bnkit.judging.rules import AllOf, Rule

KINDS: dict[str, type] = {cls.kind: cls for cls in get_args(Rule)}


def parse_rule(table: Mapping[str, Any]) -> Rule:
    """The rule that a table describes, for example one of `data/claims.toml`.

    Raises:
        ValueError: one line, for an unknown kind, an unknown or missing field, a value of the
            wrong type or thresholds that contradict each other.
    """
    kind = table.get("kind") if isinstance(table, Mapping) else table
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"rule kind {kind!r} is not one of {', '.join(KINDS)}")
    given = {name: value for name, value in table.items() if name != "kind"}
    cls = KINDS[kind]
    hints = get_type_hints(cls)
    allowed = {field.name: field for field in fields(cls)}
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise ValueError(f"{kind} has no field {unknown[0]!r}; it has {', '.join(allowed)}")
    if cls is AllOf:
        given = {name: _parse_parts(name, value) for name, value in given.items()}
    else:
        given = {name: _typed(name, value, hints[name]) for name, value in given.items()}
    try:
        return cls(**given)  # type: ignore[no-any-return]
    except TypeError as error:  # a missing field: dataclasses name it
        raise ValueError(f"{kind}: {str(error).partition(') ')[2]}") from None
    except ValueError as error:
        raise ValueError(f"{kind}: {error}") from None


def _parse_parts(name: str, value: Any) -> tuple[Rule, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"all_of: {name} = {value!r} is not an array of rules")
    return tuple(parse_rule(part) for part in value)


def _typed(name: str, value: Any, hint: Any) -> Any:
    """`value` as the annotated type: numbers become floats, arrays tuples."""
    if get_origin(hint) in (UnionType, Union):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        raise ValueError(f"{name} = {value!r} is not one of {', '.join(get_args(hint))}")
    if get_origin(hint) is tuple:
        item, *rest = get_args(hint)
        length = None if rest == [Ellipsis] else 1 + len(rest)
        if isinstance(value, list | tuple) and length in (None, len(value)):
            return tuple(_typed(name, part, item) for part in value)
        raise ValueError(f"{name} = {value!r} is not an array of {length or 'several'} values")
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if np.isfinite(value):
            return float(value)
        raise ValueError(f"{name} = {value!r} is not a finite number")
    if hint is str and isinstance(value, str) and value:
        return value
    raise ValueError(f"{name} = {value!r} is not a {'number' if hint is float else 'name'}")


def as_table(rule: Rule) -> dict[str, Any]:
    """The rule as plain values, `parse_rule` reversed; what is None is left out."""
    if isinstance(rule, AllOf):
        named: dict[str, Any] = {"parts": [as_table(part) for part in rule.parts]}
        if rule.given:
            named["given"] = [as_table(part) for part in rule.given]
    else:
        named = {name: value for name, value in asdict(rule).items() if value is not None}
    return {"kind": rule.kind, **named}


def rule_sha256(rule: Rule) -> str:
    """SHA-256 of the rule's canonical JSON: records keep it, so a later change shows."""
    text = json.dumps(as_table(rule), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
