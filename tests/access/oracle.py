"""Answers cases from standard input by ministack's evaluator, run by the Python that has it, with nothing of ours."""

from __future__ import annotations

import json
import sys
from typing import Any


def answered(case: dict[str, Any]) -> str:
    """Return A for allowed, D for denied by a statement, N for neither."""
    from ministack.core.iam_evaluator import EvalContext, combine_resource_policy, evaluate, parse_policy_document

    given = {key.lower(): value for key, value in case["context"].items()}
    context = EvalContext(
        principal_arn=case["principal"],
        principal_type="AssumedRole",
        principal_account=case["principal"].split(":")[4],
        action=case["action"],
        resource_arn=case["resource"],
        region="eu-west-1",
        source_ip="127.0.0.1",
        secure_transport=given.get("aws:securetransport") == "true",
        service_context=given,
    )
    limits = [[parse_policy_document(one) for one in case["session"]]] if case["session"] is not None else []
    identity = evaluate(context, [parse_policy_document(one) for one in case["identity"]], *limits)
    required = case["action"].startswith("kms:")
    both = combine_resource_policy(identity, context, case["own"], case["owner"], required, tuple(limits))
    return {"Allow": "A", "Deny": "D", "ImplicitDeny": "N"}[both.decision]


if __name__ == "__main__":
    print("".join(map(answered, json.load(sys.stdin))))
