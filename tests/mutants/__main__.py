"""`python -m tests.mutants`: break every field, and print which mutants survive the rules.

Then change every field, and print what the review says too little about.
"""

import sys
import time
from collections import Counter

from tests.mutants import mutants, refusals, start
from tests.mutants.reviewed import changes, shortcomings


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
    played_down = [text for change in changes() for text in shortcomings(change)]
    print(f"{sum(1 for _ in changes())} changes reviewed, {len(played_down)} played down")
    print("".join(f"played down: {text}\n" for text in played_down), end="")
    return 1 if survivors or played_down else 0


if __name__ == "__main__":
    sys.exit(main())
