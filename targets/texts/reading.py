"""Which texts a model is given: the same rules in training and for predictions."""

from targets.errors import UnreadableError, printable
from targets.texts import tokens

LONGEST = 20_000
"""Letters of a text above which a quotation that does not end, or the wrong file, is likelier: that
is ten pages. A network for a device reads the first few hundred words."""


class UnreadableTextError(UnreadableError):
    """Why a model is not given a text, in a few words that show where it begins."""


def require_text(text: str) -> None:
    """Raises `UnreadableTextError`. Words that the model does not know are no reason."""
    if "\0" in text:
        raise UnreadableTextError(f"a NUL character in the text '{beginning(text)}'")
    if len(text) > LONGEST:
        mark = ", or close a quotation mark" if "\n" in text else ""
        raise UnreadableTextError(
            f"a text of {len(text):,} characters, '{beginning(text)}', and {LONGEST:,} are the "
            f"most: keep the part that shows its class{mark}"
        )
    if not tokens.words(text):
        what = "empty" if not text.strip() else f"without a word: '{beginning(text)}'"
        raise UnreadableTextError(f"the text is {what}")


def beginning(text: str, most: int = 30) -> str:
    """On one line of a terminal."""
    return printable(text[:most]) + ("…" if len(text) > most else "")
