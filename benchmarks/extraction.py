"""Cost of reading attention trajectories against the published way and ``output_attentions=True``, in one run.

Run: python -m benchmarks.extraction [--images N] [--device cuda --dtype bfloat16]. A LLaVA-shaped random model: 576
image tokens, 12 layers of width 512, three checkpoints; one thread, CPU seconds, models loaded beforehand. The other
two sides take batches as the rows come, and open a row's image at every checkpoint, as the published code does.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import CLIPVisionConfig, DynamicCache, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from benchmarks.measuring import report
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.extraction.passes import SignalReader
from xmas_assets.extraction.shard_arrays import split_columns
from xmas_assets.extraction.trajectories import AttentionSpectra
from xmas_assets.toy.model import WORDS, build_processor
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.packing import n_shareable
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id

N_LAYERS, WIDTH, N_IMAGE_TOKENS = 12, 512, 576
N_CHECKPOINTS, N_VALUES, BATCH_SIZE = 3, 5, 8
TARGETS = {1: (">= 1.7", ">= 2.5"), 8: (">= 5", ">= 7")}
Inputs = dict[str, torch.Tensor]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=8, help="images at 1 question each; a quarter of them at 8")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vlms = [made_vlm(seed).to(options.device, getattr(torch, options.dtype)) for seed in range(N_CHECKPOINTS)]
    vlms = [Vlm(model, made_processor(), model.config.image_token_id, Path("random")) for model in vlms]
    if options.device == "cuda":
        measure_card(vlms, options.images)
        return
    print("| what | other, s | ours, s | ratio | target | checked |\n|---|---|---|---|---|---|")
    for n_questions, n_images in ((1, options.images), (8, max(1, options.images // 4))):
        compare(vlms, made_samples(n_images, n_questions), n_questions)


def compare(vlms: Sequence[Vlm], samples: list[Sample], n_questions: int) -> None:
    rows = encode(vlms[0], samples)
    seconds, ours = run_ours(vlms, samples, "causal")
    floor = timed(lambda: [plain_forward(vlm, rows) for vlm in vlms])[0]
    eager, expected = timed(lambda: np.stack([read_attentions(vlm, rows) for vlm in vlms], axis=1))
    np.testing.assert_allclose(ours, expected, rtol=1e-4)
    published = timed(lambda: [read_published(vlm, rows) for vlm in vlms])[0]
    few = samples[:2]
    exact = np.stack([exact_reference(vlm, row) for row in encode(vlms[0], few) for vlm in vlms])
    np.testing.assert_allclose(run_ours(vlms, few, "reference")[1].reshape(exact.shape), exact, rtol=1e-4)
    what = f"{len(samples)} rows, {n_questions} on each image"
    targets = TARGETS[n_questions]
    report(f"{what}: as published", published, seconds, same="reference mode, 2 rows", target=targets[0])
    report(f"{what}: output_attentions", eager, seconds, same="all values, 1e-4", target=targets[1])
    share = floor / seconds
    print(f"\nLanguage model's own forward: {floor:.3g} s, {share:.0%} of ours; the rest {1 - share:.0%}\n", flush=True)


def run_ours(vlms: Sequence[Vlm], samples: list[Sample], definition: Any) -> tuple[float, np.ndarray]:
    signal = AttentionSpectra(definition, N_VALUES)
    loaders = [lambda vlm=vlm: vlm for vlm in vlms]
    reader = SignalReader([signal], loaders, draw, batch_size=BATCH_SIZE, max_tokens=4096)
    assert not reader.notices, reader.notices
    seconds, read = timed(lambda: reader.read(samples, [signal], lambda _: None))
    is_read, values = read[signal.name][:, 0], split_columns(read[signal.name], reader.shapes[signal.name])["values"]
    assert is_read.all()
    return seconds, values.reshape(len(samples), *reader.shapes[signal.name]["values"])


@torch.inference_mode()
def read_attentions(vlm: Vlm, rows: list[Encoded]) -> np.ndarray:
    """The usual way: all layers' full matrices from the model itself."""
    vlm.model.set_attn_implementation("eager")
    values = []
    for inputs in whole_inputs(vlm, rows):
        layers = vlm.model(**inputs, output_attentions=True, use_cache=False).attentions
        total = torch.stack([layer.mean(1) for layer in layers]).sum(0)
        values += [leading_values(matrix, vlm, ids) for matrix, ids in zip(total, real_ids(inputs), strict=True)]
    vlm.model.set_attn_implementation("sdpa")
    return np.stack(values)


