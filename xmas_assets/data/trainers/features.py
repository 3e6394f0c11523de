"""What the columns of a table hold, as Arrow and as Hugging Face ``datasets`` write it down."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

Feature = str | list[Any] | dict[str, Any]
"""``bool``, ``int64``, ``float64``, ``string``, ``image``; ``[feature]`` is a list, ``{name: feature}`` named parts."""
Features = Mapping[str, Feature]

_ARROW = {
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
}


def arrow_schema(features: Features) -> pa.Schema:
    """The Arrow schema, with the note by which ``datasets`` takes pictures for pictures and not for bytes."""
    noted = {"info": {"features": {name: _noted(feature) for name, feature in features.items()}}}
    fields = [(name, _arrow(feature)) for name, feature in features.items()]
    return pa.schema(fields, metadata={"huggingface": json.dumps(noted)})


def yaml_features(features: Features) -> list[dict[str, Any]]:
    """The features as in the YAML head of a dataset's ``README.md``."""
    return [{"name": name, **_yaml(feature)} for name, feature in features.items()]


def _arrow(feature: Feature) -> pa.DataType:
    if isinstance(feature, str):
        return _ARROW[feature]
    if isinstance(feature, list):
        return pa.list_(_arrow(feature[0]))
    return pa.struct([(name, _arrow(part)) for name, part in feature.items()])


def _noted(feature: Feature) -> Any:
    """A plain list is what every version of ``datasets`` reads; how it names its own list type has changed."""
    if isinstance(feature, str):
        return {"_type": "Image"} if feature == "image" else {"dtype": feature, "_type": "Value"}
    if isinstance(feature, list):
        return [_noted(feature[0])]
    return {name: _noted(part) for name, part in feature.items()}


def _yaml(feature: Feature) -> dict[str, Any]:
    if isinstance(feature, str):
        return {"dtype": feature}
    if isinstance(feature, dict):
        return {"struct": yaml_features(feature)}
    item = feature[0]
    return {"sequence": item} if isinstance(item, str) else {"list": yaml_features(item)}
