"""What becomes of an object that leaves dist/: as Argo CD decides it."""

from __future__ import annotations

import pytest

from tests.ops.review.edits import Edit, Files, drop, rendered, review, together, write

NEBULA, APPLICATIONS = "crawlers/nebula", "argocd/applications"
STAYS = "stays behind in the cluster: "
APPLICATION = "Application argocd/nebula"
DEPLOYMENT = "Deployment crawlers/nebula"
NO_FINALIZER = write(
    APPLICATIONS,
    (r"  finalizers:\n.+\n((?:  .*\n)+?  name: nebula\n)", r"\1"),
)
BY_HAND = write(APPLICATIONS, (r"  syncPolicy:\n    automated:\n.+\n.+\n", "  syncPolicy:\n"))
ALLOW_EMPTY = write(APPLICATIONS, ("prune: true", "prune: true\n      allowEmpty: true"))
NO_PRUNE = write(APPLICATIONS, ("prune: true", "prune: false"))
PROTECTED = write(
    NEBULA,
    (r"kind: Deployment\nmetadata:\n", "kind: Deployment\nmetadata:\n  annotations:\n"
     "    argocd.argoproj.io/sync-options: Prune=false,Delete=false\n"),
)  # fmt: skip


def no_application(files: Files) -> Files:
    """Remove nebula's Application, but not its file."""
    path = f"{APPLICATIONS}.k8s.yaml"
    kept = [text for text in files[path].split("---\n") if "\n  name: nebula\n" not in text]
    return {**files, path: "---\n".join(kept)}


def as_it_is(files: Files) -> Files:
    return files


@pytest.mark.parametrize(
    ("given", "edit", "sentence"),
    [
        (as_it_is, drop(NEBULA, "Deployment"), "Argo CD prunes it, and with it 1 pod"),
        (PROTECTED, drop(NEBULA, "Deployment"), f"{STAYS}Prune=false protects it"),
        (NO_PRUNE, drop(NEBULA, "Deployment"), f"{STAYS}{APPLICATION} does not prune"),
        (BY_HAND, drop(NEBULA, "Deployment"), f"{STAYS}{APPLICATION} does not sync by itself"),
        (as_it_is, drop(NEBULA), f"{STAYS}Argo CD refuses to empty {APPLICATION}"),
        (ALLOW_EMPTY, drop(NEBULA), "Argo CD prunes it, and with it 1 pod"),
        (as_it_is, no_application, f"Argo CD deletes it with its {APPLICATION}, and with it 1 pod"),
        (PROTECTED, no_application, f"{STAYS}Delete=false protects it"),
        (NO_FINALIZER, no_application,
         f"{STAYS}{APPLICATION} goes without deleting what it synced"),
        (no_application, drop(NEBULA), f"{STAYS}no Application synced it"),
    ],
)  # fmt: skip
def test_an_object_that_leaves(given: Edit, edit: Edit, sentence: str) -> None:
    before = given(rendered())
    report = review(before, edit(before))
    assert sentence in [f.text for f in report.findings if str(f.key) == DEPLOYMENT]


def test_nothing_is_deleted_when_dist_is_lost() -> None:
    report = review(rendered(), {})
    fates = {finding.text for finding in report.findings if finding.risk == "delete"}
    assert all(outcome.startswith(STAYS) for outcome in fates)


def test_a_hook_is_not_pruned() -> None:
    report = review(rendered(), drop("crawlers/cryo-indexer", "Job")(rendered()))
    said = {finding.text for finding in report.findings if finding.key.kind == "Job"}
    assert said == {f"{STAYS}Argo CD prunes no hooks"}


def test_a_change_of_both_ends_is_seen_together() -> None:
    """The Application goes, and its objects with it; nobody is told that they stay."""
    report = review(rendered(), together(drop(NEBULA), no_application)(rendered()))
    assert not [f for f in report.findings if "stays behind" in f.text]
