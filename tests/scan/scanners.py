"""Runs the scanners and parses their findings.

gitleaks, kube-score and kubeconform are built from their Go modules. checkov has a separate
environment, because its requirements conflict. cdk-nag and cfn-lint are in the development
requirements.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App, CfnResource, Stack, Validations
from cdk_nag import AwsSolutionsChecks

from catalogue.installation import INSTALLATION
from catalogue.stack_outputs import STACK
from constructs_lib.model.waivers import Result
from local_cluster.installing import Say, cache_folder, crds, provide
from stacks.secrets_stack import SecretsStack
from stacks.template import SNAPSHOT
from tests.conftest import ROOT
from tests.scan import schemas
from tests.scan.programs import DEFINITIONS, GITLEAKS, KUBE_SCORE, KUBECONFORM
from tests.scan.schemas import VERSIONS

DIST = ROOT / "dist"
REQUIREMENTS = ROOT / "requirements-scan.txt"
_PASSED = 7
"""The lowest grade of a passed check in kube-score; warnings and criticals are lower."""


def manifests() -> list[str]:
    """The YAML files in dist/."""
    return [str(path) for path in sorted(DIST.rglob("*.yaml"))]


def _output(*command: str) -> str:
    """The output of a scanner. The exit status is ignored, because it only signals findings."""
    environment = {**os.environ, "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if not done.stdout.strip():
        raise RuntimeError(f"{command[0]} printed nothing: {done.stderr.strip()}")
    return done.stdout


def kube_score(say: Say) -> list[Result]:
    """Run kube-score over all files together, so that it matches Services with their pods."""
    program = str(provide(KUBE_SCORE, say))
    options = (
        "--output-format=json",
        "--disable-ignore-checks-annotations",
        f"--kubernetes-version=v{VERSIONS[0].rpartition('.')[0]}",
    )
    return of_kube_score(_output(program, "score", *options, *manifests()))


def of_kube_score(printed: str) -> list[Result]:
    """The warnings and criticals in the output of kube-score."""
    findings = []
    for item in json.loads(printed):
        place = [item["object_meta"].get("namespace"), item["object_meta"]["name"]]
        name = f"{item['type_meta']['kind']} {'/'.join(filter(None, place))}"
        findings += [
            Result(f"kube-score:{check['check']['id']}", name, check["check"]["comment"])
            for check in item["checks"] or ()
            if not check["skipped"] and check["grade"] < _PASSED
        ]
    return findings


def checkov(say: Say) -> list[Result]:
    """Run checkov over dist/ and the template of the stack."""
    command = (checkov_python(say), "-m", "checkov.main", "--skip-download", "--compact")
    return [
        finding
        for framework, what, naming in (
            ("kubernetes", ("--directory", str(DIST)), _of_manifest),
            ("cloudformation", ("--file", str(SNAPSHOT)), _of_template),
        )
        for finding in of_checkov(
            _output(*command, "--output", "json", "--framework", framework, *what), naming
        )
    ]


def of_checkov(printed: str, naming: Callable[[str], str]) -> list[Result]:
    """The failed checks, and those skipped by annotation, which need a waiver instead."""
    report = json.loads(printed)
    if "results" not in report:
        raise RuntimeError(f"checkov found nothing to check: {printed.strip()}")
    return [
        Result(f"checkov:{one['check_id']}", naming(one["resource"]), one["check_name"] + note)
        for outcome, note in (("failed_checks", ""), ("skipped_checks", " (skipped by annotation)"))
        for one in report["results"][outcome]
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
    return str(python)


def kubeconform(say: Say) -> list[Result]:
    """Run kubeconform over all files, for each Kubernetes version, with the schemas of the CRDs."""
    program = str(provide(KUBECONFORM, say))
    definitions = [file for one in DEFINITIONS for file in crds(one)]
    with tempfile.TemporaryDirectory(prefix="schemas-") as folder:
        own, custom = schemas.write(Path(folder), definitions, manifests())
        locations = ("-schema-location", own, "-schema-location", custom)
        options = ("-strict", "-verbose", "-output=json", *locations, "-kubernetes-version")
        return [
            finding
            for version in VERSIONS
            for finding in of_kubeconform(_output(program, *options, version, *manifests()))
        ]


def of_kubeconform(printed: str) -> list[Result]:
    """The objects that are invalid or could not be checked."""
    return [
        Result(
            f"kubeconform:{one['status'].removeprefix('status').lower()}",
            f"{one['kind']} {one['name']}",
            one["msg"] or "no schema",
        )
        for one in json.loads(printed)["resources"]
        if one["status"] != "statusValid"
    ]


def cfn_lint(_: Say) -> list[Result]:
    """Run cfn-lint over the template of the stack, for its region."""
    program = str(Path(sys.executable).with_name("cfn-lint"))
    about = ("--template", str(SNAPSHOT), "--regions", INSTALLATION.region)
    despite_metadata = ("--mandatory-checks", "W", "E")
    printed = _output(program, "--format", "json", *about, *despite_metadata)
    return of_cfn_lint(printed, json.loads(SNAPSHOT.read_text("utf-8")))


def of_cfn_lint(printed: str, template: Mapping[str, Any]) -> list[Result]:
    """The errors and warnings of cfn-lint."""
    found = []
    for one in json.loads(printed):
        path = [str(step) for step in one["Location"]["Path"] or ()]
        item = f"Template {STACK}"
        if path[:1] == ["Resources"] and len(path) > 1:
            item = f"{template['Resources'][path[1]]['Type']} {STACK}/{path[1]}"
        found.append(Result(f"cfn-lint:{one['Rule']['Id']}", item, one["Message"]))
    return found


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
        found = of_cdk_nag(report.read_text("utf-8"), _resources(stack))
    if refused and not found:
        raise RuntimeError(refused)
    return found


def _resources(stack: Stack) -> dict[str, str]:
    """The name of each resource in waivers, by construct path."""
    return {
        one.node.path: f"{one.cfn_resource_type} {STACK}/{stack.resolve(one.logical_id)}"
        for one in stack.node.find_all()
        if isinstance(one, CfnResource)
    }


def of_cdk_nag(report: str, resources: Mapping[str, str]) -> list[Result]:
    """The errors and warnings of the pack, one per construct."""
    return [
        Result(
            f"cdk-nag:{broken['ruleName']}",
            resources.get(one["constructPath"], one["constructPath"]),
            broken["description"],
        )
        for plugin in json.loads(report)["pluginReports"]
        if plugin["pluginName"] == "AwsSolutions"
        for broken in plugin["violations"]
        for one in broken["violatingConstructs"]
    ]


def gitleaks(say: Say) -> list[Result]:
    """Run gitleaks over every commit of the checkout."""
    program = str(provide(GITLEAKS, say))
    options = ("--redact", "--exit-code=0", "--report-format=json", "--report-path=-")
    return of_gitleaks(_output(program, "git", *options, str(ROOT)))


def of_gitleaks(printed: str) -> list[Result]:
    """The secrets that gitleaks found; their values are redacted."""
    return [
        Result(
            f"gitleaks:{one['RuleID']}",
            f"File {one['File']}",
            f"{one['Description']} (line {one['StartLine']}, commit {one['Commit'][:9]})",
        )
        for one in json.loads(printed)
    ]


SCANNERS = {
    "kube-score": kube_score,
    "checkov": checkov,
    "kubeconform": kubeconform,
    "cfn-lint": cfn_lint,
    "cdk-nag": cdk_nag,
    "gitleaks": gitleaks,
}
"""By prefix of their checks in the waivers."""
