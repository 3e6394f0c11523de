"""Cost of reading attention trajectories against the published way and ``output_attentions=True``, in one run.

Run: python -m benchmarks.extraction [--images N]. A LLaVA-shaped random model: 576 image tokens, 12 layers of width
512, three checkpoints; one thread, CPU seconds, models loaded beforehand. The other two sides take batches as the rows
come, and open a row's image at every checkpoint, as the published code does. At its end all signals of one checkpoint
are compared with a plain forward pass, which reads nothing, over the same batches; those two take turns.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.made_models import Photos, Shape, llava, made_samples
from benchmarks.measuring import report
from benchmarks.other_ways import looks, read_attentions, read_published, shared_forward, whole_inputs
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, Settings
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.extraction.base import Signal
from xmas_assets.extraction.batching import batches_of
from xmas_assets.extraction.passes import SignalReader
from xmas_assets.extraction.shard_arrays import split_columns
from xmas_assets.extraction.signal_makers import make_signals
from xmas_assets.extraction.trajectories import AttentionSpectra
from xmas_assets.vlm.image_inputs import OpenImage, Pictures
from xmas_assets.vlm.loading import Vlm, load_vlm
from xmas_assets.vlm.model_files import SHIPPED_BASE
from xmas_assets.vlm.prompts import Encoded, Encoder

N_LAYERS, WIDTH = 12, 512
N_CHECKPOINTS, N_VALUES, BATCH_SIZE = 3, 5, 8
TARGETS = {1: (">= 1.7", ">= 2.5"), 8: (">= 5", ">= 7")}
#: XMAS's own proxy, StableLM-2-1.6B with CLIP-L/336, half as deep and a quarter as wide. The vocabulary has an eighth
#: of the words, so that its layer keeps its share of the products.
PROXY = llava(
    "half of the proxy",
    text={
        "vocab_size": 100_352 // 8,
        "hidden_size": WIDTH,
        "intermediate_size": 5632 // 4,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": 8,
    },
    vision={
        "image_size": 336,
        "patch_size": 14,
        "hidden_size": 1024 // 4,
        "intermediate_size": 4096 // 4,
        "num_hidden_layers": 24 // 2,
        "num_attention_heads": 16 // 4,
    },
)
PHOTOS = Photos(PROXY.picture_size)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=8, help="images at 1 question each; a quarter of them at 8")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vlms = [made_vlm(PROXY, seed) for seed in range(N_CHECKPOINTS)]
    print("| what | other, s | ours, s | ratio | target | checked |\n|---|---|---|---|---|---|")
    for n_questions, n_images in ((1, options.images), (8, max(1, options.images // 4))):
        compare(vlms, made_samples(n_images, n_questions), n_questions)
    print(
        "| model | rows, 1 on each image | plain, s | trajectories | all signals | target |\n|---|---|---|---|---|---|"
    )
    toy, short = load_vlm(SHIPPED_BASE, BaseModelSettings()), made_samples(32 * options.images, 1, answer_words=(1, 3))
    compare_with_plain("the toy model", toy, short, Photos((64, 64)), batch_size=64)
    compare_with_plain(PROXY.name, vlms[0], made_samples(options.images, 1), PHOTOS, batch_size=BATCH_SIZE)


def compare(vlms: Sequence[Vlm], samples: list[Sample], n_questions: int) -> None:
    rows = encode(vlms[0], samples, PHOTOS)
    seconds, ours = run_ours(vlms, samples, "causal")
    floor = timed(lambda: [shared_forward(vlm, rows) for vlm in vlms])[0]
    singular = partial(leading_values, n_values=N_VALUES)
    inputs = partial(whole_inputs, rows=rows, open_image=PHOTOS, batch_size=BATCH_SIZE)
    eager, expected = timed(lambda: [read_attentions(vlm, inputs(vlm), singular) for vlm in vlms])
    np.testing.assert_allclose(ours, np.stack(expected, axis=1), rtol=1e-4)
    published = timed(lambda: [read_published(vlm, inputs(vlm), N_VALUES) for vlm in vlms])[0]
    few = samples[:2]
    exact = np.stack([exact_reference(vlm, row) for row in encode(vlms[0], few, PHOTOS) for vlm in vlms])
    np.testing.assert_allclose(run_ours(vlms, few, "reference")[1].reshape(exact.shape), exact, rtol=1e-4)
    what = f"{len(samples)} rows, {n_questions} on each image"
    targets = TARGETS[n_questions]
    report(f"{what}: as published", published, seconds, same="reference mode, 2 rows", target=targets[0])
    report(f"{what}: output_attentions", eager, seconds, same="all values, 1e-4", target=targets[1])
    share = floor / seconds
    print(f"\nLanguage model's own forward: {floor:.3g} s, {share:.0%} of ours; the rest {1 - share:.0%}\n", flush=True)


def run_ours(vlms: Sequence[Vlm], samples: list[Sample], definition: Any) -> tuple[float, np.ndarray]:
    signal = AttentionSpectra(definition, N_VALUES)
    reader = reader_of([signal], vlms, PHOTOS, batch_size=BATCH_SIZE)
    seconds, read = timed(lambda: reader.read(samples, [signal.name], lambda _: None))
    is_read, values = read[signal.name][:, 0], split_columns(read[signal.name], reader.shapes[signal.name])["values"]
    assert is_read.all()
    return seconds, values.reshape(len(samples), *reader.shapes[signal.name]["values"])


def reader_of(
    signals: Sequence[Signal], vlms: Sequence[Vlm], open_image: OpenImage, *, batch_size: int
) -> SignalReader:
    loaders = [lambda vlm=vlm: vlm for vlm in vlms]
    reader = SignalReader(signals, loaders, open_image, batch_size=batch_size, max_tokens=4096)
    assert not reader.notices, reader.notices
    return reader


def compare_with_plain(
    name: str, vlm: Vlm, samples: list[Sample], open_image: OpenImage, *, batch_size: int, n_rounds: int = 3
) -> None:
    """Print how much longer reading takes than a pass of the model over the same rows that reads nothing."""
    trajectories, everything = [AttentionSpectra("causal", N_VALUES)], make_signals(READ_IN_ONE_PASS, Settings())
    ways: list[Callable[[], object]] = [partial(plain_forward, vlm, samples, open_image, batch_size=batch_size)]
    for signals in (trajectories, everything):
        reader = reader_of(signals, [vlm], open_image, batch_size=batch_size)
        ways.append(partial(reader.read, samples, [signal.name for signal in signals], lambda _: None))
    rounds = [[timed(way)[0] for way in ways] for _ in range(n_rounds)]
    plain, *reading = np.min(rounds, axis=0)
    ratios = " | ".join(f"{seconds / plain:.2f}" for seconds in reading)
    print(f"| {name} | {len(samples)} | {plain:.3g} | {ratios} | <= 1.10 |", flush=True)


@torch.inference_mode()
def plain_forward(vlm: Vlm, samples: list[Sample], open_image: OpenImage, *, batch_size: int) -> None:
    """Rows encoded, batched by length, and run through the model on pixels, without its vocabulary layer."""
    for batch in batches_of(encode(vlm, samples, open_image), batch_size):
        for inputs in whole_inputs(vlm, batch, open_image, batch_size=batch_size):
            vlm.model.base_model(**inputs, use_cache=False)


@torch.inference_mode()
def exact_reference(vlm: Vlm, row: Encoded) -> np.ndarray:
    """The published arithmetic of one row without padding, and exact singular values."""
    (inputs,) = whole_inputs(vlm, [row], PHOTOS, batch_size=1)
    states = vlm.model(**inputs, output_hidden_states=True, use_cache=False).hidden_states
    total = torch.zeros(())
    for layer, state in zip(vlm.model.get_decoder().layers, states, strict=False):
        normed = layer.input_layernorm(state[0])
        query, key = layer.self_attn.q_proj(normed), layer.self_attn.k_proj(normed)
        total = total + (key @ query.T / math.sqrt(WIDTH)).softmax(-1)
    ids = inputs["input_ids"][0]
    return leading_values(total[looks(vlm, ids)][:, ids == vlm.image_token_id], n_values=N_VALUES).numpy()


def leading_values(matrix: torch.Tensor, n_values: int) -> torch.Tensor:
    return torch.linalg.svdvals(matrix.double())[:n_values]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def encode(vlm: Vlm, samples: list[Sample], open_image: OpenImage) -> list[Encoded]:
    encoder = Encoder.of(vlm, Pictures(vlm.processor, open_image), max_tokens=4096)
    encoded, left_out = encoder.encode(samples)
    assert not left_out
    return encoded


def made_vlm(shape: Shape, seed: int) -> Vlm:
    vlm = shape.make(seed=seed)
    # One frozen tower for all checkpoints.
    for values in vlm.model.model.vision_tower.parameters():
        torch.nn.init.normal_(values.data, std=0.05, generator=torch.Generator().manual_seed(0))
    return vlm


if __name__ == "__main__":
    main()
