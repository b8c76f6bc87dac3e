"""A real S3 server on a loopback port: moto's, in a process of its own, which checks rights."""

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

Keys = dict[str, str]
"""Variables of the environment."""
UNCHECKED = "1000000000"


@dataclass(frozen=True, kw_only=True)
class ObjectServer:
    port: int
    process: subprocess.Popen[str]
    owner: Keys
    """Of a user with every right."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str = "s3") -> Any:
        return _client(service, self.url, self.owner)

    def bucket(self, name: str) -> str:
        self.client().create_bucket(Bucket=name)
        return name

    def user(self, name: str, *actions: str) -> Keys:
        """The keys of a new user who may do `actions`."""
        return _user(self.client("iam"), name, actions)

    def give_rights(self, name: str, *actions: str) -> None:
        _give_rights(self.client("iam"), name, actions)

    def take_rights(self, name: str) -> None:
        self.client("iam").delete_user_policy(UserName=name, PolicyName="rights")

    def environment(self, keys: Keys | None = None) -> Keys:
        return {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": "us-east-1", **(keys or self.owner)}

    def objects(self, bucket: str) -> list[str]:
        listed = self.client().list_objects_v2(Bucket=bucket).get("Contents", [])
        return [one["Key"] for one in listed]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def object_server(port: int = 0) -> Iterator[ObjectServer]:
    """Empty, and of this process: it ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": UNCHECKED},
    ) as process:
        try:
            yield _ready(process)
        finally:
            process.kill()


def _ready(process: "subprocess.Popen[str]") -> ObjectServer:
    assert process.stderr is not None
    lines = map(re.compile(r"http://127\.0\.0\.1:(\d+)").search, process.stderr)
    port = next(int(found[1]) for found in lines if found)
    # It says a line for each request, and would wait for somebody who reads them.
    threading.Thread(target=process.stderr.read, daemon=True).start()
    url = f"http://127.0.0.1:{port}"
    owner = _user(_client("iam", url, _keys("first", "first")), "owner", ["*"])
    checked = urllib.request.Request(
        f"{url}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}
    )
    urllib.request.urlopen(checked).close()
    return ObjectServer(port=port, process=process, owner=owner)


def _user(iam: Any, name: str, actions: Sequence[str]) -> Keys:
    iam.create_user(UserName=name)
    if actions:
        _give_rights(iam, name, actions)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return _keys(key["AccessKeyId"], key["SecretAccessKey"])


def _give_rights(iam: Any, name: str, actions: Sequence[str]) -> None:
    rights = {"Effect": "Allow", "Action": [*actions], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)


def _keys(key: str, secret: str) -> Keys:
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}


def _client(service: str, url: str, keys: Keys) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