@torch.inference_mode()
def read_published(vlm: Vlm, rows: list[Encoded]) -> None:
    """As published: hooks on both projections, full matrices of all layers, a randomised SVD of the slice."""
    caught: dict[str, list[torch.Tensor]] = {"q_proj": [], "k_proj": []}
    modules = {name: kind for name, kind in vlm.model.get_decoder().named_modules() if name[-6:] in caught}
    handles = [
        module.register_forward_hook(lambda _m, _i, output, name=name: caught[name[-6:]].append(output))
        for name, module in modules.items()
    ]
    for inputs in whole_inputs(vlm, rows):
        vlm.model(input_ids=inputs["input_ids"], pixel_values=inputs["pixel_values"], use_cache=False)
        total = torch.zeros(())
        for query, key in zip(caught["q_proj"], caught["k_proj"], strict=True):
            total = total + (key @ query.transpose(1, 2) / math.sqrt(WIDTH)).softmax(-1)
        first = int((inputs["input_ids"][0] == vlm.image_token_id).nonzero()[0])
        stop = first + N_IMAGE_TOKENS
        torch.svd_lowrank(total[:, stop + 1 :, first:stop], q=N_VALUES, niter=2)
        for outputs in caught.values():
            outputs.clear()
    for handle in handles:
        handle.remove()


@torch.inference_mode()
def exact_reference(vlm: Vlm, row: Encoded) -> np.ndarray:
    """The published arithmetic of one row without padding, and exact singular values."""
    (inputs,) = whole_inputs(vlm, [row])
    states = vlm.model(**inputs, output_hidden_states=True, use_cache=False).hidden_states
    total = torch.zeros(())
    for layer, state in zip(vlm.model.get_decoder().layers, states, strict=False):
        normed = layer.input_layernorm(state[0])
        query, key = layer.self_attn.q_proj(normed), layer.self_attn.k_proj(normed)
        total = total + (key @ query.T / math.sqrt(WIDTH)).softmax(-1)
    return leading_values(total, vlm, inputs["input_ids"][0])


@torch.inference_mode()
def plain_forward(vlm: Vlm, rows: list[Encoded]) -> None:
    """The language model alone, its fast kernel, over what must be computed: each beginning, then the rows' own."""
    decoder = vlm.model.get_decoder()
    beginnings: dict[Any, list[Encoded]] = {}
    for row in rows:
        beginnings.setdefault(row.image_hashes, []).append(row)
    for alike in beginnings.values():
        n_shared = n_shareable(alike[0])
        cache = DynamicCache(config=decoder.config)
        decoder(input_ids=torch.from_numpy(alike[0].input_ids[None, :n_shared]).long(), past_key_values=cache)
        cache.batch_repeat_interleave(len(alike))
        tails = [torch.from_numpy(row.input_ids[n_shared:]).long() for row in alike]
        decoder(input_ids=torch.nn.utils.rnn.pad_sequence(tails, batch_first=True), past_key_values=cache)


def measure_card(vlms: Sequence[Vlm], n_images: int) -> None:
    """Print samples per second, memory and the share of the card's own matrix rate, measured on one product."""
    model, samples = vlms[0].model, made_samples(n_images, 8)
    run_ours(vlms, samples[:8], "causal")  # warm
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.synchronize()
    started = time.perf_counter()
    run_ours(vlms, samples, "causal")
    torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    encoded = encode(vlms[0], samples)
    n_tokens = n_images * n_shareable(encoded[0]) + sum(len(row.input_ids) - n_shareable(row) for row in encoded)
    weights = sum(values.numel() for values in model.get_decoder().layers.parameters())
    rate = 2 * weights * n_tokens * N_CHECKPOINTS / seconds
    square = torch.randn(8192, 8192, device=model.device, dtype=model.dtype)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(20):
        square.mm(square)
    torch.cuda.synchronize()
    card = 20 * 2 * 8192**3 / (time.perf_counter() - started)
    print(f"{len(samples) / seconds:.1f} samples/s at {N_CHECKPOINTS} checkpoints, looking at the models included")
    print(f"peak memory {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB, {rate / card:.1%} of the matrix rate")


