"""`python -m tests.mutants`: break every field, and print which mutants survive the rules."""

import sys
import time
from collections import Counter

from tests.mutants import mutants, refusals, start


def main() -> int:
    """The exit status: 1 if a mutant survives."""
    if problems := refusals(start()):
        messages = [problem.message for problem in problems]
        print("\n".join(["error: the base itself has violations:", *messages]))
        return 1
    began = time.monotonic()
    counts: Counter[str] = Counter()
    survivors = []
    for mutant in mutants():
        counts[mutant.name.split()[0]] += 1
        if not refusals(mutant.objects):
            survivors.append(mutant.name)
    for kind, count in sorted(counts.items()):
        print(f"{count:5}  {kind}")
    total = counts.total()
    seconds = time.monotonic() - began
    print(f"{total - len(survivors)} of {total} mutants rejected in {seconds:.0f} s")
    print("".join(f"survived: {name}\n" for name in survivors), end="")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
