"""Names of classes: their order, and which of them may be one class."""

import re


def natural(text: str) -> tuple[list[tuple[bool, int, str]], str]:
    """A sort key with 2 before 10 and without regard to case, but for equal names."""
    parts = re.split(r"(\d+)", text)
    key = [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p.casefold()) for p in parts if p]
    return key, text


def spelling(name: str) -> str:
    """Equal for names that differ by case, or by spaces, hyphens and underscores, only."""
    return re.sub(r"[\s_-]+", " ", name.strip().casefold())
