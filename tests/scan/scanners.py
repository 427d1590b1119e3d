"""Runs the scanners and reads their reports.

gitleaks, kube-score and kubeconform are built from their Go modules. checkov has a separate
environment, because its requirements conflict. cdk-nag and cfn-lint are in the development
requirements.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from aws_cdk import App, CfnResource, Stack, Validations
from cdk_nag import AwsSolutionsChecks

from catalogue.installation import INSTALLATION
from catalogue.stack_outputs import STACK
from constructs_lib.model.waivers import Result
from local_cluster.installing import Say, cache_folder, crds, provide
from stacks.secrets_stack import SecretsStack
from stacks.template import SNAPSHOT
from tests.conftest import ROOT, run
from tests.scan.programs import DEFINITIONS, GITLEAKS, KUBE_SCORE, KUBECONFORM

DIST = ROOT / "dist"
REQUIREMENTS = ROOT / "requirements-scan.txt"
VERSIONS = ("1.27.0", "1.36.0")
"""For kubeconform and kube-score: the version of the cdk8s imports, and a current one."""
_OWN = "{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json"
_CUSTOM = "{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
_SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
_PASSED = 7
"""The lowest grade of a passed check in kube-score; warnings and criticals are lower."""


def manifests() -> list[str]:
    """The YAML files in dist/."""
    return [str(path) for path in sorted(DIST.rglob("*.yaml"))]


def _report(*command: str | Path) -> Any:
    """The JSON that a scanner prints. Its exit status only signals findings."""
    environment = {**os.environ, "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
    done = run(*command, environment=environment)
    if not done.stdout.strip():
        raise RuntimeError(f"{command[0]} printed nothing: {done.stderr.strip()}")
    return json.loads(done.stdout)


def kube_score(say: Say) -> list[Result]:
    """Run kube-score over all files together, so that it matches Services with their pods."""
    options = (
        "--output-format=json",
        "--disable-ignore-checks-annotations",
        f"--kubernetes-version=v{VERSIONS[0].rpartition('.')[0]}",
    )
    return list(of_kube_score(_report(provide(KUBE_SCORE, say), "score", *options, *manifests())))


def of_kube_score(report: Any) -> Iterator[Result]:
    """The warnings and criticals of kube-score."""
    for item in report:
        place = [item["object_meta"].get("namespace"), item["object_meta"]["name"]]
        name = f"{item['type_meta']['kind']} {'/'.join(filter(None, place))}"
        for check in item["checks"] or ():
            if not check["skipped"] and check["grade"] < _PASSED:
                yield Result(f"kube-score:{check['check']['id']}", name, check["check"]["comment"])


def checkov(say: Say) -> list[Result]:
    """Run checkov over dist/ and the template of the stack."""
    options = ("--skip-download", "--compact", "--output", "json", "--framework")
    command = (checkov_python(say), "-m", "checkov.main", *options)
    return [
        *of_checkov(_report(*command, "kubernetes", "--directory", DIST)),
        *of_checkov(_report(*command, "cloudformation", "--file", SNAPSHOT)),
    ]


def of_checkov(report: Any) -> Iterator[Result]:
    """The failed checks, and those skipped by annotation, which need a waiver instead."""
    if "results" not in report:
        raise RuntimeError(f"checkov found nothing to check: {json.dumps(report)}")
    for outcome, note in {"failed": "", "skipped": " (skipped by annotation)"}.items():
        for check in report["results"][f"{outcome}_checks"]:
            if "::" in check["resource"]:  # `AWS::Lambda::Function.one`
                kind, _, name = check["resource"].rpartition(".")
                item = f"{kind} {STACK}/{name}"
            else:  # `Deployment.crawlers.nebula`
                kind, _, place = check["resource"].partition(".")
                item = f"{kind} {place.replace('.', '/', 1)}"
            yield Result(f"checkov:{check['check_id']}", item, check["check_name"] + note)


def checkov_python(say: Say) -> Path:
    """The Python interpreter of checkov's environment, created once per lock file."""
    lock = REQUIREMENTS.read_bytes()
    digest = hashlib.sha256(lock + sys.version.encode()).hexdigest()[:12]
    folder = cache_folder().parent / "scan" / f"checkov-{digest}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        say("installing checkov (once; about a minute)")
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        uv = (sys.executable, "-m", "uv")
        create = ("venv", "--quiet", "--python", sys.executable, str(folder))
        sync = ("--require-hashes", "--python", str(python), str(REQUIREMENTS))
        subprocess.run([*uv, *create], check=True)
        subprocess.run([*uv, "pip", "sync", "--quiet", *sync], check=True)
        complete.touch()
    return python


def kubeconform(say: Say) -> list[Result]:
    """Run kubeconform over all files, for each Kubernetes version, with the schemas of the CRDs."""
    definitions = [file for program in DEFINITIONS for file in crds(program)]
    with tempfile.TemporaryDirectory(prefix="schemas-") as folder:
        own, custom = _schemas(Path(folder), definitions)
        locations = ("-schema-location", own, "-schema-location", custom)
        options = ("-strict", "-verbose", "-output=json", *locations, "-kubernetes-version")
        command = (provide(KUBECONFORM, say), *options)
        reports = [_report(*command, version, *manifests()) for version in VERSIONS]
    return [finding for report in reports for finding in of_kubeconform(report)]


