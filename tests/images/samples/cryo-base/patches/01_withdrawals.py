"""Adds the column `withdrawals`."""

from pathlib import Path

target = Path("crates/cli/src/main.rs")
text = target.read_text(encoding="utf-8")
anchor = '    "withdrawals_root",\n'
if anchor not in text:
    raise SystemExit(f"{target}: {anchor.strip()} not found")
target.write_text(text.replace(anchor, anchor + '    "withdrawals",\n'), encoding="utf-8")
