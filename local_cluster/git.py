"""The git repository that Argo CD reads."""

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
    """A local repository: change files under `path`, then commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        self.commit("Start")

    @property
    def url(self) -> str:
        """The repoURL for Argo CD."""
        return current().repository

    @property
    def head(self) -> str:
        """The latest commit."""
        return self._git("rev-parse", "HEAD").strip()

    def write(self, file: str, text: str) -> None:
        """Write a file and create its parent directories."""
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def add(self, folder: Path, under: str, replaced: Mapping[str, str]) -> None:
        """Copy a directory of text files and replace text in them."""
        for file in filter(Path.is_file, folder.rglob("*")):
            text = file.read_text()
            for old, new in replaced.items():
                text = text.replace(old, new)
            self.write(f"{under}/{file.relative_to(folder)}", text)

    def objects(self, path: str) -> list[Object]:
        """The Kubernetes objects of a YAML file, or of all YAML files in a directory tree."""
        target = self.path / path
        files = sorted(target.rglob("*.yaml")) if target.is_dir() else [target]
        return [obj for file in files for obj in yaml.safe_load_all(file.read_text()) if obj]

    def write_objects(self, file: str, objects: Iterable[Object]) -> None:
        """Write a YAML file of Kubernetes objects."""
        self.write(file, yaml.safe_dump_all(objects))

    @contextmanager
    def edited(self, file: str, kind: str, name: str) -> Iterator[Object]:
        """Yield an object of a YAML file; changes in the block are written back."""
        objects = self.objects(file)
        yield next(obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) == (kind, name))
        self.write_objects(file, objects)

    def remove(self, path: str) -> None:
        """Remove a file or directory."""
        target = self.path / path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    def changed(self) -> list[str]:
        """The files that differ from the last commit."""
        return self._git("-c", "core.quotePath=off", "status", "--porcelain").split("\n")[:-1]

    def commit(self, message: str) -> str:
        """Commit all changes; returns the commit id."""
        self._git("add", "--all")
        self._git(*AUTHOR, "commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.head

    def revert(self) -> str:
        """Revert the last commit."""
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
