"""Planning: rules that turn what the audit found and what the machine is into decisions, each with its because."""

from striate.plan.context import Budget, Context, Machine
from striate.plan.leaves import Leaf, check_value, parse_value
from striate.plan.planner import leaves, make_plan, read_plan
from striate.plan.rule import RULES, Decisions, Rule, rule

__all__ = [
    "RULES",
    "Budget",
    "Context",
    "Decisions",
    "Leaf",
    "Machine",
    "Rule",
    "check_value",
    "leaves",
    "make_plan",
    "parse_value",
    "read_plan",
    "rule",
]
