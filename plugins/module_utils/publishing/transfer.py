# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One directory to object storage: only what changed goes, and what was sent before a kill is not sent again.

What is there is known from the list of objects, and from a manifest beside them: the size and the SHA-256 of each file,
and the server's mark of the object. Nothing is ever deleted there.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import BinaryIO, NamedTuple

from ..failures import Error
from ..files import digest
from ..json_types import JsonObject
from . import archive, files
from .files import MANIFEST, Choice, Content, LocalFile
from .storage import Storage, Stored, part_size
from .upload import TRIES, Changed, etags, upload

LONGEST_KEY = 1024  # bytes
AT_ONCE = 4  # files
SAVED_EVERY_S = 20.0  # the manifest, so that the next sync need not rely on the server's marks


class Folder(NamedTuple):
    """A directory that is copied.

    :ivar path: the directory.
    :ivar key: what the keys of its objects begin with, without the slash at the end.
    :ivar identity: what tells it from another one with this key; job ids repeat.
    :ivar finished: whether nothing in it will change any more.
    """

    path: str
    key: str
    identity: JsonObject
    finished: bool


class Sent(NamedTuple):
    """What a sync did, or would do: names of files, with their bytes, and of those that were kept back with the reason.

    ``key`` is what the objects begin with, or that of the archive.
    """

    key: str
    new: dict[str, int]
    changed: dict[str, int]
    same: int
    kept_back: dict[str, str]


