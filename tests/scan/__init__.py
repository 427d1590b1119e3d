"""Public scanners over what we render: their findings are the waivers, no more and no fewer."""
