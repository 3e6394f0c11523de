"""What a saved model says outside of our package; run as a program that answers one line of JSON with another."""

import json
import sys

sys.modules["xmas_assets"] = None  # so that nothing can import it

import torch  # noqa: E402
from peft import PeftModel  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForImageTextToText  # noqa: E402


@torch.inference_mode()
def answer(whole: str, adapter: str | None, extra: str | None, inputs: str) -> dict[str, list]:
    """Greedy tokens and the first one's logits, of a model or of an adapter on one."""
    model = AutoModelForImageTextToText.from_pretrained(whole)
    for name, values in (load_file(extra) if extra else {}).items():
        model.base_model.get_parameter(name).copy_(values)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    batch = load_file(inputs)
    ids = model.eval().generate(**batch, max_new_tokens=8, do_sample=False)
    return {"ids": ids.tolist(), "logits": model(**batch).logits[:, -1].tolist()}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)