def leading_values(matrix: torch.Tensor, vlm: Vlm, ids: torch.Tensor) -> np.ndarray:
    is_image = ids == vlm.image_token_id
    rows = ~is_image & (is_image.cumsum(0) > 0)
    chosen = matrix[: len(ids), : len(ids)][rows][:, is_image]
    return torch.linalg.svdvals(chosen.double())[:N_VALUES].numpy()


def real_ids(inputs: Inputs) -> list[torch.Tensor]:
    pairs = zip(inputs["input_ids"], inputs["attention_mask"].bool(), strict=True)
    return [ids[is_real] for ids, is_real in pairs]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def encode(vlm: Vlm, samples: list[Sample]) -> list[Encoded]:
    encoder = Encoder.of(vlm, Pictures(vlm.processor, draw), max_tokens=4096)
    encoded, left_out = encoder.encode(samples)
    assert not left_out
    return encoded


def whole_inputs(vlm: Vlm, rows: list[Encoded]) -> Iterator[Inputs]:
    """Inputs of the whole model, batch by batch; each row's image is opened for itself."""
    pad_id = pad_token_id(vlm.processor.tokenizer)
    for start in range(0, len(rows), BATCH_SIZE):
        pictures = Pictures(vlm.processor, draw, limit_bytes=0)
        inputs = collate(rows[start : start + BATCH_SIZE], pictures, pad_id=pad_id, padding_side="right")
        yield {name: values for name, values in inputs.items() if name != "labels"}


def made_samples(n_images: int, n_questions: int) -> list[Sample]:
    """About 35 tokens in front of an image, and 30 to 120 behind it."""
    rng, words = np.random.default_rng(0), np.array(WORDS.split())
    system = Turn("system", " ".join(rng.choice(words, 30)))
    samples = []
    for number in range(n_images * n_questions):
        image = (f"image-{number // n_questions}",)
        question, answer = (" ".join(rng.choice(words, rng.integers(12, 57))) for _ in range(2))
        turns = (system, Turn("user", f"<image>\n{question}"), Turn("assistant", answer))
        samples.append(Sample(f"{number:04d}", turns, image, image))
    return samples


def draw(reference: str, _content_hash: str) -> Image.Image:
    rng = np.random.default_rng(int(reference.rpartition("-")[2]) if "-" in reference else 0)
    return Image.fromarray(rng.integers(0, 256, (336, 336, 3), dtype=np.uint8))


def made_processor() -> Any:
    processor = build_processor()
    size = {"height": 336, "width": 336}
    processor.image_processor = CLIPImageProcessorPil(size=size, crop_size=size, do_center_crop=False)
    processor.patch_size = 14
    return processor


def made_vlm(seed: int) -> LlavaForConditionalGeneration:
    """XMAS's own proxy, StableLM-2-1.6B with CLIP-L/336, half as deep and a quarter as wide.

    The vocabulary has an eighth of the words, so that its layer keeps its share of the products.
    """
    tokenizer = build_processor().tokenizer
    text = LlamaConfig(
        vocab_size=100_352 // 8,
        hidden_size=WIDTH,
        intermediate_size=5632 // 4,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=8,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = CLIPVisionConfig(
        image_size=336,
        patch_size=14,
        hidden_size=1024 // 4,
        intermediate_size=4096 // 4,
        num_hidden_layers=24 // 2,
        num_attention_heads=16 // 4,
    )
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=image_id, image_seq_length=N_IMAGE_TOKENS
    )
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config).eval()
    # One frozen tower for all checkpoints.
    for values in model.model.vision_tower.parameters():
        torch.nn.init.normal_(values.data, std=0.05, generator=torch.Generator().manual_seed(0))
    return model


if __name__ == "__main__":
    main()
