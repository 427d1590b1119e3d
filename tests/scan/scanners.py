"""The scanners: how each is run, and what it finds.

kube-score and kubeconform are built from their Go modules, as the programs of the control plane
are; checkov, whose requirements are not ours, has an environment of its own; cdk-nag and cfn-lint
are in the development requirements.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from catalogue.handover import STACK
from constructs_lib.rules.waivers import Result
from stacks.template import SNAPSHOT
from tests.conftest import ROOT
from tests.e2e.harness.installing import Say, cache_folder, crds, provide
from tests.e2e.harness.programs import ARGOCD, EXTERNAL_SECRETS, Module, Program

DIST = ROOT / "dist"
REQUIREMENTS = ROOT / "requirements-scan.txt"
KUBE_SCORE = Program(
    "kube-score",
    "1.20.0",
    Module(
        "github.com/zegl/kube-score",
        "v1.20.0",
        "h1:J1VqK86SunV4Gg8emPTmwUVxe0rmXnAs5K9ZUbGMKR8=",
    ),
    "./cmd/kube-score",
)
KUBECONFORM = Program(
    "kubeconform",
    "0.7.0",
    Module(
        "github.com/yannh/kubeconform",
        "v0.7.0",
        "h1:ZFfniR8VChrWQxaxTUGnNrxw8RIDkjVBrjdhXSamwjw=",
    ),
    "./cmd/kubeconform",
)
VERSIONS = ("1.27.0", "1.36.0")
"""What the structs are made from, and a current one."""
_PASSED = 7
"""The grade from which kube-score calls a check passed; below are its warnings and criticals."""
_SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
_OWN = "{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json"
_CUSTOM = "{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
_NAG = re.compile(r"AwsSolutions-\w+")


def manifests() -> list[str]:
    """The files of dist/ that hold objects."""
    return [str(path) for path in sorted(DIST.rglob("*.yaml"))]


def _output(*command: str) -> str:
    """What a scanner prints; its exit status only says that it found something."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise RuntimeError(f"{command[0]} printed nothing: {done.stderr.strip()}")
    return done.stdout


def kube_score(say: Say) -> list[Result]:
    """Over all files together, so that it sees Services beside their pods."""
    program = str(provide(KUBE_SCORE, say).path)
    version = ("--kubernetes-version", f"v{VERSIONS[0].rpartition('.')[0]}")
    return of_kube_score(_output(program, "score", "--output-format=json", *version, *manifests()))


def of_kube_score(printed: str) -> list[Result]:
    """Its warnings and criticals."""
    return [
        Result(
            f"kube-score:{check['check']['id']}",
            f"{item['type_meta']['kind']} {_place(item['object_meta'])}",
            check["check"]["comment"],
        )
        for item in json.loads(printed)
        for check in item["checks"] or ()
        if not check["skipped"] and check["grade"] < _PASSED
    ]


def _place(metadata: dict[str, Any]) -> str:
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def checkov_manifests(say: Say) -> list[Result]:
    """All of dist/, by checkov."""
    return of_checkov(_checkov(say, "kubernetes", "--directory", str(DIST)), _of_manifest)


def checkov_template(say: Say) -> list[Result]:
    """The template of the stack, by checkov."""
    return of_checkov(_checkov(say, "cloudformation", "--file", str(SNAPSHOT)), _of_template)


def _checkov(say: Say, framework: str, *what: str) -> str:
    quietly = ("--skip-download", "--quiet", "--compact", "--output", "json")
    python = checkov_python(say)
    return _output(python, "-m", "checkov.main", "--framework", framework, *quietly, *what)


def of_checkov(printed: str, naming: Any) -> list[Result]:
    """Its failed checks."""
    reports = json.loads(printed)
    return [
        Result(f"checkov:{one['check_id']}", naming(one["resource"]), one["check_name"])
        for report in (reports if isinstance(reports, list) else [reports])
        for one in report.get("results", {}).get("failed_checks", ())
    ]


def _of_manifest(resource: str) -> str:
    """`Deployment crawlers/nebula` of `Deployment.crawlers.nebula`."""
    kind, _, place = resource.partition(".")
    return f"{kind} {place.replace('.', '/', 1)}"


def _of_template(resource: str) -> str:
    """`AWS::Lambda::Function SecretsStack/one` of `AWS::Lambda::Function.one`."""
    kind, _, name = resource.rpartition(".")
    return f"{kind} {STACK}/{name}"


def checkov_python(say: Say) -> str:
    """The interpreter of checkov's own environment, made once for each lock."""
    lock = REQUIREMENTS.read_bytes()
    digest = hashlib.sha256(lock + sys.version.encode()).hexdigest()[:12]
    folder = cache_folder().parent / "scan" / f"checkov-{digest}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        say("installing checkov (once; about a minute)")
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        uv = (sys.executable, "-m", "uv")
        made = ("venv", "--quiet", "--python", sys.executable, str(folder))
        synced = ("--require-hashes", "--python", str(python), str(REQUIREMENTS))
        subprocess.run([*uv, *made], check=True)
        subprocess.run([*uv, "pip", "sync", "--quiet", *synced], check=True)
        complete.touch()
    return str(python)


