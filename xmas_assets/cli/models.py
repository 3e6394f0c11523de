"""``xmas model``: try a vision-language model and estimate its memory before any work; take a trained one elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from xmas_assets.cli.groups import Commands
from xmas_assets.cli.options import Dataset, Selection, open_home, profile_names
from xmas_assets.cli.output import fail, note, print_table, prints_tables

app = typer.Typer(cls=Commands, no_args_is_help=True, help="Try vision-language models, and export trained ones.")


@app.command()
@prints_tables
def check(
    directory: Annotated[Path, typer.Argument(help="Directory of the model.")],
    dtype: Annotated[str, typer.Option(help="Type of the weights: float32 or bfloat16.")] = "float32",
    device: Annotated[str, typer.Option(help="Where it runs: cpu or cuda.")] = "cpu",
    attention: Annotated[str, typer.Option(help="auto, eager, sdpa or flash_attention_2.")] = "auto",
    quantization: Annotated[str, typer.Option(help="Bits of the language model: none, int8 or nf4.")] = "none",
    optimizer: Annotated[str, typer.Option(help="adamw, adamw_8bit or paged_adamw_8bit.")] = "adamw",
    full: Annotated[bool, typer.Option("--full", help="Train all weights, where LoRA is tried else.")] = False,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Compute layers again for their gradients.")
    ] = False,
) -> None:
    """Try a model on a few rows, as every run does before it trains; exit code 2 if it cannot be used.

    A run tries what its settings say; the options say the same here.

    Example: xmas model check models/my-model
    """
    from xmas_assets.data.profiles import load_settings

    base = {"source": str(directory), "dtype": dtype, "device": device, "attention": attention}
    training = {"optimizer": optimizer, "gradient_checkpointing": gradient_checkpointing, "lora": None if full else {}}
    chosen = {"target_base": base | {"quantization": quantization}, "target": training}
    settings = load_settings("toy", chosen)
    from xmas_assets.training.model_check import check_model

    note(f"trying {directory}; a small model takes seconds, a large one minutes")
    steps = []
    for step in check_model(directory, settings.target_base, settings.target):
        note(f"{step.name}: {'passed' if step.passed else 'failed'} in {step.seconds:.1f} s")
        steps.append(step)
    print_table(
        "steps",
        ("step", "outcome", "seconds", "seen"),
        [(step.name, "passed" if step.passed else "failed", round(step.seconds, 1), step.seen) for step in steps],
    )
    if not steps[-1].passed:
        fail(f"{directory} cannot be used: {steps[-1].name} failed: {steps[-1].seen}")


@app.command()
@prints_tables
def memory(
    directory: Annotated[Path, typer.Argument(help="Directory of the model.")],
    profile: Annotated[
        str, typer.Option(help="Packaged profile, or path of a YAML file.", autocompletion=profile_names)
    ] = "toy",
) -> None:
    """Estimate how much memory each training of a profile takes with a model, in GiB; nothing is loaded or trained.

    Example: xmas model memory models/my-model --profile qwen25vl_7b
    """
    from xmas_assets.data.profiles import load_settings

    settings = load_settings(profile, {})
    from xmas_assets.training.memory import MemoryEstimate, estimate_memory
    from xmas_assets.vlm.configs import read_config

    config = read_config(directory)
    rows = []
    for name, base in (("proxy", settings.base_model), ("target", settings.target_base)):
        estimate = estimate_memory(config, base, getattr(settings, name))
        rows.append((name, *(round(part / 2**30, 2) for part in (*estimate, estimate.total))))
    print_table("memory", ("training", *MemoryEstimate._fields, "total"), rows)


@app.command()
def export(
    dataset: Dataset,
    selection: Selection,
    to: Annotated[Path, typer.Option(help="Directory to write: new, empty, or an earlier export.")],
    merge: Annotated[
        bool, typer.Option("--merge", help="Add an adapter to its base's weights, and write a whole model.")
    ] = False,
) -> None:
    """Write the model trained on a selection as a directory that transformers, peft and servers load.

    Example: xmas model export mine xmas_b0.20_s0 --to my-model --merge
    """
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.stages.model_export import export_model

    exported = export_model(open_home(), dataset, SelectionKey.read(selection), to=to, merge=merge)
    print(f"{exported.form} in {to}")
    if exported.not_loaded:
        note(f"peft does not load {exported.not_loaded}, which was trained too; export with --merge to have it all")
