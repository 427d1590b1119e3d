"""The report for people and programs: terminal, Markdown, JSON."""
