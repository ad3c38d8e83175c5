"""dmengine masks data where it lives: keyed, consistent, all or nothing.

A masker is a pure function from an Arrow array and a keyed context to an Arrow array of the same length.
Everything else moves batches of records to it and back. To read the code, read in this order:

* `running` drives a run: parts are sealed, then one COMMIT, then they are published; or all is rolled back.
* `engine` masks one batch of records; `applying` wraps one call of one mask.
* `planning` holds rules against a description of the data, and refuses early what does not fit.
* `spi` has the contracts that maskers, formats and connectors implement.
* then one masker (`dmengine_maskers.redact`) and one connector (`dmengine_connectors.files`).

>>> import dmengine as dm
>>> from dmengine.maskers import Redact
>>> rules = dm.Ruleset([dm.Rule("email", Redact()), dm.keep("id", because="surrogate key")])
>>> import pyarrow as pa
>>> dm.mask_table(pa.table({"id": [1], "email": ["ann@example.org"]}), rules, dm.Key.generate()).to_pydict()
{'id': [1], 'email': ['*']}
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmengine.api import (
        check,
        clean,
        mask_frame,
        mask_table,
        plan,
        preview,
        resume,
        run,
        unmask_frame,
        unmask_table,
    )
    from dmengine.conditions import all_of, any_of, field, not_
    from dmengine.errors import DmengineError
    from dmengine.functions import masker
    from dmengine.keyring import Key
    from dmengine.report import Report
    from dmengine.rules import Dataset, Rule, Ruleset, drop, keep

# Public name -> the module it lives in. Loaded on first use, so that `import dmengine` costs next to nothing.
_HOMES = {
    "Dataset": "rules",
    "DmengineError": "errors",
    "Key": "keyring",
    "Report": "report",
    "Rule": "rules",
    "Ruleset": "rules",
    "all_of": "conditions",
    "any_of": "conditions",
    "check": "api",
    "clean": "api",
    "drop": "rules",
    "field": "conditions",
    "keep": "rules",
    "mask_frame": "api",
    "mask_table": "api",
    "masker": "functions",
    "not_": "conditions",
    "plan": "api",
    "preview": "api",
    "resume": "api",
    "run": "api",
    "unmask_frame": "api",
    "unmask_table": "api",
}

__all__ = [
    "Dataset",
    "DmengineError",
    "Key",
    "Report",
    "Rule",
    "Ruleset",
    "all_of",
    "any_of",
    "check",
    "clean",
    "drop",
    "field",
    "keep",
    "mask_frame",
    "mask_table",
    "masker",
    "not_",
    "plan",
    "preview",
    "resume",
    "run",
    "unmask_frame",
    "unmask_table",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from dmengine.versions import version

        return version()
    if name not in _HOMES:
        raise AttributeError(f"module 'dmengine' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"dmengine.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
