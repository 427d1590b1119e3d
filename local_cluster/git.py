"""The git repository that Argo CD reads in these tests."""

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from catalogue.platform import current
from local_cluster.cluster import Object
from local_cluster.processes import command

AUTHOR = ("-c", "user.name=e2e", "-c", "user.email=e2e@example.invalid")


class GitRepository:
    """A local repository: change files below `path`, then commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        self.commit("Start")

    @property
    def url(self) -> str:
        """What a repoURL has to be for Argo CD to read this repository."""
        return current().repository

    @property
    def head(self) -> str:
        """The commit that Argo CD should be at."""
        return self._git("rev-parse", "HEAD").strip()

    def write(self, file: str, text: str) -> None:
        """Write a file, its folders included."""
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def add(self, folder: Path, under: str, replaced: Mapping[str, str]) -> None:
        """Copy a folder of text files, with some of their text replaced by other text."""
        for file in filter(Path.is_file, folder.rglob("*")):
            text = file.read_text()
            for old, new in replaced.items():
                text = text.replace(old, new)
            self.write(f"{under}/{file.relative_to(folder)}", text)

    def objects(self, path: str) -> list[Object]:
        """The Kubernetes objects of a YAML file, or of all YAML files below a folder."""
        target = self.path / path
        files = sorted(target.rglob("*.yaml")) if target.is_dir() else [target]
        return [obj for file in files for obj in yaml.safe_load_all(file.read_text()) if obj]

    def write_objects(self, file: str, objects: Iterable[Object]) -> None:
        """Write a YAML file of Kubernetes objects."""
        self.write(file, yaml.safe_dump_all(objects))

    @contextmanager
    def edited(self, file: str, kind: str, name: str) -> Iterator[Object]:
        """An object of a YAML file, to be changed in the block."""
        objects = self.objects(file)
        yield next(obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) == (kind, name))
        self.write_objects(file, objects)

    def remove(self, path: str) -> None:
        """Remove a file or a whole folder."""
        target = self.path / path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    def changed(self) -> list[str]:
        """The files that differ from the last commit."""
        return self._git("-c", "core.quotePath=off", "status", "--porcelain").split("\n")[:-1]

    def commit(self, message: str) -> str:
        """Commit whatever has changed; returns the commit's id."""
        self._git("add", "--all")
        self._git(*AUTHOR, "commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.head

    def revert(self) -> str:
        """Take the last commit back by a new one."""
        self._git(*AUTHOR, "revert", "--no-edit", "HEAD")
        return self.head

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            [command("git"), *arguments],
            cwd=self.path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
        return done.stdout
