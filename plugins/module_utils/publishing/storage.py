# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Object storage that speaks S3: its client, and its errors in words that name the key to change."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Callable, NamedTuple

from ..failures import Error
from ..json_types import Json, JsonObject
from ..secrets.references import is_reference

KEYS = ("access_key_id", "secret_access_key", "session_token")
PART = 16 << 20  # bytes of a part, and of the largest file that goes in one request
MOST_PARTS = 9000
UNKNOWN_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired")
MISSING = "boto3 is missing in {python}. Install it there: {python} -m pip install boto3."


class Stored(NamedTuple):
    """An object: its size in bytes, and the server's mark of its content."""

    size: int
    etag: str


def part_size(size: int, least: int = PART) -> int:
    """Return the bytes of each part of a file of *size* bytes."""
    return max(least, -(-size // MOST_PARTS))


@functools.cache
def _descriptions() -> Any:
    """Return what reads the descriptions of AWS's services, and keeps them: they are large."""
    import botocore.loaders

    return botocore.loaders.create_loader()


class Storage:
    """A bucket.

    :param settings: ``cloud`` of the cluster file, or ``reporting.s3``.
    :param place: returns where a key of the settings is, such as ``srtslurm.yaml:7: cloud.bucket``.
    :param secrets: values of references among the settings, ``{reference: value}``.
    """

    def __init__(
        self,
        settings: JsonObject,
        place: Callable[[str], str] = str,
        secrets: Mapping[str, str] | None = None,
        part_size: int = PART,
    ) -> None:
        self.settings, self.place, self.bucket = settings, place, settings["bucket"]
        self.part_size = part_size
        self.deadline: float | None = None  # when to give up, by the monotonic clock
        self._session = self._opened(self._credentials(secrets or {}))
        # What is wrong with the settings is known soon.
        self._probe = self._client(attempts=2)

    @functools.cached_property
    def client(self) -> Any:
        """The client for what takes long."""
        return self._client(attempts=5)

    @property
    def where(self) -> str:
        """The server, for messages."""
        return self.settings.get("endpoint_url") or "AWS"

    def check_time(self) -> None:
        """Raise Error if the time for the work is over."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise Error("The time for it is over. What was sent stays; playbooks/sync.yml sends the rest.")

    def url(self, key: str) -> str:
        """Return the URL of an object."""
        return f"s3://{self.bucket}/{key}"

    def _credentials(self, secrets: Mapping[str, str]) -> JsonObject:
        """Return the credentials among the settings, as options of a session."""
        found: JsonObject = {}
        for key in KEYS:
            value = self.settings.get(key)
            if is_reference(value):
                name = str(value).split(":")[1]
                value = secrets.get(str(value)) or os.environ.get(name)
                if not value:
                    raise Error(f"{self.place(key)}: {name} has no value. Set it in the environment of this playbook.")
            if value:
                found[f"aws_{key}"] = value
        for key in KEYS[:2] if found else ():  # one of the two may be in the file, and the other in the environment
            variable = f"AWS_{key.upper()}"
            if f"aws_{key}" not in found and not os.environ.get(variable):
                raise Error(f"{self.place(key)}: it is missing. Set it, or {variable} in the environment.")
            found.setdefault(f"aws_{key}", os.environ.get(variable))
        return found

    def _opened(self, credentials: JsonObject) -> Any:
        """Return a session with its credentials."""
        try:
            import boto3
            import botocore.exceptions
            import botocore.session
        except ImportError:
            raise Error(MISSING.format(python=sys.executable)) from None
        given = self.settings
        core = botocore.session.Session()
        core.register_component("data_loader", _descriptions())
        options = {"profile_name": given.get("profile") or None, "region_name": given.get("region") or None}
        try:
            session = boto3.session.Session(botocore_session=core, **options, **credentials)
            found = session.get_credentials()
        except botocore.exceptions.ProfileNotFound:
            name = given.get("profile") or os.environ.get("AWS_PROFILE")
            raise Error(
                f"{self.place('profile')}: there is no profile {name} in ~/.aws. Create it (aws configure --profile "
                f"{name}), or name another one."
            ) from None
        except botocore.exceptions.BotoCoreError as error:
            raise Error(f"{self.place('bucket')}: {error}. Fix the credentials of {self.where}.") from None
        if found is None:
            raise Error(self._no_credentials())
        return session

    def _client(self, attempts: int) -> Any:
        import botocore.config
        import botocore.exceptions

        given = self.settings
        style = given.get("path_style")
        style = bool(given.get("endpoint_url")) if style is None else style
        options: JsonObject = {
            "connect_timeout": 10,
            "read_timeout": 60,
            "retries": {"total_max_attempts": attempts, "mode": "standard"},
            "s3": {"addressing_style": "path" if style else "virtual"},
        }
        try:  # checksums that only AWS's own servers know; each request has an MD5
            config = botocore.config.Config(
                request_checksum_calculation="when_required", response_checksum_validation="when_required", **options
            )
        except TypeError:  # an older botocore has none
            config = botocore.config.Config(**options)
        # A server with a name of its own needs no region, but the signature does.
        region = self._session.region_name or ("us-east-1" if given.get("endpoint_url") else None)
        try:
            return self._session.client("s3", endpoint_url=given.get("endpoint_url"), region_name=region, config=config)
        except ValueError as error:
            raise Error(f"{self.place('endpoint_url')}: {error}. Write it as https://HOST.") from None
        except botocore.exceptions.BotoCoreError as error:
            raise Error(f"{self.place('region')}: {error}. Set another one.") from None

    def _no_credentials(self) -> str:
        return (
            f"{self.place('bucket')}: there are no credentials for {self.where}. Set AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY in the environment, or name a profile: {self.place('profile')}."
        )

    @contextlib.contextmanager
    def speaking(self) -> Iterator[None]:
        """Turn an error of the server, or of the way to it, into an Error."""
        from botocore import exceptions

        try:
            yield
        except exceptions.ClientError as error:
            raise Error(self._refusal(error.response)) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            raise Error(self._no_credentials()) from None
        except exceptions.ParamValidationError as error:
            raise Error(f"{self.place('bucket')}: {error}") from None
        except exceptions.SSLError as error:
            raise Error(f"{self.place('endpoint_url')}: {self.where} has no certificate to trust: {error}.") from None
        except (exceptions.BotoCoreError, OSError) as error:
            raise Error(
                f"{self.place('endpoint_url')}: {self.where} does not answer: {error} Check the URL and the network."
            ) from None

    def _refusal(self, response: Json) -> str:
        """Return what an error answer of the server means."""
        about = response.get("Error") or {}
        code, text = str(about.get("Code")), str(about.get("Message") or "")
        status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
        if code == "NoSuchBucket" or code == "404":
            return f"{self.place('bucket')}: {self.where} has no bucket {self.bucket}. Create it, or name another one."
        if code in UNKNOWN_KEYS:
            return (
                f"{self.place('bucket')}: {self.where} does not accept the credentials ({code}). Set others: "
                f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or {self.place('profile')}."
            )
        if status == 403:
            return (
                f"{self.place('bucket')}: {self.where} does not let these credentials use the bucket {self.bucket} "
                f"({code}). Give them the right to list, read and write it, or use others."
            )
        if status == 301 or code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint"):
            return f"{self.place('region')}: the bucket {self.bucket} is in another region ({text}). Set that one."
        return f"{self.place('bucket')}: {self.where} answered {code} {text}".rstrip(". ") + "."

    def listed(self, prefix: str) -> dict[str, Stored]:
        """Return ``{key: Stored}`` of the objects whose keys begin with *prefix*."""
        found: dict[str, Stored] = {}
        with self.speaking():
            for page in self._probe.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for one in page.get("Contents") or ():
                    found[one["Key"]] = Stored(one["Size"], str(one.get("ETag") or "").strip('"'))
        return found

    def look(self, key: str) -> Stored | None:
        """Return the object under *key*, None if there is none: a list may be behind, or leave marks out."""
        from botocore.exceptions import ClientError

        with self.speaking():
            try:
                found = self._probe.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                    return None
                raise
        return Stored(found["ContentLength"], str(found.get("ETag") or "").strip('"'))

    def read_json(self, key: str) -> JsonObject | None:
        """Return the JSON object stored under *key*; None if there is none, or something else."""
        from botocore.exceptions import ClientError

        try:
            with self.speaking():
                try:
                    body = self._probe.get_object(Bucket=self.bucket, Key=key)["Body"].read()
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                        return None
                    raise
            value = json.loads(body)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def write_json(self, key: str, value: JsonObject) -> None:
        """Store *value* under *key*."""
        body = (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
        with self.speaking():
            self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")
