"""Whether a model goes through what the platform does with one, tried on a few rows before any work.

The trial trains as the settings say, whole or by adapters, but by small ones and one row at a time, so that it needs no
more memory than the training.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from xmas_assets.contracts.errors import ModelError, XmasError
from xmas_assets.contracts.messages import one_line
from xmas_assets.contracts.settings import BaseModelSettings, LoraSettings, TrainingSettings
from xmas_assets.files.model_content import known_digest
from xmas_assets.training.adapters import answer_loss, prepare_training, save_trained, trained_weights
from xmas_assets.training.arguments import new_optimizer, require_optimizer
from xmas_assets.training.own_code import compare_with_processor, eager_attention
from xmas_assets.training.score_net import row_losses
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.capture import CaptureSpec
from xmas_assets.vlm.configs import read_config
from xmas_assets.vlm.devices import check_device
from xmas_assets.vlm.families import family_of
from xmas_assets.vlm.forward import capture
from xmas_assets.vlm.generation import generate, stop_token_ids
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm, load_vlm
from xmas_assets.vlm.probes import draw_probe, gives_the_same, probe_samples
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id
from xmas_assets.vlm.templates import ChatTemplate
from xmas_assets.vlm.vision_features import feature_inputs, placed

_BY_ADAPTERS = TrainingSettings(lora=LoraSettings())
_N_STEPS = 6
_MAX_NEW_TOKENS = 6


class Step(NamedTuple):
    """One thing that was tried.

    Attributes:
        name: What.
        passed: Whether it went well; what comes after a failure is not tried.
        seen: What was seen, or why it failed.
        seconds: How long it took.
    """

    name: str
    passed: bool
    seen: str
    seconds: float


def check_model(
    directory: Path, settings: BaseModelSettings, training: TrainingSettings = _BY_ADAPTERS
) -> Iterator[Step]:
    """Try a model: its files, rows, loss, attention, short cuts, generation, training, and what training saves.

    Args:
        directory: Of a whole model.
        settings: Type of the weights, device, attention and quantisation.
        training: How it is to be trained: whole or by adapters, with which optimiser, and whether it recomputes layers.

    Yields:
        Each step when it is done, up to the first that fails.
    """
    trial = _Trial(directory, settings, training)
    for name, try_it in (
        ("files", trial.files),
        ("loading", trial.loading),
        ("rows", trial.rows),
        ("loss", trial.loss),
        ("attention", trial.attention),
        ("sharing", trial.sharing),
        ("generation", trial.generation),
        ("training", trial.training),
        ("saving", trial.saving),
    ):
        start = time.perf_counter()
        try:
            seen, passed = try_it(), True
        except Exception as error:  # a library's as well: anything that a model raises is its finding
            said = one_line(error) if isinstance(error, XmasError) else f"{type(error).__name__}: {one_line(error)}"
            seen, passed = said, False
        yield Step(name, passed, seen, time.perf_counter() - start)
        if not passed:
            return


def require_usable(
    directory: Path, settings: BaseModelSettings, training: TrainingSettings = _BY_ADAPTERS, *, section: str
) -> None:
    """Refuse a model that does not go through ``check_model``.

    Args:
        directory: Of a whole model.
        settings: As of ``check_model``.
        training: As of ``check_model``.
        section: Of the settings that name it; for the message.

    Raises:
        ModelError: It names the step that failed, and why.
    """
    for step in check_model(directory, settings, training):
        if not step.passed:
            command = " ".join(["xmas model check", str(directory), *_options(settings, training)])
            raise ModelError(
                f"{section} {directory} cannot be used: its {step.name} failed: {step.seen}; look at it with: {command}"
            )


def _options(settings: BaseModelSettings, training: TrainingSettings) -> Iterator[str]:
    """What tells ``xmas model check`` to try the same."""
    for name in ("dtype", "device", "attention", "quantization"):
        if getattr(settings, name) != BaseModelSettings.model_fields[name].default:
            yield f"--{name} {getattr(settings, name)}"
    if training.optimizer != "adamw":
        yield f"--optimizer {training.optimizer}"
    if training.lora is None:
        yield "--full"
    if training.gradient_checkpointing:
        yield "--gradient-checkpointing"


class _Trial:
    """The steps of a check; each builds on those before."""

    def __init__(self, directory: Path, settings: BaseModelSettings, training: TrainingSettings) -> None:
        self._directory = directory
        self._settings = settings
        self._training = training
        self._vlm: Vlm
        self._pictures: Pictures
        self._rows: list[Encoded]
        # Layers in int8 round what enters them, by the largest values of a batch.
        self._is_exact = settings.dtype == "float32" and settings.quantization != "int8"
        self._tolerance = 1e-3 if self._is_exact else 5e-2

    def files(self) -> str:
        check_device(self._settings.device)
        require_optimizer(self._training.optimizer)
        config = read_config(self._directory)
        return f"{config.model_type}, {known_digest(self._directory)[:12]}"

    def loading(self) -> str:
        self._vlm = load_vlm(self._directory, self._settings)
        n_weights, chosen = self._vlm.model.num_parameters(), self._settings
        precision = chosen.dtype if chosen.quantization == "none" else f"{chosen.quantization} and {chosen.dtype}"
        attention = self._vlm.model.get_decoder().config._attn_implementation
        return f"{n_weights / 1e6:,.1f} million weights, {precision}, attention by {attention}"

    def rows(self) -> str:
        vlm = self._vlm
        ChatTemplate(vlm.processor)  # first, since a processor without one does other things differently, too
        self._pictures = Pictures(vlm.processor, draw_probe)
        self._encoder = Encoder.of(vlm, self._pictures, max_tokens=1 << 16)
        self._rows, _ = self._encoder.encode(probe_samples())
        for row in self._rows:
            learned = vlm.processor.tokenizer.decode(row.input_ids[row.is_answer])
            if "Yes." not in learned or "?" in learned:
                raise ModelError(f"of a row that answers 'Yes.' the tokens {learned!r} would be learned")
        # A family without a template of its own has a processor that writes the prompt its own way.
        if family_of(vlm.model.config.model_type).chat_template is None:
            compare_with_processor(vlm, self._rows, self._encoder)
        lengths = [len(row.input_ids) for row in self._rows]
        images = [sum(row.n_image_tokens) for row in self._rows]
        return f"{len(lengths)} rows of {min(lengths)} to {max(lengths)} tokens, up to {max(images)} of images"

    def loss(self) -> str:
        whole = self._losses(self._rows)
        alone = torch.cat([self._losses([row]) for row in self._rows])
        apart = float((whole - alone).abs().max())
        if not whole.isfinite().all() or apart > self._tolerance * max(1.0, float(alone.abs().max())):
            raise ModelError(f"a row's loss depends on its batch mates, by {apart:.2g}; it must not")
        return f"{float(whole.mean()):.3f}; alone and in a batch within {apart:.1g}"

    def attention(self) -> str:
        vlm, row = self._vlm, next(row for row in self._rows if row.units)
        # Where numbers are rounded, the two passes drift apart from layer to layer, and only the first is compared.
        layers = vlm.model.get_decoder().layers
        first = next(number for number, layer in enumerate(layers) if hasattr(layer, "self_attn"))
        spec = CaptureSpec("causal", ("sum",) if self._is_exact else (first,))
        found = capture(vlm, [row], spec, self._pictures.inputs, is_packed=False).attention
        assert found is not None
        expected = eager_attention(vlm, row, self._pictures)
        text, image = found.rows[0], found.columns[0]
        own = (expected.sum(0) if self._is_exact else expected[0])[text][:, image]
        apart = float((found.layers[spec.attention_layers[0]][0] - own).norm() / own.norm())
        if not apart <= (self._tolerance if self._is_exact else 0.2):
            raise ModelError(f"attention as it is read differs from the model's own, by {apart:.2g} of its size")
        return f"{len(text)} text tokens on {len(image)} image tokens, within {apart:.1g} of the model's own"

    def sharing(self) -> str:
        vlm, pictures = self._vlm, self._pictures
        features = partial(feature_inputs, vlm, pictures=pictures, of_tower=False)
        keeps = gives_the_same(vlm, self._rows, pictures.inputs, features)
        packs = gives_the_same(vlm, self._rows, pictures.inputs, pictures.inputs, is_packed=True)
        images = "each image is computed once" if keeps else "images are computed with every batch"
        return f"{images}; {'questions share their image' if packs else 'each question is computed whole'}"

    def generation(self) -> str:
        vlm = self._vlm
        prompts = [question.prompt for question in self._encoder.ask(probe_samples()) if question.prompt is not None]
        options: dict[str, Any] = {"stop_ids": stop_token_ids(vlm, self._encoder), "max_new_tokens": _MAX_NEW_TOKENS}
        with torch.inference_mode():
            together = generate(vlm, prompts, self._pictures, **options)
            alone = [generate(vlm, [prompt], self._pictures, **options)[0] for prompt in prompts]
        n_other = sum(one != other for one, other in zip(together, alone, strict=True))
        # One may differ: where two tokens are nearly as likely, rounding decides.
        if n_other > 1 and self._is_exact:
            said, said_alone = ([one.text for one in answers] for answers in (together, alone))
            raise ModelError(f"a batch is answered by {said}, its questions alone by {said_alone}")
        return f"{len(together)} questions are answered, in a batch and alone"

    def training(self) -> str:
        chosen = self._training
        lora = None if chosen.lora is None else LoraSettings(rank=4, alpha=8, dropout=0)
        with _seeded():  # adapters begin at random
            again = chosen.gradient_checkpointing
            self._trained = prepare_training(self._vlm, lora, recompute_layers=again).train()
        weights = [weight for _, weight in trained_weights(self._trained)]
        optimizer = new_optimizer(weights, chosen.optimizer, learning_rate=3e-4)
        n_answer_tokens = sum(int(row.is_answer.sum()) for row in self._rows)
        losses = []
        with torch.enable_grad():
            for _ in range(_N_STEPS):
                losses.append(0.0)
                for row in self._rows:
                    with self._autocast():  # for each row, since it keeps what it made of the weights
                        loss = answer_loss(self._trained, self._inputs([row]), n_answer_tokens)
                    loss.backward()
                    losses[-1] += float(loss.detach())
                optimizer.step()
                optimizer.zero_grad()
        self._trained.eval()
        least, way = min(losses[1:]), "full fine-tuning" if lora is None else "LoRA"
        if not least < losses[0]:
            raise ModelError(
                f"the loss went from {losses[0]:.4f} to no less than {least:.4f} in {_N_STEPS} steps of {way}"
            )
        n_weights = sum(weight.numel() for weight in weights)
        return f"{way}, {n_weights / 1e6:,.1f} million weights; loss {losses[0]:.3f} to {least:.3f} in {_N_STEPS} steps"

    def saving(self) -> str:
        expected = self._losses(self._rows)
        digest, dtype = known_digest(self._directory), getattr(torch, self._settings.dtype)
        what, n_bytes = "a saved adapter", 0
        if self._training.lora is None:
            what, n_bytes = "a saved model", self._vlm.model.num_parameters() * dtype.itemsize
        n_free = shutil.disk_usage(tempfile.gettempdir()).free
        if n_bytes > n_free:
            return f"not tried: a model of {n_bytes / 1e9:.1f} GB, and {n_free / 1e9:.1f} GB free for temporary files"
        with tempfile.TemporaryDirectory() as folder:
            saved = Path(folder)
            save_trained(self._trained, saved, vlm=self._vlm, dtype=dtype, base_digest=digest)
            del self._trained, self._vlm  # two models at once may be more than the memory holds
            self._vlm = load_vlm(saved, self._settings, base=self._directory)
        apart = float((self._losses(self._rows) - expected).abs().max())
        if apart > self._tolerance * max(1.0, float(expected.abs().max())):
            raise ModelError(f"{what}, loaded again, gives losses that differ by {apart:.2g}")
        return f"{what}, loaded again, gives the same losses within {apart:.1g}"

    def _autocast(self) -> torch.autocast:
        """What training computes in: trained weights are float32, also among bfloat16 ones."""
        return torch.autocast(self._settings.device, torch.bfloat16, enabled=self._settings.dtype == "bfloat16")

    @torch.inference_mode()
    def _losses(self, rows: Sequence[Encoded]) -> Tensor:
        """Each row's loss, shape (n_rows,)."""
        with self._autocast():
            return row_losses(self._vlm.model, self._inputs(rows))

    def _inputs(self, rows: Sequence[Encoded]) -> dict[str, Any]:
        pad_id = pad_token_id(self._vlm.processor.tokenizer)
        return placed(collate(rows, self._pictures, pad_id=pad_id, padding_side="right"), self._vlm.model)


@contextmanager
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
