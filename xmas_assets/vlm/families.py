"""What neither a model's config nor its processor tells: one row per family that needs one."""

from typing import NamedTuple

# The published form of a prompt: all images, the begin token, and each prompt with a line break behind it
# (https://huggingface.co/docs/transformers/model_doc/paligemma); with several turns, one after the other.
_PALIGEMMA_TEMPLATE = """\
{%- for message in messages -%}
  {%- if message['content'] is not string -%}
    {%- for part in message['content'] if part['type'] == 'image' -%}{{- '<image>' -}}{%- endfor -%}
  {%- endif -%}
{%- endfor -%}
{{- '<bos>' -}}
{%- for message in messages -%}
  {%- if message['content'] is string -%}
    {{- message['content'] -}}
  {%- else -%}
    {%- for part in message['content'] if part['type'] == 'text' -%}{{- part['text'] -}}{%- endfor -%}
  {%- endif -%}
  {{- '<eos>' if message['role'] == 'assistant' else '\\n' -}}
{%- endfor -%}
"""


class Family(NamedTuple):
    """What is known of a family.

    Attributes:
        chat_template: Its prompt form, where its directories have none.
        connectors: Parts of its vision tower that are the connector, as names behind the tower's.
    """

    chat_template: str | None = None
    connectors: tuple[str, ...] = ()


_OTHERS = Family()
_FAMILIES = {
    "paligemma": Family(chat_template=_PALIGEMMA_TEMPLATE),
    "qwen2_vl": Family(connectors=("merger",)),
    "qwen2_5_vl": Family(connectors=("merger",)),
    "qwen3_vl": Family(connectors=("merger", "deepstack_merger_list")),
    "qwen3_vl_moe": Family(connectors=("merger", "deepstack_merger_list")),
    "qwen3_5": Family(connectors=("merger",)),
    "glm4v": Family(connectors=("merger", "downsample")),
    "glm46v": Family(connectors=("merger", "downsample")),
}


def family_of(model_type: str) -> Family:
    """What is known of a model type beyond its config and processor; of most, nothing needs to be."""
    return _FAMILIES.get(model_type, _OTHERS)
