"""The readers of a parameter, from the manifests."""

from __future__ import annotations

import pytest

from catalogue.parameters import Parameters
from constructs_lib.model import Manifest
from ops.secrets.readers import Readers, UpdateMode, readers, update_mode


@pytest.fixture
def password(objects: list[Manifest]) -> Readers:
    return readers(Parameters.CLICKHOUSE_PASSWORD.path, objects)


def test_every_service_reads_the_password_under_its_own_name(password: Readers) -> None:
    variables = {variable for one in password.workloads for variable in password.variables(one)}
    assert variables == {"CLICKHOUSE_PASSWORD", "CH_PASSWORD", "NEBULA_DATABASE_PASSWORD"}
    secrets = {(source.namespace, source.secret) for source in password.secrets}
    for workload in password.workloads:
        assert any((workload.namespace, secret) in secrets for secret in workload.secrets)


def test_single_writers_are_replaced_and_jobs_wait_for_their_run(
    password: Readers, objects: list[Manifest]
) -> None:
    kinds = {one.name: update_mode(one) for one in password.workloads}
    assert kinds["cerebro-api"] is UpdateMode.ROLLING
    assert {kinds["nebula"], kinds["cryo-indexer"], kinds["cerebro-mcp"]} == {UpdateMode.REPLACED}
    assert kinds["click-runner-ember"] is UpdateMode.NEXT_RUN
    assert kinds["cryo-indexer-migrations"] is UpdateMode.NEXT_SYNC
    deployments = {item["metadata"]["name"] for item in objects if item["kind"] == "Deployment"}
    assert {one.name for one in password.restarted()} == deployments


def test_a_parameter_of_one_service_affects_no_other(objects: list[Manifest]) -> None:
    keys = readers(Parameters.API_KEYS.path, objects)
    assert [str(source) for source in keys.secrets] == ["cerebro/cerebro-api-secrets"]
    assert [str(one) for one in keys.workloads] == ["cerebro/cerebro-api"]
    assert keys.workloads[0].reloaded == ("cerebro-api-secrets",)


def test_the_pull_secret_restarts_nothing(objects: list[Manifest]) -> None:
    login = readers(Parameters.GHCR_DOCKERCONFIGJSON.path, objects)
    assert login.namespaces == ["cerebro", "crawlers"]
    assert login.workloads == ()
    for source in login.secrets:
        assert source.paths == {".dockerconfigjson": Parameters.GHCR_DOCKERCONFIGJSON.path}
