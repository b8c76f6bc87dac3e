"""Views of texts are a pure function of a seeded table; [CLS], padding and a known word stay."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.recipe.schema import Recipe
from pipeline.training.augmentation import require_fit, training_view
from pipeline.training.augmentation.texts import TextViews
from pipeline.training.augmentation.texts.table import uniform, without
from targets.errors import InputError
from targets.formats.input_spec import token_input
from targets.texts.tokens import CLS, PAD, UNK
from tests.tasks import LOADED

LENGTH = 12


def texts(count: int = 400, length: int = LENGTH) -> Dataset:
    """Of 1 to `length` - 1 words, which are numbered by their places: 101, 102, ..."""
    raw = np.zeros((count, length), np.int32)
    raw[:, 0] = CLS
    for row, words in zip(raw, np.random.default_rng(0).integers(1, length, count), strict=True):
        row[1 : 1 + words] = np.arange(101, 101 + words)
    samples = Samples(raw=raw, labels=np.zeros(count, np.int64))
    return Dataset(
        name="texts",
        classes=("a", "b"),
        splits=dict.fromkeys(Split, samples),
        sha256="",
        spec=token_input(length, 200),
    )


DATA = texts()
ALL = np.arange(400)


def rendered(view: int = 0, seed: int = 0, **settings: Any) -> npt.NDArray[np.int32]:
    cfg = TextViews(**{"drop": 0, "delete": 0, **settings})
    table = training_view(cfg, DATA, seed=seed, view=view)
    return np.asarray(table.render(DATA[Split.TRAIN], ALL))


RAW = DATA[Split.TRAIN].raw


def test_without_changes_a_view_is_the_text_itself() -> None:
    np.testing.assert_array_equal(rendered(), RAW)
    assert not TextViews.plain().changes
    assert TextViews().changes


def test_dropped_words_become_unknown_where_they_stand() -> None:
    view = rendered(drop=0.1)
    changed = view != RAW
    assert set(view[changed].tolist()) == {UNK}
    long = (RAW != PAD).sum(axis=1) > 6
    words = (RAW[long] > CLS).sum()
    assert changed[long].sum() / words == pytest.approx(0.1, abs=0.03)


def test_deleted_words_are_gone_and_the_others_keep_their_order() -> None:
    view = rendered(delete=0.2)
    left = 0
    for before, after in zip(RAW, view, strict=True):
        kept = after[after != PAD]
        assert after.tolist() == [*kept, *[PAD] * (LENGTH - len(kept))]
        assert set(kept) <= set(before)
        assert kept[1:].tolist() == sorted(kept[1:])
        left += len(kept)
    assert left / (RAW != PAD).sum() == pytest.approx(0.83, abs=0.04)


def test_a_masked_span_is_one_row_of_unknown_words() -> None:
    view = rendered(mask_span=4)
    unknown = view == UNK
    np.testing.assert_array_equal(view[~unknown], RAW[~unknown])
    sizes = unknown.sum(axis=1)
    assert set(sizes.tolist()) == {0, 1, 2, 3, 4}
    begins = (np.diff(unknown.astype(int), axis=1) == 1).sum(axis=1)
    np.testing.assert_array_equal(begins, sizes > 0)


@LOADED
@given(st.floats(0, 0.99), st.floats(0, 0.99), st.integers(0, 10), st.integers(0, 3))
def test_no_view_touches_cls_and_padding_or_leaves_no_word(
    drop: float, delete: float, span: int, view: int
) -> None:
    made = rendered(drop=drop, delete=delete, mask_span=span, view=view)
    assert made.shape == RAW.shape
    assert made.dtype == np.int32
    assert (made[:, 0] == CLS).all()
    assert (made[:, 1:] > CLS).any(axis=1).all()
    assert ((made != PAD).sum(axis=1) <= (RAW != PAD).sum(axis=1)).all()


def test_a_view_depends_on_seed_view_and_text_alone() -> None:
    cfg = TextViews(drop=0.3, delete=0.2, mask_span=3)
    samples = DATA[Split.TRAIN]
    table = training_view(cfg, DATA, seed=1, view=2)
    index = np.array([5, 3, 399])
    np.testing.assert_array_equal(
        table.render(samples, index), np.asarray(table.render(samples, ALL))[index]
    )
    again = training_view(cfg, DATA, seed=1, view=2).render(samples, ALL)
    np.testing.assert_array_equal(table.render(samples, ALL), again)
    for seed, view in ((2, 2), (1, 3)):
        other = training_view(cfg, DATA, seed=seed, view=view).render(samples, ALL)
        assert (np.asarray(other) != again).any(axis=1).mean() > 0.5


def test_a_change_is_the_same_beside_another_one() -> None:
    """But where both together would leave no known word."""
    alone, both = rendered(delete=0.2), rendered(drop=0.2, delete=0.2)
    same_words = ((alone == both) | (both == UNK)).all(axis=1)
    assert same_words.mean() > 0.95


def test_the_random_numbers_are_those_of_splitmix64() -> None:
    """Its first outputs for the seed 1234567, as the reference implementation in C gives them."""
    seed = np.array([1234567], np.uint64)
    wanted = np.array([[6457827717110365317, 3203168211198807973, 9817491932198370423]], np.uint64)
    np.testing.assert_array_equal(uniform(seed, 0, 3), (wanted >> np.uint64(11)) * 2.0**-53)


def test_words_behind_a_deleted_one_move_up() -> None:
    tokens = np.array([[CLS, 5, 6, 7, PAD]], np.int32)
    left_out = np.array([[False, True, False, False, False]])
    np.testing.assert_array_equal(without(tokens, left_out), [[CLS, 6, 7, PAD, PAD]])


def test_a_span_that_covers_every_text_is_refused() -> None:
    require_fit(TextViews(mask_span=LENGTH - 2), DATA)
    with pytest.raises(InputError, match=r"augmentation\.mask_span: 11 tokens leave nothing of"):
        require_fit(TextViews(mask_span=LENGTH - 1), DATA)


@pytest.mark.parametrize("key", ["mixup", "cutmix"])
def test_texts_cannot_be_mixed(key: str) -> None:
    recipe = {
        "name": "questions",
        "dataset": {"name": "texts", "path": "questions.csv"},
        "teacher": {"family": "kim_cnn"},
        "distill": {"family": "ds_cnn_1d", key: 0.2},
    }
    with pytest.raises(ValueError, match=rf"distill\.{key}: is for .*data set texts holds texts"):
        Recipe.model_validate(recipe)
