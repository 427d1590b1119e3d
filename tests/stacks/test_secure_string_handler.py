"""The Lambda function with a stubbed client, for cases that the emulator does not support."""

import json
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from botocore.stub import Stubber

from constructs_lib.aws import secure_string_handler as subject

_WANTED = {
    "Name": "/cerebro/test/one",
    "Description": "One",
    "Placeholder": "placeholder",
    "Tags": [{"Key": "a", "Value": "b"}],
}
_EVENT = {
    "RequestType": "Create",
    "ResourceProperties": _WANTED,
    "StackId": "stack",
    "RequestId": "request",
    "LogicalResourceId": "logical",
    "ResponseURL": "https://example.org/answer",
}


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    client = boto3.client("ssm", "eu-central-1")
    monkeypatch.setattr(subject, "_client", lambda: client)
    monkeypatch.setattr(subject.time, "sleep", lambda _: None)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Any:
    sent: dict[str, Any] = {}

    def urlopen(request: Any, **_: Any) -> Mock:
        sent.update(json.loads(request.data))
        return Mock()

    monkeypatch.setattr(subject.urllib.request, "urlopen", urlopen)
    return sent


def exists(ssm: Any, **newest: Any) -> None:
    """Stub an existing parameter with `newest` as its last version."""
    ssm.add_client_error("put_parameter", "ParameterAlreadyExists")
    older = {"Type": "String"}
    ssm.add_response(
        "get_parameter_history",
        {"Parameters": [older, newest]},
        {"Name": _WANTED["Name"], "WithDecryption": False},
    )


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_a_missing_parameter_is_created(ssm: Any, answer: Any, request_type: str) -> None:
    ssm.add_response(
        "put_parameter",
        {"Version": 1},
        {
            "Name": _WANTED["Name"],
            "Description": "One",
            "Value": "placeholder",
            "Type": "SecureString",
            "Overwrite": False,
            "Tags": _WANTED["Tags"],
        },
    )
    subject.handler({**_EVENT, "RequestType": request_type}, None)
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == _WANTED["Name"]
    assert answer["Data"]["Outcome"] == "created"


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_an_existing_parameter_is_adopted_and_its_key_reported(
    ssm: Any, answer: Any, request_type: str
) -> None:
    exists(ssm, Type="SecureString", KeyId="alias/other")
    subject.handler({**_EVENT, "RequestType": request_type}, None)
    assert answer["Data"] == {"Outcome": "adopted", "KeyId": "alias/other"}


def test_an_existing_string_fails_with_a_remedy(ssm: Any, answer: Any) -> None:
    exists(ssm, Type="String")
    subject.handler(_EVENT, None)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("/cerebro/test/one: it exists as a String, which cannot")


def test_a_deletion_calls_nothing(ssm: Any, answer: Any) -> None:
    subject.handler({**_EVENT, "RequestType": "Delete"}, None)
    assert answer["Status"] == "SUCCESS"
    del ssm


def test_access_denied_is_retried(ssm: Any, answer: Any) -> None:
    for _ in range(3):
        ssm.add_client_error("put_parameter", "AccessDeniedException")
    ssm.add_response("put_parameter", {"Version": 1})
    subject.handler(_EVENT, None)
    assert answer["Status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("code", "tries"), [("AccessDeniedException", 4), ("ThrottlingException", 1)]
)
def test_a_failure_names_the_parameter(ssm: Any, answer: Any, code: str, tries: int) -> None:
    for _ in range(tries):
        ssm.add_client_error("put_parameter", code)
    subject.handler(_EVENT, None)
    assert answer["Status"] == "FAILED"
    assert "/cerebro/test/one: " in answer["Reason"]
    assert code in answer["Reason"]


def test_the_log_has_no_value(ssm: Any, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    exists(ssm, Type="SecureString", Value="hunter2")
    subject.handler(_EVENT, None)
    assert "hunter2" not in json.dumps(answer)
    assert capsys.readouterr().out == "adopted /cerebro/test/one\n"