def kubeconform(say: Say) -> list[Result]:
    """Over all files, on each Kubernetes version, with the schemas of the pinned CRDs."""
    conform = str(provide(KUBECONFORM, say).path)
    with tempfile.TemporaryDirectory(prefix="schemas-") as schemas:
        for program in (ARGOCD, EXTERNAL_SECRETS["v1beta1"]):
            for crd in crds(program):
                _write_custom(crd, Path(schemas))
        for version in VERSIONS:
            _write_own(version, Path(schemas))
        where = (
            *("-schema-location", f"{schemas}/{_OWN}"),
            *("-schema-location", f"{schemas}/{_CUSTOM}"),
        )
        return [
            finding
            for version in VERSIONS
            for finding in of_kubeconform(
                _output(
                    *(conform, "-strict", "-verbose", "-output=json"),
                    *("-kubernetes-version", version, *where, *manifests()),
                )
            )
        ]


def of_kubeconform(printed: str) -> list[Result]:
    """What is invalid, and what it could not check."""
    return [
        Result(
            f"kubeconform:{one['status'].removeprefix('status').lower()}",
            f"{one['kind']} {one['name']}",
            one["msg"] or "no schema",
        )
        for one in json.loads(printed)["resources"]
        if one["status"] != "statusValid"
    ]


def _write_own(version: str, folder: Path) -> None:
    """The schemas of Kubernetes' own kinds, each with all that it refers to."""
    source = _SCHEMAS / f"v{version}-local-strict"
    shared = {"$defs": json.loads((source / "_definitions.json").read_text("utf-8"))["$defs"]}
    (folder / f"v{version}").mkdir()
    for group, kind, api_version in _kinds():
        short = f"-{group.partition('.')[0]}" if group else ""
        file = source / f"{kind.lower()}{short}-{api_version}.json"
        if file.exists():
            schema = json.loads(file.read_text("utf-8").replace("/api/_definitions.json#", "#"))
            schema.pop("$id", None)
            (folder / f"v{version}" / file.name).write_text(json.dumps({**schema, **shared}))


def _kinds() -> set[tuple[str, str, str]]:
    """Group, kind and version of every object of dist/."""
    found = set()
    for path in manifests():
        for item in yaml.load_all(Path(path).read_text("utf-8"), yaml.CSafeLoader):
            group, _, version = item["apiVersion"].rpartition("/")
            found.add((group, item["kind"], version))
    return found


def _write_custom(crd: Path, folder: Path) -> None:
    """The schema of each version of a custom resource, as strict as the API server with -strict."""
    for definition in yaml.safe_load_all(crd.read_text("utf-8")):
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            name = f"{spec['group']}_{spec['names']['kind'].lower()}_{version['name']}.json"
            _close(schema)
            (folder / name).write_text(json.dumps(schema))


def _close(schema: Any) -> None:
    """Refuse the fields that a schema does not name."""
    if isinstance(schema, list):
        for one in schema:
            _close(one)
    if not isinstance(schema, dict):
        return
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    for one in schema.values():
        _close(one)


def cfn_lint(_: Say) -> list[Result]:
    """cfn-lint over the stack's template."""
    lint = [
        str(Path(sys.executable).with_name("cfn-lint")),
        "--format",
        "json",
        "--template",
        str(SNAPSHOT),
    ]
    return of_cfn_lint(_output(*lint))


def of_cfn_lint(printed: str) -> list[Result]:
    """Everything that it says."""
    found = []
    for one in json.loads(printed):
        path = [str(step) for step in one["Location"]["Path"] or ()]
        item = f"{STACK}/{path[1]}" if path[:1] == ["Resources"] and len(path) > 1 else STACK
        found.append(Result(f"cfn-lint:{one['Rule']['Id']}", item, one["Message"]))
    return found


def cdk_nag(_: Say) -> list[Result]:
    """The AwsSolutions pack of cdk-nag over the stack."""
    from aws_cdk import App, Validations
    from cdk_nag import AwsSolutionsChecks

    from stacks.secrets_stack import SecretsStack

    app = App(analytics_reporting=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    SecretsStack(app)
    try:
        app.synth()
    except RuntimeError as error:
        return list(of_cdk_nag(str(error)))
    return []


def of_cdk_nag(report: str) -> Iterator[Result]:
    """Each of its rules that a report names."""
    for name in dict.fromkeys(_NAG.findall(report)):
        yield Result(f"cdk-nag:{name}", STACK, f"{name} is violated")


SCANNERS = {
    "kube-score": (kube_score,),
    "checkov": (checkov_manifests, checkov_template),
    "kubeconform": (kubeconform,),
    "cfn-lint": (cfn_lint,),
    "cdk-nag": (cdk_nag,),
}
"""By the prefix of their checks in the waivers."""
