"""Reads the properties of an image from docker/<service>/Dockerfile.

    read("cerebro-api").health_urls  ->  (HealthUrl(port=8000, path="/"),)

dockerfile-parse parses the text; nothing is built.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dockerfile_parse import DockerfileParser
from dockerfile_parse.util import WordSplitter

DOCKER = Path(__file__).resolve().parents[2] / "docker"

WRITABLE_PATHS_LABEL = "io.gnosis.writable-paths"
"""The label with the absolute paths that an image writes to, separated by commas."""

_FLAGS = re.compile(r"(?:--[\w-]+=\S+\s+)*")
_SHELL_FORM = {"CMD", "ENTRYPOINT", "RUN", "SHELL"}
"""Outside of the exec form, the rest of these is one command for the shell."""
_LOCAL_URL = re.compile(r"http://(?:localhost|127\.0\.0\.1):(\d+)(/[^\s'\"]*)")


@dataclass(frozen=True)
class Instruction:
    """An instruction: its name in capitals, flags (`--from=builder`), words, and line."""

    name: str
    flags: tuple[str, ...]
    words: tuple[str, ...]
    exec_form: bool
    line: int

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def flag(self, name: str) -> str | None:
        """The value of `--name=value`, or None."""
        return dict(flag.removeprefix("--").split("=", 1) for flag in self.flags).get(name)


@dataclass(frozen=True)
class Stage:
    """A build stage: its base image (with resolved arguments), name and instructions."""

    base: str
    name: str | None
    start: Instruction
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> tuple[Instruction, ...]:
        return tuple(i for i in self.instructions if i.name == name)

    def copied(self) -> Iterator[tuple[int, str]]:
        """Line and path of everything that is copied from the context."""
        for copy in self.all("COPY"):
            if not copy.flag("from"):
                yield from ((copy.line, source) for source in copy.words[:-1])

    def last(self, name: str) -> Instruction | None:
        return next(reversed(self.all(name)), None)


class HealthUrl(NamedTuple):
    """A local URL that the health check requests."""

    port: int
    path: str


@dataclass(frozen=True)
class Image:
    """The properties of an image, from the final stage of its Dockerfile."""

    path: Path
    text: str = field(repr=False)
    stages: tuple[Stage, ...] = field(repr=False)
    user: str
    ports: tuple[int, ...]
    health_urls: tuple[HealthUrl, ...]
    writable_paths: tuple[str, ...]
    labels: dict[str, str] = field(repr=False)

    @property
    def final(self) -> Stage:
        return self.stages[-1]


def health_urls(command: str) -> tuple[HealthUrl, ...]:
    """The local URLs that a command requests."""
    return tuple(HealthUrl(int(port), path) for port, path in _LOCAL_URL.findall(command))


def services() -> tuple[str, ...]:
    """Every directory in docker/ with a Dockerfile, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in DOCKER.glob("*/Dockerfile")))


def read(service: str) -> Image:
    """The image of docker/<service>/Dockerfile. Raises FileNotFoundError if it does not exist."""
    path = DOCKER / service / "Dockerfile"
    return parse(path.read_text(encoding="utf-8"), path)


def parse(text: str, path: Path) -> Image:
    """The image of this Dockerfile text; `path` is used in messages."""
    stages = _stages(text)
    final = stages[-1]
    words = [word.partition("=") for label in final.all("LABEL") for word in label.words]
    labels = {key: value.strip('"') for key, _, value in words}
    user, health = final.last("USER"), final.last("HEALTHCHECK")
    return Image(
        path=path,
        text=text,
        stages=stages,
        user=user.text if user else "",
        ports=tuple(int(word.split("/")[0]) for i in final.all("EXPOSE") for word in i.words),
        health_urls=health_urls(health.text if health else ""),
        writable_paths=tuple(filter(None, labels.get(WRITABLE_PATHS_LABEL, "").split(","))),
        labels=labels,
    )


def _instructions(text: str) -> Iterator[Instruction]:
    for parsed in DockerfileParser(fileobj=io.BytesIO(text.encode())).structure:
        if (name := parsed["instruction"]) != "COMMENT":
            value = parsed["value"]
            rest = _FLAGS.sub("", value, count=1)
            flags = value.removesuffix(rest).split()
            words, exec_form = _words_of(name, rest)
            yield Instruction(name, tuple(flags), words, exec_form, parsed["startline"] + 1)


def _words_of(name: str, rest: str) -> tuple[tuple[str, ...], bool]:
    """The words after the flags, and whether they are in exec form."""
    if name == "HEALTHCHECK" and (command := rest.removeprefix("CMD")) != rest:
        words, exec_form = _words_of("CMD", command.strip())
        return ("CMD", *words), exec_form
    if rest.startswith("["):
        return tuple(json.loads(rest)), True
    if name in _SHELL_FORM:
        return (rest,), False
    return tuple(WordSplitter(rest).split(dequote=False)), False


def _stages(text: str) -> tuple[Stage, ...]:
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            base, *alias = instruction.words
            base = re.sub(r"\$\{?(\w+)\}?", lambda m: arguments.get(m[1], m[0]), base)
            stages.append(Stage(base, alias[1] if alias else None, instruction))
        elif stages:
            stages[-1].instructions.append(instruction)
        elif instruction.name == "ARG":
            given = (word.partition("=") for word in instruction.words if "=" in word)
            arguments.update({name: value for name, _, value in given})
    return tuple(stages)