def _schemas(folder: Path, definitions: Iterable[Path]) -> tuple[str, str]:
    """Write the schemas; return kubeconform's locations for Kubernetes and for CRDs."""
    for version in VERSIONS:
        _write_own(_SCHEMAS / f"v{version}-local-strict", folder / f"v{version}")
    for file in definitions:
        for definition in yaml.safe_load_all(file.read_text("utf-8")):
            _write_custom(definition["spec"], folder)
    return f"{folder}/{_OWN}", f"{folder}/{_CUSTOM}"


def _write_own(source: Path, target: Path) -> None:
    """Write the schemas of Kubernetes' own kinds, which refer to their definitions by URL."""
    target.mkdir()
    here = target.as_uri()
    for file in source.iterdir():
        text = file.read_text("utf-8").replace("https://kubernetes.io/api", here)
        (target / file.name).write_text(text.replace('"/api/', f'"{here}/'))


def _write_custom(spec: dict[str, Any], folder: Path) -> None:
    """Write the schema of each version of a custom resource, without unknown fields."""
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        name = f"{spec['group']}_{spec['names']['kind'].lower()}_{version['name']}.json"
        _close(schema)
        (folder / name).write_text(json.dumps(schema))


def _close(schema: Any) -> None:
    """Forbid fields that are not in the schema."""
    if isinstance(schema, list):
        for item in schema:
            _close(item)
    if not isinstance(schema, dict):
        return
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    for item in schema.values():
        _close(item)


def of_kubeconform(report: Any) -> Iterator[Result]:
    """The objects that are invalid or could not be checked."""
    for item in report["resources"]:
        if item["status"] != "statusValid":
            status = item["status"].removeprefix("status").lower()
            name = f"{item['kind']} {item['name']}"
            yield Result(f"kubeconform:{status}", name, item["msg"] or "no schema")


def cfn_lint(_: Say) -> list[Result]:
    """Run cfn-lint over the template of the stack, for its region."""
    about = ("--template", SNAPSHOT, "--regions", INSTALLATION.region)
    despite_metadata = ("--mandatory-checks", "W", "E")
    program = Path(sys.executable).with_name("cfn-lint")
    report = _report(program, "--format", "json", *about, *despite_metadata)
    return list(of_cfn_lint(report, json.loads(SNAPSHOT.read_text("utf-8"))))


def of_cfn_lint(report: Any, template: Mapping[str, Any]) -> Iterator[Result]:
    """The errors and warnings of cfn-lint."""
    for problem in report:
        item = f"Template {STACK}"
        match problem["Location"]["Path"]:
            case ["Resources", name, *_]:
                item = f"{template['Resources'][name]['Type']} {STACK}/{name}"
        yield Result(f"cfn-lint:{problem['Rule']['Id']}", item, problem["Message"])


def cdk_nag(_: Say) -> list[Result]:
    """Run the AwsSolutions pack of cdk-nag over the stack."""
    return nagged(SecretsStack)


def nagged(declare: Callable[[App], Stack]) -> list[Result]:
    """The findings of cdk-nag, from its report; the error that it raises has no details."""
    with tempfile.TemporaryDirectory(prefix="assembly-") as folder:
        app = App(analytics_reporting=False, outdir=folder)
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        stack = declare(app)
        try:
            app.synth()
            refused = ""
        except RuntimeError as error:
            refused = str(error)
        report = Path(folder, "validation-report.json")
        if not report.exists():
            raise RuntimeError(f"cdk-nag wrote no report. {refused}")
        resources = {
            construct.node.path: f"{construct.cfn_resource_type} {STACK}/"
            f"{stack.resolve(construct.logical_id)}"
            for construct in stack.node.find_all()
            if isinstance(construct, CfnResource)
        }
        found = list(of_cdk_nag(json.loads(report.read_text("utf-8")), resources))
    if refused and not found:
        raise RuntimeError(refused)
    return found


def of_cdk_nag(report: Any, resources: Mapping[str, str]) -> Iterator[Result]:
    """The errors and warnings of the pack, one per construct; `resources` names them by path."""
    for plugin in report["pluginReports"]:
        for broken in plugin["violations"] if plugin["pluginName"] == "AwsSolutions" else ():
            for construct in broken["violatingConstructs"]:
                path = construct["constructPath"]
                item = resources.get(path, path)
                yield Result(f"cdk-nag:{broken['ruleName']}", item, broken["description"])


def gitleaks(say: Say) -> list[Result]:
    """Run gitleaks over every commit of the checkout."""
    options = ("--redact", "--exit-code=0", "--report-format=json", "--report-path=-")
    return list(of_gitleaks(_report(provide(GITLEAKS, say), "git", *options, ROOT)))


def of_gitleaks(report: Any) -> Iterator[Result]:
    """The secrets that gitleaks found; their values are redacted."""
    for leak in report:
        place = f"line {leak['StartLine']}, commit {leak['Commit'][:9]}"
        message = f"{leak['Description']} ({place})"
        yield Result(f"gitleaks:{leak['RuleID']}", f"File {leak['File']}", message)


SCANNERS = {
    "kube-score": kube_score,
    "checkov": checkov,
    "kubeconform": kubeconform,
    "cfn-lint": cfn_lint,
    "cdk-nag": cdk_nag,
    "gitleaks": gitleaks,
}
"""By prefix of their checks in the waivers."""
