"""Kubernetes quantities: parsing, and their canonical form. Durations of Go."""

import re
from fractions import Fraction
from functools import cache
from typing import Any

from constructs_lib.errors import DeclarationError

_BINARY = {f"{prefix}i": Fraction(1024**power) for power, prefix in enumerate("KMGTPE", start=1)}
_DECIMAL = {
    suffix: Fraction(1000) ** power
    for power, suffix in enumerate(["n", "u", "m", "", *"kMGTPE"], start=-3)
}
_SCALES = _DECIMAL | _BINARY
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(h|ms|us|µs|ns|m|s)")
_FORM = re.compile(
    r"(?!.{41})\+?(?P<number>\d+\.?\d*|\.\d+)"
    r"(?:(?P<power>[eE][+-]?\d{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)"
)


def amount(value: Any) -> Fraction:
    """The value of any quantity that the API server accepts, in cores, bytes or a count.

    `amount("250m") == 1/4`; also `2`, `0.5`, `.5`, `1e3` and `5n`. Negative ones are not accepted.

    Raises DeclarationError if `value` is not a quantity.
    """
    return _amount(str(value))


@cache
def _amount(text: str) -> Fraction:
    match = _FORM.fullmatch(text)
    if not match:
        raise DeclarationError(
            f"{text!r} is not a valid quantity; write it like 250m, 2, 512Mi or 1Gi"
        )
    return Fraction(match["number"] + (match["power"] or "")) * _SCALES[match["suffix"] or ""]


def spell(value: Fraction | int, *, binary: bool) -> str:
    """The canonical form of `value`: the largest suffix with an integer.

    The API server stores this form; any other would show up as permanent drift.
    """
    scales = _BINARY | {"": Fraction(1)} if binary and value % 1 == 0 else _DECIMAL
    suffix, scale = max(
        ((suffix, scale) for suffix, scale in scales.items() if (value / scale) % 1 == 0),
        key=lambda pair: pair[1],
        default=("n", _DECIMAL["n"]),
    )
    return f"{int(value / scale)}{suffix}" if value else "0"


def check_canonical(text: str, what: str) -> None:
    """Reject a quantity that is not in canonical form."""
    if canonical(text) != text:
        raise DeclarationError(
            f"{what} {text!r} is not in canonical form; write {canonical(text)!r}"
        )


def check_bytes(text: str, what: str) -> None:
    """Reject an amount of bytes that is not in canonical form, or not of whole bytes."""
    if problem := misread_bytes(text):
        raise DeclarationError(f"{what} {text!r} is {problem}")
    check_canonical(text, what)


def misread_bytes(text: str) -> str | None:
    """What is wrong with an amount of bytes such as `512m`, `512` or `0.5`; None if nothing is."""
    few = re.fullmatch(r"([1-9]\d{0,3})(m?)", text)
    below = text.endswith(("m", "u", "n")) or re.fullmatch(r"\d*\.\d*[1-9]\d*", text)
    unit = "in thousandths of a byte" if below else "in bytes"
    correction = f"did you mean {few[1]}Mi?" if few else "write it like 512Mi or 1Gi"
    return f"{unit}; {correction}" if few or below else None


@cache
def canonical(text: str) -> str:
    """`text` in canonical form: 1024Mi becomes 1Gi, 1000m becomes 1."""
    return spell(amount(text), binary=text.endswith("i"))


def readable(value: Fraction, *, binary: bool) -> str:
    """`value` rounded to two decimal places: `2.35` cores, `7.25Gi` of memory."""
    unit = "" if not binary else "Gi" if value >= 2**30 or not value else "Mi"
    scale = _BINARY[unit] if unit else Fraction(1)
    return f"{float(value / scale):.2f}".rstrip("0").rstrip(".") + (unit if value else "")


def seconds(value: Any) -> float:
    """The seconds of a duration such as `1h30m`, or of a number of seconds.

    Raises DeclarationError if `value` is not a duration.
    """
    text = f"{value}s" if re.fullmatch(r"\d+", str(value)) else str(value)
    if not text or _DURATION.sub("", text):
        raise DeclarationError(f"{text!r} is not a valid duration; write it like 90s, 5m or 1h")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def duration(value: float) -> str:
    """`95 s`, `5 min`, `36 h`."""
    size, unit = (3600, "h") if value >= 3600 else (60, "min") if value >= 300 else (1, "s")
    return f"{value / size:.4g} {unit}"
