"""What reading signals costs on a card: ours, ``output_attentions=True``, and the published way."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.gpu_clock import Clock, Measured, repeat, seconds_of
from benchmarks.gpu_flops import Flops
from benchmarks.made_models import Photos, Shape, made_samples
from benchmarks.other_ways import Inputs, read_attentions, read_published, whole_inputs
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import Settings
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.extraction.batching import batches_of, images_of
from xmas_assets.extraction.passes import SignalReader
from xmas_assets.extraction.signal_makers import make_signals
from xmas_assets.vlm.capture import CaptureSpec
from xmas_assets.vlm.forward import capture
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.prompts import Encoded, Encoder
from xmas_assets.vlm.spectra import leading_singular_values
from xmas_assets.vlm.vision_features import ImageFeatures

OURS = {"trajectories": ["attention_trajectories"], "all signals": list(READ_IN_ONE_PASS)}
OTHERS = ("output_attentions=True", "as published")
MAX_TOKENS = 8192
_N_VALUES = 5


@dataclass(frozen=True)
class Reading:
    """Reads samples of one model, one checkpoint, in batches.

    Attributes:
        vlm: The model, on its device.
        photos: Its pictures.
        samples: Read together; each image has ``n_questions`` of them.
        batch_size: Rows of a forward pass of ours; other ways, which keep matrices of all tokens, get half of it.
    """

    vlm: Vlm
    photos: Photos
    samples: list[Sample]
    batch_size: int

    @classmethod
    def of(cls, vlm: Vlm, shape: Shape, *, n_rows: int, n_questions: int, batch_size: int) -> "Reading":
        """Make as many samples as rows are read at once."""
        return cls(vlm, Photos(shape.picture_size), made_samples(n_rows // n_questions, n_questions), batch_size)

    def ours(self, names: Sequence[str], clock: Clock) -> Measured:
        """Read signals as a run of the platform does, once each shard."""
        signals = make_signals(names, Settings())
        options = {"batch_size": self.batch_size, "max_tokens": MAX_TOKENS}
        reader = SignalReader(signals, [lambda: self.vlm], self.photos, **options)

        def unit(samples: list[Sample]) -> int:
            reader.read(samples, [signal.name for signal in signals], lambda _: clock.check())
            return len(samples)

        measured = self._repeat(unit, clock)
        measured.parts = self._parts(measured.seconds / measured.n_samples)
        measured.notes = tuple(reader.notices)
        return measured

    def other(self, way: str, clock: Clock) -> Measured:
        """Read attention by one of the ``OTHERS``; both include encoding and images, as ours does."""
        singular = partial(_leading_values, n_values=_N_VALUES)

        def unit(samples: list[Sample]) -> int:
            rows = self._encode(samples)
            inputs = whole_inputs(self.vlm, rows, self.photos, batch_size=max(1, self.batch_size // 2))
            if way == OTHERS[0]:
                return len(read_attentions(self.vlm, _checked(inputs, clock), singular))
            return read_published(self.vlm, _checked(inputs, clock), _N_VALUES)

        return self._repeat(unit, clock)

    def _repeat(self, unit: Callable[[list[Sample]], int], clock: Clock) -> Measured:
        rows = self._encode(self.samples)
        flops = Flops(self.vlm, Pictures(self.vlm.processor, self.photos).half(rows[0].units[0]))
        return repeat(
            lambda: unit(self.samples),
            clock,
            self.vlm.model.device,
            flops_per_sample=flops.reading(rows) / len(rows),
            warm=lambda: unit(self.samples[: self.batch_size]),
        )

    @torch.inference_mode()
    def _parts(self, whole: float) -> dict[str, float]:
        """Seconds a sample by what they go to, each part done once alone; images are prepared while the card works."""
        device, pictures = self.vlm.model.device, Pictures(self.vlm.processor, self.photos)
        rows: list[Encoded] = []
        encoding = seconds_of(lambda: rows.extend(self._encode(self.samples)), device)
        batches = batches_of(rows, self.batch_size)
        units = list(dict.fromkeys(unit for batch in batches for unit in images_of(batch)))
        preparing = seconds_of(lambda: [pictures.half(unit) for unit in units], device)
        features = ImageFeatures(of_tower=False)
        seeing = seconds_of(lambda: features.add_all(self.vlm, units, pictures), device)
        # The last state is wanted so that the model runs to its end; it is not looked at.
        spec = CaptureSpec(hidden_states=(self.vlm.model.get_decoder().config.num_hidden_layers,))
        images = partial(features.inputs, self.vlm)
        running = seconds_of(
            lambda: [capture(self.vlm, batch, spec, images, is_packed=True) for batch in batches], device
        )
        parts = {"encoding": encoding, "vision side": seeing, "language model": running}
        own = {name: seconds / len(rows) for name, seconds in parts.items()}
        rest = whole - sum(own.values())
        return own | {"the rest (reading)": rest, "images, in a thread": preparing / len(rows)}

    def _encode(self, samples: list[Sample]) -> list[Encoded]:
        encoder = Encoder.of(self.vlm, Pictures(self.vlm.processor, self.photos), max_tokens=MAX_TOKENS)
        return encoder.encode(samples)[0]


def _checked(batches: Iterator[Inputs], clock: Clock) -> Iterator[Inputs]:
    """The batches, with a look at the clock before each."""
    while batch := next(batches, None):
        clock.check()
        yield batch


def _leading_values(matrix: torch.Tensor, *, n_values: int) -> torch.Tensor:
    return leading_singular_values(matrix[None], n_values)[0]
