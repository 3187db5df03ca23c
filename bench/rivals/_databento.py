"""Child: Databento's Python client on one DBN file. It imports nothing of ours.

Two ways to read: ``to_ndarray`` (every record into one array) and ``replay`` (a Python callback
for every record, here one that does nothing). Neither keeps a book or trades.
"""

import json
import os
import sys
import time
from typing import Any


def measure(plan: dict[str, Any]) -> dict[str, Any]:
    """Run the plan and return the line for the parent."""
    from importlib.metadata import version

    import databento

    replay = plan["way"] == "replay"
    check = {"records": 0, "lots": 0}

    def nothing(record: Any) -> None:
        pass

    def count(record: Any) -> None:
        check["records"] += 1
        check["lots"] += record.size

    seconds: list[float] = []
    for k in range(plan["runs"] + 1):  # the first one counts what it read, and is not counted
        began = time.perf_counter()
        store = databento.DBNStore.from_file(plan["path"])
        if replay:
            store.replay(nothing if k else count)
            seconds.append(time.perf_counter() - began)
        else:
            records = store.to_ndarray()
            seconds.append(time.perf_counter() - began)
            check = {"records": len(records), "lots": int(records["size"].sum(dtype="u8"))}
    return {
        "name": "databento",
        "version": version("databento"),
        "events": check["records"],
        "runs": seconds[1:],
        "convert_s": 0.0,
        "what": "an empty callback a record" if replay else "records into one array, no book",
        "check": check,
    }


def main() -> None:
    """Read the plan from the command line, print one line of JSON; libraries print to stderr."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        print(json.dumps(measure(json.loads(sys.argv[1]))), file=out)


if __name__ == "__main__":
    main()
