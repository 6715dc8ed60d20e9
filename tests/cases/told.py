"""Tells what each case comes to: one JSON object a line, so that a run that breaks off shows how far it came."""

import json
import types


def tell(cases):
    """Runs each case, a function by its name; one that yields comes to the list of what it yields."""
    for name, function in cases.items():
        try:
            outcome = function()
            if isinstance(outcome, types.GeneratorType):
                outcome = list(outcome)
        except BaseException as error:
            outcome = ["raised", type(error).__name__, str(error)]
        print(json.dumps({"id": name, "outcome": outcome}), flush=True)
