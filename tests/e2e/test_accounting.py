# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Slurm that keeps accounts (slurmdbd, MariaDB): what setup.yml proposes, and what doctor.yml says of accounts."""

from __future__ import annotations

import getpass
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
import yaml
from cluster import Cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
PORT = 33306
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
DBD = """\
AuthType=auth/munge
AuthInfo=socket={munge}
DbdHost=login
DbdPort=16819
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={port}
StorageUser=slurm
StoragePass=x
StorageLoc=slurm_acct_db
"""
CONF = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=login
AccountingStoragePort=16819
AccountingStoragePass={munge}
AccountingStorageEnforce=associations
"""


def wait_for(condition, what, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


class Accounting:
    """A sandbox with a database of accounts in its login node."""

    def __init__(self, folder):
        self.cluster, self.folder = Cluster(folder, 2), folder / "accounts"
        self.folder.mkdir()
        self.short = pathlib.Path(tempfile.mkdtemp(prefix="srt-db-"))  # a path of a socket may have 107 characters
        self.processes = []
        conf = pathlib.Path(self.cluster.dir, "etc", "slurm.conf")
        self.munge = next(line for line in conf.read_text().splitlines() if line.startswith("AuthInfo=")).split("=", 2)[
            2
        ]
        self.database()
        self.start("slurmdbd", "-D", env={"SLURM_CONF": str(self.dbd_conf())})
        wait_for(lambda: self.sacctmgr("show", "cluster").returncode == 0, "slurmdbd")
        for words in (("cluster", "sandbox"), ("account", "research"), ("account", "teaching")):
            assert self.sacctmgr("add", *words).returncode == 0
        self.sandbox("slurmctld", "stop")
        conf.write_text(conf.read_text() + CONF.format(munge=self.munge))
        self.sandbox("slurmctld", "start")

    def sandbox(self, *words):
        subprocess.run([ROOT / "bin" / "sandbox", *words, "--dir", self.cluster.dir], check=True)

    def start(self, *argv, env=None):
        """Start a daemon in the login node, where it stays until the sandbox ends."""
        line = [
            *self.cluster.prefix(),
            "env",
            f"PATH={PATH}",
            *(f"{key}={value}" for key, value in (env or {}).items()),
        ]
        with open(self.folder / f"{argv[0]}.out", "w", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen([*line, *argv], stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def database(self):
        """Start MariaDB as the user that runs the test, or as its own if that is root."""
        user, data, socket = getpass.getuser(), self.short / "data", self.short / "my.sock"
        if user == "root":
            user = "mysql"
            shutil.chown(self.short, user)
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--user={user}", f"--datadir={data}", "--skip-test-db",
             "--auth-root-authentication-method=normal"], check=True, capture_output=True,
        )  # fmt: skip
        self.start("mariadbd", "--no-defaults", f"--user={user}", f"--datadir={data}", f"--socket={socket}",
                   f"--port={PORT}", "--bind-address=127.0.0.1", f"--pid-file={self.short}/my.pid",
                   "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0")  # fmt: skip

        def sql(text):
            argv = ["mariadb", "--no-defaults", "-S", str(socket), "-u", "root", "-e", text]
            return subprocess.run(argv, capture_output=True, check=False).returncode

        wait_for(lambda: sql("select 1") == 0, "MariaDB")
        assert sql("create user slurm@'127.0.0.1' identified by 'x'; grant all on slurm_acct_db.* to "
                   "slurm@'127.0.0.1';") == 0  # fmt: skip

    def dbd_conf(self):
        """Write slurmdbd.conf beside a slurm.conf, where slurmdbd looks for it; return the path of the latter."""
        conf = pathlib.Path(self.cluster.dir, "etc", "slurm.conf")
        path = self.folder / "slurm.conf"
        path.write_text(conf.read_text() + CONF.format(munge=self.munge))
        dbd = self.folder / "slurmdbd.conf"
        dbd.write_text(DBD.format(munge=self.munge, user=getpass.getuser(), folder=self.folder, port=PORT))
        dbd.chmod(0o600)
        return path

    def sacctmgr(self, *words):
        argv = [
            *self.cluster.prefix(),
            "env",
            f"SLURM_CONF={self.folder / 'slurm.conf'}",
            "timeout",
            "20",
            "sacctmgr",
            "-i",
        ]
        return subprocess.run([*argv, *words], capture_output=True, text=True, check=False)

    def close(self):
        self.cluster.close()
        for one in self.processes:
            one.terminate()
            one.wait()
        shutil.rmtree(self.short, ignore_errors=True)


@pytest.fixture(scope="module")
def accounting(tmp_path_factory):
    started = Accounting(tmp_path_factory.mktemp("accounting"))
    yield started
    started.close()


def play(accounting, name, folder, *args):
    argv = [*accounting.cluster.prefix(), "env", "-u", "SRTSLURM_CONFIG", "ansible-playbook", f"playbooks/{name}.yml",
            "-e", f"cluster_file={folder}/srtslurm.yaml", "-e", f"shared_dir={folder}", *args]  # fmt: skip
    return accounting.cluster.play(argv)


@pytest.mark.slow
def test_the_account_is_proposed_from_the_accounts_of_the_user(accounting):
    me, folder = getpass.getuser(), accounting.folder
    played = play(accounting, "setup", folder / "none", "--tags", "cluster", "-e", "setup_ask_node=false")
    assert played.rc == 0, played.text
    # slurmdbd knows root from the beginning.
    written = yaml.safe_load((folder / "none" / "srtslurm.yaml").read_text())
    assert written.get("default_account") == ("root" if me == "root" else None)
    assert "accounting: accounting_storage/slurmdbd" in played.text

    assert accounting.sacctmgr("add", "user", me, "account=research").returncode == 0
    assert accounting.sacctmgr("add", "user", me, "account=teaching").returncode == 0
    assert accounting.sacctmgr("modify", "user", me, "set", "defaultaccount=teaching").returncode == 0
    played = play(accounting, "setup", folder / "some")
    assert played.rc == 0, played.text
    written = yaml.safe_load((folder / "some" / "srtslurm.yaml").read_text())
    assert written["default_account"] == "teaching" and written["use_gpus_per_node_directive"] is True
    played = play(accounting, "doctor", folder / "some")
    assert played.rc == 0 and "ok   account      teaching" in played.text, played.text

    path = folder / "some" / "srtslurm.yaml"
    path.write_text(path.read_text().replace("default_account: teaching", "default_account: teachin"))
    played = play(accounting, "doctor", folder / "some")
    assert (
        played.rc == 2
        and "BAD  account      account is teachin" in played.text
        and "Did you mean teaching?" in played.text
    )
