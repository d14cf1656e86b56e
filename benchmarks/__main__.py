"""`python -m benchmarks [NAME…]`: run benchmarks, print a table, write outputs/bench/<name>.json."""

import importlib
import sys

from utils import runs

NAMES = ("translation", "training", "planner", "evaluation", "review", "journey")


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"error: benchmark {unknown[0]!r} is unknown; use one of: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in names or NAMES:
        rows = importlib.import_module(f"benchmarks.{name}").run()
        runs.write_json(runs.output_folder("bench") / f"{name}.json", rows)
        for row in rows:
            target = "" if row["target"] is None else f"  target {row['target']} {'met' if row['meets'] else 'MISSED'}"
            print(f"{name:12} {row['measure']:60} {row['value']:8.2f} {row['unit']}{target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
