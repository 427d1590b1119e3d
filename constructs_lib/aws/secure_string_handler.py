"""Lambda function of a custom resource: creates missing SSM SecureStrings.

It never overwrites or deletes a value, and logs only names and outcomes. CloudFormation limits
inline code to 4096 characters.
"""

import json
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def handler(event, _context):
    """Handle one CloudFormation request; always send a response."""
    wanted = event["ResourceProperties"]
    answer = {"Status": "SUCCESS", "PhysicalResourceId": wanted["Name"]}
    try:
        if event["RequestType"] == "Delete":
            print(f"kept {wanted['Name']}")
        else:
            answer["Data"] = retry_access_denied(_client(), wanted)
            print(f"{answer['Data']['Outcome']} {wanted['Name']}")
    except Exception as error:
        answer |= {"Status": "FAILED", "Reason": f"{wanted['Name']}: {error}"[:1000]}
        print(f"failed {answer['Reason']}")
    _send(event, answer)


def retry_access_denied(ssm, wanted):
    """Retry, because new permissions of a role take some seconds to propagate."""
    for pause in (5, 10, 20):
        try:
            return ensure(ssm, wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDeniedException":
                raise
            time.sleep(pause)
    return ensure(ssm, wanted)


def ensure(ssm, wanted):
    """Create the parameter with its placeholder, or adopt the existing one unchanged."""
    key = {"KeyId": wanted["KeyId"]} if wanted.get("KeyId") else {}
    try:
        ssm.put_parameter(
            Name=wanted["Name"],
            Description=wanted["Description"],
            Value=wanted["Placeholder"],
            Type="SecureString",
            Overwrite=False,
            Tags=wanted["Tags"],
            **key,
        )
        return {"Outcome": "created", "KeyId": wanted.get("KeyId", "")}
    except ssm.exceptions.ParameterAlreadyExists:
        return {"Outcome": "adopted", "KeyId": _adopt(ssm, wanted["Name"])}


def _adopt(ssm, name):
    """Return the key of an existing parameter without decrypting its value."""
    pages = ssm.get_paginator("get_parameter_history").paginate(Name=name, WithDecryption=False)
    newest = [version for page in pages for version in page["Parameters"]][-1]
    if newest["Type"] != "SecureString":
        raise ValueError(
            f"it exists as a {newest['Type']}, which cannot become a SecureString; "
            "save its value, delete it, and deploy again"
        )
    return newest.get("KeyId", "")


def _client():
    # A new account allows three writes per second, and all parameters are requested at once.
    return boto3.client("ssm", config=Config(retries={"mode": "adaptive", "max_attempts": 10}))


def _send(event, answer):
    identity = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    request = urllib.request.Request(
        event["ResponseURL"],
        data=json.dumps(identity | answer).encode(),
        headers={"Content-Type": ""},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=30).close()
