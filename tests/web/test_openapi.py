"""The description of the interfaces says of every one what it is, what to send, and what can go wrong."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sanqu.ground.city import City
from sanqu.web.app import make_app
from sanqu.web.openapi import operations


@pytest.fixture
def described(city: City) -> list[tuple[str, str, dict[str, Any]]]:
    """Every (method, path, operation)."""
    return list(operations(make_app(city).openapi()))


def test_every_interface_is_described_in_both_languages(described: list[tuple[str, str, dict[str, Any]]]) -> None:
    for method, path, operation in described:
        assert "·" in operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert operation["tags"], (method, path)


def test_every_interface_has_an_example_of_what_to_send(described: list[tuple[str, str, dict[str, Any]]]) -> None:
    for method, path, operation in described:
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path" or parameter.get("required"):
                assert "example" in parameter, (method, path, parameter["name"])
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content.keys() & {"example", "examples"}, (method, path)


def test_every_interface_names_its_errors_as_problems(city: City, described: list[tuple[str, str, dict[str, Any]]]) -> None:
    schema = make_app(city).openapi()
    for method, path, operation in described:
        errors = [answer["$ref"].rsplit("/", 1)[1] for status, answer in operation["responses"].items() if status >= "4"]
        assert errors, (method, path)
        for name in errors:
            assert "application/problem+json" in schema["components"]["responses"][name]["content"]


def test_the_examples_are_answered(site: httpx.Client, described: list[tuple[str, str, dict[str, Any]]]) -> None:
    for method, path, operation in described:
        if method != "get":
            continue
        given = {
            parameter["name"]: parameter["example"] for parameter in operation.get("parameters", []) if "example" in parameter
        }
        answer = site.get(path.format(**given))
        documented = {status for status in operation["responses"] if status.isdigit()}
        assert str(answer.status_code) in documented, (path, answer.text)
