"""Applies all patches in patches/ to the checkout in the working directory, or fails."""

import runpy
from pathlib import Path

for patch in sorted((Path(__file__).parent / "patches").glob("*.py")):
    runpy.run_path(str(patch))
    print(f"applied {patch.name}")
