"""Values that a JSON Schema takes, and values just outside each of its bounds.

For the schemas of the OpenAPI document: tests walk it, and send what it describes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

Schema = dict[str, Any]

OTHER_TYPES = (None, True, "text", "", -1.5, [], {})
# Of what has no bound: more than the bounds that a schema might have forgotten.
MANY = 101  # items
MANY_CHARS = 300
FEW_CHARS = 20
ADDRESSES = ("ada@example.com", "a.b+c@example.org", f"{'a' * 64}@example.com")
CHECKS = FormatChecker(formats=())
# The forms that RFC 3339 has for one time.
TIME_FORMS: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: text.replace("+00:00", "Z"),
    lambda text: text.replace("+00:00", "z").replace("T", "t"),
    lambda text: f"{text[:19]}-00:00",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda some: (
        st.lists(some, max_size=2) | st.dictionaries(st.text(max_size=5), some, max_size=2)
    ),
    max_leaves=4,
)


@CHECKS.checks("date-time", ValueError)
def is_time(value: Any) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@CHECKS.checks("email")
def is_email(value: Any) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value))


class Schemas:
    """The schemas of an OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]

    def takes(self, value: Any, schema: Schema) -> bool:
        """Whether a value is as a schema says."""
        whole = {**schema, "components": self._components}
        return Draft202012Validator(whole, format_checker=CHECKS).is_valid(value)

    def plain(self, schema: Schema) -> list[Schema]:
        """Return the ways to be as a schema says, without references and choices."""
        if "$ref" in schema:
            return self.plain(self._components["schemas"][schema["$ref"].rpartition("/")[2]])
        rest = {key: schema[key] for key in schema.keys() - {"allOf", "anyOf"}}
        choices = [self.plain(each) for each in schema.get("allOf", ())]
        if "anyOf" in schema:
            choices.append([way for each in schema["anyOf"] for way in self.plain(each)])
        ways = [_merged([rest, *chosen]) for chosen in itertools.product(*choices)]
        return [way for way in ways if self._can_be(way)]

    def values(self, schema: Schema, *, whole: bool = False) -> st.SearchStrategy[Any]:
        """Return values that a schema takes; the `whole` ones have all members that there are."""
        ways = st.one_of([self._values(way, whole) for way in self.plain(schema)])
        return ways.filter(lambda value: self.takes(value, schema))

    def broken(self, schema: Schema, value: Any) -> Iterator[Any]:
        """Yield what a valid value becomes where one bound of its schema is broken."""
        for way in self.plain(schema):
            if self.takes(value, way):
                for wrong in self._broken(way, value):
                    if not self.takes(wrong, schema):
                        yield wrong

    def without_a_part(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Return values that a schema does not take, but all but one of its parts do."""
        parts = schema.get("allOf", [])
        fewer = [{"allOf": parts[:at] + parts[at + 1 :]} for at in range(1, len(parts))]
        values = st.one_of([self.values(each) for each in fewer])
        return values.filter(lambda value: not self.takes(value, schema))

    def _can_be(self, way: Schema) -> bool:
        few = [way["const"]] if "const" in way else way.get("enum")
        if few is None and way.get("type") == "null":
            few = [None]
        return few is None or any(self.takes(value, way) for value in few)

    def _values(self, way: Schema, whole: bool) -> st.SearchStrategy[Any]:
        if "const" in way or "enum" in way:
            return st.sampled_from(way.get("enum") or [way["const"]])
        match way.get("type"):
            case "object":
                return self._objects(way, whole)
            case "array":
                return self._lists(way, whole)
            case "string":
                return texts(way)
            case "integer":
                least, most = ends(way)
                return st.sampled_from([least, most]) | st.integers(least, most)
            case "number":
                least, most = ends(way)
                return st.sampled_from([least, most]) | st.floats(least, most)
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
        return JSON

    def _objects(self, way: Schema, whole: bool) -> st.SearchStrategy[dict[str, Any]]:
        members = {
            name: self.values(each, whole=whole) for name, each in way.get("properties", {}).items()
        }
        if way.get("additionalProperties") is not False:
            members["unknown"] = st.just("1")
        must = members.keys() if whole else way.get("required", ())
        return st.fixed_dictionaries(
            {name: members[name] for name in members if name in must},
            optional={name: members[name] for name in members if name not in must},
        )

    def _lists(self, way: Schema, whole: bool) -> st.SearchStrategy[list[Any]]:
        items = self.values(way.get("items", {}), whole=whole)
        least = max(way.get("minItems", 0), int(whole))
        few = st.lists(items, min_size=least, max_size=least + 2)
        most = way.get("maxItems", MANY)
        return few | items.map(lambda one: [one] * most)

    def _broken(self, way: Schema, value: Any) -> Iterator[Any]:
        yield from OTHER_TYPES
        match way.get("type"):
            case "object":
                yield {**value, "unknown": 1}
                for name in value:
                    yield {key: value[key] for key in value if key != name}
                    for wrong in self.broken(way.get("properties", {}).get(name, {}), value[name]):
                        yield {**value, name: wrong}
            case "array":
                yield value[:1] * (way.get("maxItems", 0) + 1)
                for wrong in self.broken(way.get("items", {}), value[0]) if value else ():
                    yield [wrong, *value[1:]]
            case "string":
                yield "a" * (way.get("maxLength", 0) + 1)
                yield from (f"{value}!", f"{value} ", f"{value}\n", f"!{value}", value[1:], "é")
            case "number" | "integer":
                least, most = ends(way)
                yield from (least - 1, most + 1, 10**30, least + 0.5)


def ends(way: Schema) -> tuple[float, float]:
    """Return the least and the largest number."""
    return way.get("minimum", -(2**63)), way.get("maximum", 2**63)


def texts(way: Schema) -> st.SearchStrategy[str]:
    """Return texts: by pattern, by format, or any, also the longest."""
    if "pattern" in way:
        return st.from_regex(way["pattern"].removeprefix("^").removesuffix("$"), fullmatch=True)
    if way.get("format") == "date-time":
        now = datetime.now(UTC)
        seconds = st.integers(-86_400, 365 * 86_400)
        return st.builds(
            lambda after, spelled: spelled((now + timedelta(seconds=after)).isoformat()),
            seconds,
            st.sampled_from(TIME_FORMS),
        )
    if way.get("format") == "email":
        return st.sampled_from(ADDRESSES)
    most = way.get("maxLength", MANY_CHARS)
    return st.text(max_size=min(most, FEW_CHARS)) | st.just("a" * most)


def _merged(schemas: list[Schema]) -> Schema:
    found: Schema = {}
    for schema in schemas:
        properties = dict(found.get("properties", {}))
        for name, each in schema.get("properties", {}).items():
            properties[name] = {"allOf": [properties[name], each]} if name in properties else each
        required = sorted({*found.get("required", ()), *schema.get("required", ())})
        found = {**found, **schema}
        found |= {"properties": properties, "required": required} if properties else {}
    return found
