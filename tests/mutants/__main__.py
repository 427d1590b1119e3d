"""`python -m tests.mutants`: break every field, and print what the rules refuse and what not."""

from __future__ import annotations

import sys
import time
from collections import Counter

from tests.mutants import mutants, refusals, start


def main() -> int:
    """The exit status: 1 where something survives."""
    if problems := refusals(start()):
        print("\n".join(["the start is refused itself:", *problems]))
        return 1
    began = time.monotonic()
    made: Counter[str] = Counter()
    survivors = []
    for mutant in mutants():
        made[mutant.name.split()[0]] += 1
        if not refusals(mutant.objects):
            survivors.append(mutant.name)
    for kind, count in sorted(made.items()):
        print(f"{count:5}  {kind}")
    total = made.total()
    seconds = time.monotonic() - began
    print(f"{total - len(survivors)} of {total} mutants refused, in {seconds:.0f} s")
    print("".join(f"survived: {name}\n" for name in survivors), end="")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
