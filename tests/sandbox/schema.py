"""Answers held against the client's own discovery document: every key known, every value of the declared type and format."""

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient

DOCUMENT = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents" / "gmail.v1.json"
RANGES = {"uint64": (0, 2**64), "int64": (-(2**63), 2**63), "int32": (-(2**31), 2**31), "uint32": (0, 2**32)}
PYTHON: dict[str, Any] = {"string": str, "boolean": bool, "array": list}


@cache
def document() -> dict[str, Any]:
    return dict(json.loads(DOCUMENT.read_text()))


@cache
def declared_method(method_id: str) -> dict[str, Any]:
    here = document()
    *resources, method = method_id.split(".")[1:]
    for name in resources:
        here = here["resources"][name]
    return dict(here["methods"][method])


def response_schema(method_id: str) -> str | None:
    """`gmail.users.messages.get` -> `Message`; None: an empty answer."""
    response = declared_method(method_id).get("response")
    return response["$ref"] if response else None


def problems(value: Any, schema: dict[str, Any], at: str = "") -> list[str]:
    """What is wrong with `value`, in words; [] if it is as declared."""
    if "$ref" in schema:
        return problems(value, document()["schemas"][schema["$ref"]], at or schema["$ref"])
    if schema.get("type") == "object":
        return _object_problems(value, schema, at)
    if schema["type"] == "array":
        if not isinstance(value, list):
            return [f"{at} is no list"]
        if not value:
            return [f"{at} is an empty list, which Google leaves out"]
        return [wrong for n, one in enumerate(value) for wrong in problems(one, schema["items"], f"{at}[{n}]")]
    return _plain_problems(value, schema, at)


def _object_problems(value: Any, schema: dict[str, Any], at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at} is no object"]
    known = schema["properties"]
    unknown = [f"{at}.{name} is not in the discovery document" for name in value if name not in known]
    return unknown + [wrong for name, one in value.items() if name in known for wrong in problems(one, known[name], f"{at}.{name}")]


def _plain_problems(value: Any, schema: dict[str, Any], at: str) -> list[str]:
    form = schema.get("format", "")
    if schema["type"] == "integer":
        return [] if type(value) is int and _within(value, form) else [f"{at}={value!r} is no {form}"]
    if not isinstance(value, PYTHON[schema["type"]]):
        return [f"{at}={value!r} is no {schema['type']}"]
    if form in ("uint64", "int64") and not (value.removeprefix("-").isdecimal() and _within(int(value), form)):
        return [f"{at}={value!r} is no {form} in a string"]
    if form == "byte" and base64.urlsafe_b64encode(base64.urlsafe_b64decode(value)).decode() != value:
        return [f"{at} is no base64url"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}={value!r} is none of {schema['enum']}"]
    return []


def _within(value: int, form: str) -> bool:
    low, high = RANGES[form]
    return low <= value < high