class Sync:
    """Copies *folder* to *storage*.

    :param secrets: values that must not leave.
    :param deadline: when to give up, by the monotonic clock.
    """

    def __init__(
        self,
        storage: Storage,
        folder: Folder,
        choice: Choice,
        secrets: Collection[str] = (),
        deadline: float | None = None,
    ) -> None:
        self.storage, self.folder, self.choice = storage, folder, choice
        storage.deadline = deadline
        self.secrets = [value.encode() for value in secrets]
        self.key = folder.key
        self.manifest: JsonObject = {}
        self.there: dict[str, Stored] = {}
        self.sent = Sent(self.key, {}, {}, 0, {})
        self._lock, self._saved_at = threading.Lock(), time.monotonic()
        self._known: dict[str, JsonObject] = {}  # the objects that have been looked at, for the manifest

    def run(self, dry: bool = False, as_archive: bool = False) -> Sent:
        """Copy what is new or has changed; with *dry* nothing. Error if it cannot, after what could be done."""
        self._look()
        self.sent = Sent(self.key, {}, {}, 0, {})
        found = files.chosen(self.folder.path, self.choice, self.sent.kept_back)
        if as_archive:
            return self._archive(found, dry)
        before = digest(self.manifest)
        try:
            self._all(found, dry)
        finally:
            if not dry:
                with contextlib.suppress(Error):  # the files are there, and the first error counts
                    self._store_manifest(before)
        return self.sent

    # ---- what is there ----

    def _look(self) -> None:
        """Learn what is there. Another run with this key, of another cluster for example, is left alone."""
        for key in (self.folder.key, f"{self.folder.key}-{digest(self.folder.identity)[:8]}"):
            self.key, self.there = key, self.storage.listed(f"{key}/")
            self.manifest = self.storage.read_json(f"{key}/{MANIFEST}") or {}
            if self.manifest.get("run", self.folder.identity) == self.folder.identity:
                break
        known = self.manifest.get("files")
        self.manifest = {
            "schema_version": 1,
            "run": self.folder.identity,
            "finished": self.manifest.get("finished"),
            "archive": self.manifest.get("archive"),
            "files": known if isinstance(known, dict) else {},
        }

    def _object(self, key: str, name: str, content: Content) -> Stored | None:
        """Return the object of *name*; a list may be behind, so one that should have *content* is looked at alone."""
        stored, known = self.there.get(key), self.manifest["files"].get(name)
        believed = isinstance(known, dict) and known.get("sha256") == content.sha256
        if not believed and not (stored and stored.size == content.size):
            return stored
        return stored if stored and self._is_there(name, stored, content) else self.storage.look(key)

    def _is_there(self, name: str, stored: Stored, content: Content) -> bool:
        """Return whether the object *stored*, that of *name*, has *content*."""
        if stored.size != content.size:
            return False
        if stored.etag in etags(content):
            return True
        known = self.manifest["files"].get(name)
        is_ours = isinstance(known, dict) and known.get("etag") == stored.etag
        return bool(is_ours and known.get("sha256") == content.sha256 and known.get("size") == content.size)

    # ---- files ----

    def _all(self, found: list[LocalFile], dry: bool) -> None:
        """Handle all files, some at once. The first error ends it; what goes at that moment is completed."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            waiting: set[Future[None]] = set()
            try:
                begun: set[str] = set()
                for one in found:
                    folder = one.name.rpartition("/")[0]
                    if folder in begun:
                        waiting.add(pool.submit(self._one, one, dry))
                    else:  # a server with real directories makes each of them once
                        self._one(one, dry)
                        begun.add(folder)
                done, _left = wait(waiting, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            finally:
                for future in waiting:
                    future.cancel()

    def _one(self, file: LocalFile, dry: bool) -> None:
        key = f"{self.key}/{file.name}"
        unfit = _unfit(key)
        if unfit:
            self._keep_back(file.name, unfit)
            return
        for attempt in range(TRIES):
            self.storage.check_time()
            try:
                with files.opened(file) as stream:
                    size = part_size(_size(stream), self.storage.part_size)
                    content = files.content(stream, size, self.secrets)
                    stored = self._object(key, file.name, content)
                    if stored and self._is_there(file.name, stored, content):
                        self._note(file.name, content, stored.etag, None)
                        return
                    mark = "" if dry else upload(self.storage, key, stream, content, size)
                self._note(file.name, content, mark, "changed" if stored else "new")
                return
            except Changed:
                if attempt == TRIES - 1:
                    self._keep_back(file.name, "it changed all the time")
            except files.Exposing:
                self._keep_back(file.name, "it holds the value of a secret")
                return
            except OSError as error:
                self._keep_back(file.name, f"it cannot be read: {error.strerror or error}")
                return

    def _note(self, name: str, content: Content, mark: str, how: str | None) -> None:
        with self._lock:
            if how is None:
                self.sent = self.sent._replace(same=self.sent.same + 1)
            else:
                (self.sent.new if how == "new" else self.sent.changed)[name] = content.size
            if mark:
                self._known[name] = {"size": content.size, "sha256": content.sha256, "etag": mark}
            due = how is not None and time.monotonic() - self._saved_at > SAVED_EVERY_S
            if due:
                self._saved_at = time.monotonic()
        if due:
            self._store_manifest("")

    def _keep_back(self, name: str, why: str) -> None:
        with self._lock:
            self.sent.kept_back[name] = why

    def _store_manifest(self, before: str) -> None:
        """Store what is known of the objects, unless that is what was known *before* (the digest of a manifest)."""
        with self._lock:
            files_now = {**self.manifest["files"], **self._known}
        manifest = {**self.manifest, "files": files_now, "finished": self.folder.finished}
        if digest(manifest) != before:
            self.storage.write_json(f"{self.key}/{MANIFEST}", manifest)

    # ---- one archive ----

    def _archive(self, found: list[LocalFile], dry: bool) -> Sent:
        """Send one archive with all files, if it is not there with just these."""
        contents: dict[str, Content] = {}
        kept_back = self.sent.kept_back
        for file in found:
            try:
                with files.opened(file) as stream:
                    contents[file.name] = files.content(stream, self.storage.part_size, self.secrets)
            except files.Exposing:
                kept_back[file.name] = "it holds the value of a secret"
            except OSError as error:
                kept_back[file.name] = f"it cannot be read: {error.strerror or error}"
        key = f"{self.key}{archive.suffix()}"
        mark = digest({name: one.sha256 for name, one in contents.items()})
        stored, known = self.storage.listed(key).get(key), self.manifest["archive"]
        if stored and known == {"key": key, "content": mark, "etag": stored.etag}:
            return Sent(key, {}, {}, len(contents), kept_back)
        sizes = {name: one.size for name, one in contents.items()}
        if not dry:
            with archive.packed([file for file in found if file.name in contents], contents, kept_back) as stream:
                size = part_size(_size(stream), self.storage.part_size)
                upload(self.storage, key, stream, files.content(stream, size), size)
            stored = self.storage.listed(key).get(key)
            if not kept_back.keys() & contents.keys():
                self.manifest["archive"] = {"key": key, "content": mark, "etag": stored.etag if stored else None}
            self.manifest["finished"] = self.folder.finished
            self.storage.write_json(f"{self.key}/{MANIFEST}", self.manifest)
        return Sent(key, {} if stored and known else sizes, sizes if stored and known else {}, 0, kept_back)


def _unfit(key: str) -> str | None:
    """Return why *key* cannot be that of an object; None if it can."""
    try:
        return None if len(key.encode()) <= LONGEST_KEY else f"its path has more than {LONGEST_KEY} bytes"
    except UnicodeEncodeError:
        return "its name is not UTF-8"


def _size(stream: BinaryIO) -> int:
    return stream.seek(0, 2)
