"""What Argo CD does with objects that are removed from dist/."""

import pytest

from tests.ops.review.edits import Edit, Files, drop, rendered, review, together, unchanged, write

NEBULA, APPLICATIONS = "crawlers/nebula", "argocd/applications"
STAYS = "stays in the cluster: "
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


@pytest.mark.parametrize(
    ("given", "edit", "sentence"),
    [
        (unchanged, drop(NEBULA, "Deployment"), "Argo CD prunes it; also deleted: 1 pod"),
        (PROTECTED, drop(NEBULA, "Deployment"), f"{STAYS}Prune=false protects it"),
        (NO_PRUNE, drop(NEBULA, "Deployment"), f"{STAYS}{APPLICATION} does not prune"),
        (BY_HAND, drop(NEBULA, "Deployment"), f"{STAYS}{APPLICATION} has no automated sync"),
        (unchanged, drop(NEBULA),
         f"{STAYS}Argo CD does not prune the last objects of {APPLICATION} (allowEmpty is off)"),
        (ALLOW_EMPTY, drop(NEBULA), "Argo CD prunes it; also deleted: 1 pod"),
        (unchanged, no_application,
         f"Argo CD deletes it together with {APPLICATION}; also deleted: 1 pod"),
        (PROTECTED, no_application, f"{STAYS}Delete=false protects it"),
        (NO_FINALIZER, no_application,
         f"{STAYS}{APPLICATION} has no finalizer that deletes it"),
        (no_application, drop(NEBULA), f"{STAYS}no Application synced it"),
    ],
)  # fmt: skip
def test_a_removed_object(given: Edit, edit: Edit, sentence: str) -> None:
    before = given(rendered())
    report = review(before, edit(before))
    assert sentence in [f.text for f in report.findings if str(f.key) == DEPLOYMENT]


def test_nothing_is_deleted_when_dist_is_lost() -> None:
    report = review(rendered(), {})
    texts = {finding.text for finding in report.findings if finding.risk == "delete"}
    assert all(text.startswith(STAYS) for text in texts)


def test_a_hook_is_not_pruned() -> None:
    report = review(rendered(), drop("crawlers/cryo-indexer", "Job")(rendered()))
    said = {finding.text for finding in report.findings if finding.key.kind == "Job"}
    assert said == {f"{STAYS}Argo CD does not prune hooks"}


def test_an_application_and_its_file_removed_together() -> None:
    """Both are deleted; the review does not report that the objects stay."""
    report = review(rendered(), together(drop(NEBULA), no_application)(rendered()))
    assert not [f for f in report.findings if STAYS in f.text]
