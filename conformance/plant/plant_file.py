"""The plant file: what was planted, and every answer about it (`schemas/plant.json`)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from conformance import __version__
from conformance.contract.schemas import format_checker
from conformance.data import schemas_dir
from conformance.deployment.probe.preflight import ServerInfo
from conformance.plant.probes import ReadRequest, RecordedAnswer
from conformance.plant.scenarios import LeftOut, PlantedThread
from conformance.safe_text import excerpt
from conformance.typed_data import typed

FORMAT = "threads-conformance-plant/1"


class PlantFileError(Exception):
    """A plant file cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class Plant:
    """Threads on a deployment, and every answer about them.

    `planted_at` is RFC 3339 in UTC; `url` is without user and password.
    """

    id: str
    planted_at: str
    url: str
    server: ServerInfo
    graph_id: str
    threads: tuple[PlantedThread, ...]
    left_out: tuple[LeftOut, ...]
    answers: tuple[RecordedAnswer, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {
            "format": FORMAT,
            "suite": {"version": __version__},
            "plant": {"id": self.id, "planted_at": self.planted_at},
            "deployment": {
                "url": self.url,
                "server": asdict(self.server),
                "graph_id": self.graph_id,
            },
            "threads": [asdict(each) for each in self.threads],
            "left_out": [asdict(each) for each in self.left_out],
            "answers": [
                {**asdict(each.question), "status": each.status, "answer": each.answer}
                for each in self.answers
            ],
        }


def check_writable(path: Path) -> None:
    """Raise `PlantFileError` unless a plant can be written to `path` as a new file."""
    if path.exists():
        raise PlantFileError(
            f"{path} exists: it may be all that tells of threads that stand. Name another file; "
            f"`threads-conformance verify {path} --url URL --sweep` removes an old plant"
        )
    probe = _partial_path(path)
    try:
        probe.touch()
        probe.unlink()
    except OSError as refused:
        raise _not_writable(path, refused) from refused


def write_plant(plant: Plant, path: Path) -> None:
    """Write the file whole or not at all; raise `PlantFileError` if it cannot be written."""
    partial = _partial_path(path)
    try:
        partial.write_text(json.dumps(plant.to_json(), indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as refused:
        raise _not_writable(path, refused) from refused
    finally:
        partial.unlink(missing_ok=True)


def read_plant(path: Path) -> Plant:
    """Read what `write_plant` wrote; raise `PlantFileError` for anything else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise PlantFileError(
            f"there is no file {path}: make one with `threads-conformance plant --url URL {path}`"
        ) from missing
    except OSError as refused:
        raise PlantFileError(f"{path} cannot be read: {refused.strerror}") from refused
    except (ValueError, RecursionError) as broken:
        raise PlantFileError(
            f"{path} is not JSON ({broken}): give a file that `plant` wrote"
        ) from broken
    _check_format(data, path)
    for error in _validator().iter_errors(data):
        raise PlantFileError(
            f"{path} is damaged, {error.json_path}: {excerpt(error.message, 200)}; "
            "give it as `plant` wrote it"
        )
    plant = _parse_plant(data)
    kinds = {each.kind for each in plant.threads}
    for answer in plant.answers:
        if answer.question.kind not in {*kinds, None}:
            raise PlantFileError(f"{path} is damaged: no thread of the kind {answer.question.kind}")
    return plant


def _check_format(data: Any, path: Path) -> None:
    found = data.get("format") if isinstance(data, dict) else None
    if found == FORMAT:
        return
    family = FORMAT.rpartition("/")[0]
    if isinstance(found, str) and found.startswith(family):
        raise PlantFileError(
            f"{path} is of the format {excerpt(found, 80)}, and this version reads {FORMAT}: "
            "verify it with the version of threads-conformance that planted it"
        )
    what = f"of the format {excerpt(found, 80)}" if isinstance(found, str) else "without a format"
    raise PlantFileError(f"{path} is no plant ({what}): give a file that `plant` wrote")


def _parse_plant(data: Mapping[str, Any]) -> Plant:
    deployment = data["deployment"]
    return Plant(
        id=data["plant"]["id"],
        planted_at=data["plant"]["planted_at"],
        url=deployment["url"],
        server=typed(deployment["server"], ServerInfo),
        graph_id=deployment["graph_id"],
        threads=typed(data["threads"], tuple[PlantedThread, ...]),
        left_out=typed(data["left_out"], tuple[LeftOut, ...]),
        answers=tuple(
            RecordedAnswer(typed(each, ReadRequest), each["status"], each["answer"])
            for each in data["answers"]
        ),
    )


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads((schemas_dir() / "plant.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema, format_checker=format_checker())


def _partial_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def _not_writable(path: Path, refused: OSError) -> PlantFileError:
    return PlantFileError(f"cannot write {path} ({refused.strerror or refused}): name another file")
