"""Texts as the raw input of a model."""

from dataclasses import dataclass

from targets.formats.input_spec import Kind
from targets.prediction.preparation.contract import Item
from targets.texts.reading import UnreadableTextError, require_text
from targets.texts.tokenizer import Tokenizer, TokenizerRecord, Tokens


@dataclass(frozen=True)
class OfTexts:
    tokenizer: Tokenizer
    kind: Kind = "tokens"

    @property
    def how(self) -> TokenizerRecord:
        return self.tokenizer.record

    @property
    def blank(self) -> Tokens:
        """[length]"""
        return self._tokens("")

    def __call__(self, item: Item) -> Tokens:
        """Words that the vocabulary does not have are the token for unknown ones."""
        if not isinstance(item, str):
            raise UnreadableTextError("it is no str; of a file, give what is in it")
        require_text(item)
        return self._tokens(item)

    def _tokens(self, text: str) -> Tokens:
        made: Tokens = self.tokenizer([text])[0]
        return made
