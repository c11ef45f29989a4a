# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file to object storage: in one request, or in parts, of which those that arrived before a kill are kept."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
from collections.abc import Collection
from typing import BinaryIO

from ..json_types import JsonObject
from .files import Content
from .storage import Storage

TRIES = 3  # of a file that changes while it is read, or whose parts the server has forgotten


class Changed(Exception):
    """The file is no longer what was looked at."""


def etags(content: Content) -> Collection[str]:
    """Return the marks that servers give to an object with *content*: an MD5, of the whole or of the parts' MD5s."""
    joined = hashlib.md5(b"".join(map(bytes.fromhex, content.parts)), usedforsecurity=False).hexdigest()
    return content.md5, f"{joined}-{len(content.parts)}"


def upload(storage: Storage, key: str, stream: BinaryIO, content: Content, part_size: int) -> str:
    """Store the first ``content.size`` bytes of *stream* under *key*; Changed if they are others by now.

    Return the server's mark of the object.
    """
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    if len(content.parts) < 2:
        stream.seek(0)
        data = stream.read(content.size)
        with storage.speaking():
            answer = storage.client.put_object(
                Bucket=storage.bucket, Key=key, Body=data, ContentType=kind, ContentMD5=_checked(data, content.md5)
            )
        return _mark(answer)
    return _InParts(storage, key, kind).send(stream, content, part_size)


def _mark(answer: JsonObject) -> str:
    return str(answer.get("ETag") or "").strip('"')


def _checked(data: bytes, md5: str) -> str:
    """Return the header with the MD5 of *data*; Changed if that is not *md5*."""
    found = hashlib.md5(data, usedforsecurity=False)
    if found.hexdigest() != md5:
        raise Changed
    return base64.b64encode(found.digest()).decode()


class _InParts:
    """A multipart upload of *key*."""

    def __init__(self, storage: Storage, key: str, kind: str) -> None:
        self.storage, self.key, self.kind = storage, key, kind
        self.names = {"Bucket": storage.bucket, "Key": key}

    def send(self, stream: BinaryIO, content: Content, part_size: int) -> str:
        from botocore.exceptions import ClientError

        left = TRIES
        while True:
            left -= 1
            with self.storage.speaking():
                try:
                    return self._send(self._pending() or self._begun(), stream, content, part_size)
                except ClientError as error:  # another sync has completed it, or the server was started anew
                    code = error.response.get("Error", {}).get("Code")
                    if code not in ("NoSuchUpload", "404", "InvalidPart") or not left:
                        raise

    def _pending(self) -> str | None:
        """Return the newest upload that was begun and not completed, None if the server tells of none.

        The others are given up.
        """
        from botocore.exceptions import ClientError

        try:
            answer = self.storage.client.list_multipart_uploads(Bucket=self.storage.bucket, Prefix=self.key)
        except ClientError:  # rclone has no list without an upload, and others may not show it to everybody
            return None
        found = sorted(
            (one for one in answer.get("Uploads") or () if one["Key"] == self.key),
            key=lambda one: (str(one.get("Initiated")), one["UploadId"]),
        )
        for one in found[:-1]:
            self.storage.client.abort_multipart_upload(UploadId=one["UploadId"], **self.names)
        return str(found[-1]["UploadId"]) if found else None

    def _begun(self) -> str:
        return str(self.storage.client.create_multipart_upload(ContentType=self.kind, **self.names)["UploadId"])

    def _send(self, upload_id: str, stream: BinaryIO, content: Content, part_size: int) -> str:
        client, parts = self.storage.client, []
        there = self._there(upload_id)
        if any(seen[1] != md5 for seen, md5 in ((there.get(n), md5) for n, md5 in enumerate(content.parts, 1)) if seen):
            # Of an older content. Not every server replaces a part.
            client.abort_multipart_upload(UploadId=upload_id, **self.names)
            upload_id, there = self._begun(), {}
        for number, md5 in enumerate(content.parts, 1):
            begin = (number - 1) * part_size
            size = min(part_size, content.size - begin)
            etag = f'"{md5}"'
            if there.get(number) != (size, md5):
                self.storage.check_time()
                stream.seek(begin)
                data = stream.read(size)
                etag = client.upload_part(
                    PartNumber=number, UploadId=upload_id, Body=data, ContentMD5=_checked(data, md5), **self.names
                )["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        whole = {"Parts": parts}
        return _mark(client.complete_multipart_upload(UploadId=upload_id, MultipartUpload=whole, **self.names))

    def _there(self, upload_id: str) -> dict[int, tuple[int, str]]:
        """Return ``{number: (size, MD5)}`` of the parts that have arrived."""
        found: dict[int, tuple[int, str]] = {}
        more: JsonObject = {}
        while True:
            answer = self.storage.client.list_parts(UploadId=upload_id, **self.names, **more)
            for one in answer.get("Parts") or ():
                found[one["PartNumber"]] = (one["Size"], one["ETag"].strip('"'))
            after = answer.get("NextPartNumberMarker")
            if not answer.get("IsTruncated") or not after:
                return found
            more = {"PartNumberMarker": int(after)}
