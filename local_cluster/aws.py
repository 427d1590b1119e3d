"""The AWS emulator ministack, on a local port."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from catalogue.installation import INSTALLATION
from local_cluster.processes import Process, Processes, answers, free_port

REGION = INSTALLATION.region


class Aws:
    """The emulator and its client settings. Its state survives `unreachable`."""

    def __init__(self, processes: Processes) -> None:
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process: Process = processes.start(
            "ministack",
            Path(sys.executable),
            "-m",
            "ministack",
            environment={
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "IOT_MTLS_ENABLED": "0",  # it would listen on another port
                "MINISTACK_HOST": "127.0.0.1",
                "MINISTACK_REGION": REGION,
                "PERSIST_STATE": "1",
                "STATE_DIR": str(processes.folder / "ministack"),
            },
            ready=lambda: answers(f"{self.endpoint}/_ministack/health"),
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point AWS clients, including `cdk`, to the emulator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def client_settings(self) -> dict[str, Any]:
        """For boto3: `boto3.client("acm", **aws.client_settings)`."""
        return {
            "endpoint_url": self.endpoint,
            "region_name": REGION,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }

    def put_parameter(self, path: str, value: str) -> None:
        """Create or overwrite a SecureString."""
        ssm = boto3.client("ssm", **self.client_settings)
        ssm.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)

    def delete_parameter(self, path: str) -> None:
        """Delete a parameter."""
        boto3.client("ssm", **self.client_settings).delete_parameter(Name=path)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Refuse connections to AWS while the block runs; all values are kept."""
        self.process.stop()
        try:
            yield
        finally:
            self.process.start()
            self.process.wait_until_ready()
