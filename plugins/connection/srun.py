# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection to the nodes of a Slurm job, through Slurm."""

from __future__ import annotations

DOCUMENTATION = r"""
name: srun
short_description: Run modules on the nodes of a Slurm job, through Slurm
version_added: 0.2.0
author:
  - srt.slurm developers (@srt-slurm)
description:
  - Runs each command as a step of a running job, on one of its nodes. It needs no ssh and no open port, and everything
    runs as the user of the job. C(srun) has to be on the machine where Ansible runs.
  - The inventory plugin P(srt.slurm.slurm#inventory) sets this connection and its options for the nodes of a job.
  - The exit code of a command is exact. If a step could not be started, or ended without an exit code (a lost node, a
    cancelled job), the host is unreachable, and the message says what Slurm knows of the job.
  - A command gets the environment of a login (HOME, USER, LANG, TZ and the like), not all of the controller's. It
    appears on no command line, so neither other users nor Slurm's accounting see it.
  - Slurm ends all processes of a step with it, also those in the background, so C(async) is an error. Limit a task
    by its C(timeout), or by O(command_timeout). Steps of the job are for services (M(srt.slurm.srun_worker)).
notes:
  - Each command is a step and costs slurmctld a request or two. Keep O(pipelining), and limit C(forks) on a busy
    cluster.
  - A password for C(become) works with methods that show the prompt that Ansible gives them (C(sudo)). Slurm passes
    on whole lines, so the prompt of C(su) never arrives; without a password C(su) works.
seealso:
  - plugin: srt.slurm.slurm
    plugin_type: inventory
options:
  node:
    description: Slurm's name of the node. The default is C(ansible_host), or the name of the host in the inventory.
    type: str
    vars:
      - name: ansible_srun_node
  job_id:
    description: The job. It must run, and belong to the user who runs Ansible.
    type: str
    vars:
      - name: ansible_srun_job_id
    env:
      - name: SRT_SLURM_JOB_ID
      - name: SLURM_JOB_ID
    ini:
      - section: srun_connection
        key: job_id
  het_group:
    description: The component of a heterogeneous job that has the node, counted from 0.
    type: str
    vars:
      - name: ansible_srun_het_group
  executable:
    description: The program C(srun), as a name on the PATH or a path.
    type: str
    default: srun
    vars:
      - name: ansible_srun_executable
    env:
      - name: ANSIBLE_SRUN_EXECUTABLE
    ini:
      - section: srun_connection
        key: executable
  srun_options:
    description:
      - Further options of C(srun) by their long names, such as C(mem). V(null) stands for an option without a value.
      - Options that choose the node, or that change what becomes of the output, cannot be set.
    type: dict
    default: {}
    vars:
      - name: ansible_srun_options
  path:
    description: The PATH of commands. The C(environment) of a task sets another one for it.
    type: str
    default: /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    vars:
      - name: ansible_srun_path
    env:
      - name: ANSIBLE_SRUN_PATH
    ini:
      - section: srun_connection
        key: path
  begin_timeout:
    description:
      - Seconds for a command to begin on its node, and for C(become) to let it through after that. What slurmctld
        refuses for the moment is tried again until then.
      - The time to import an image is part of it.
    type: float
    default: 60
    vars:
      - name: ansible_srun_begin_timeout
    env:
      - name: ANSIBLE_SRUN_BEGIN_TIMEOUT
    ini:
      - section: srun_connection
        key: begin_timeout
  command_timeout:
    description: Seconds for a command, after which it is ended; V(0) means no limit.
    type: float
    default: 0
    vars:
      - name: ansible_srun_command_timeout
    env:
      - name: ANSIBLE_SRUN_COMMAND_TIMEOUT
    ini:
      - section: srun_connection
        key: command_timeout
  container_image:
    description:
      - An image in which commands run, as pyxis or apptainer names it. By default they run on the node itself.
      - Modules need Python in the image. Without it, only M(ansible.builtin.raw) works.
    type: str
    vars:
      - name: ansible_srun_container_image
  container_runtime:
    description: What runs the container.
    type: str
    choices: [pyxis, apptainer]
    default: pyxis
    vars:
      - name: ansible_srun_container_runtime
  container_name:
    description:
      - The name of a container of pyxis, which stays on the node, so that the next command finds its files.
      - Without a name each command gets a new container. Then files can only be copied into mounted folders.
    type: str
    vars:
      - name: ansible_srun_container_name
  container_mounts:
    description: Folders that the container sees, as C(SOURCE:DESTINATION).
    type: list
    elements: str
    default: []
    vars:
      - name: ansible_srun_container_mounts
  shared_paths:
    description:
      - Folders that the controller and the nodes see under the same path. Files below them are copied here, without a
        step. All others travel through C(srun).
      - Do not name a folder whose new files the nodes see late.
    type: list
    elements: path
    default: []
    vars:
      - name: ansible_srun_shared_paths
    env:
      - name: ANSIBLE_SRUN_SHARED_PATHS
    ini:
      - section: srun_connection
        key: shared_paths
  pipelining:
    description: Send a module through the standard input of one step; otherwise it takes four or more.
    type: boolean
    default: true
    vars:
      - name: ansible_pipelining
      - name: ansible_srun_pipelining
    env:
      - name: ANSIBLE_SRUN_PIPELINING
    ini:
      - section: srun_connection
        key: pipelining
"""

EXAMPLES = r"""
# An inventory of any allocation of yours:
#
# job:
#   hosts:
#     node[001:004]:
#   vars:
#     ansible_connection: srt.slurm.srun
#     ansible_srun_job_id: 4711
#
# With the inventory plugin srt.slurm.slurm:
#
#   ansible -i inventories/job srt_nodes -m ansible.builtin.setup
#   ansible -i inventories/job srt_decode -m ansible.builtin.command -a nvidia-smi
"""

import os
import re
import secrets
import shutil
import time

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_bytes
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.srt.slurm.plugins.module_utils import run_options
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder.slurm_calls import NOT_YET_FREE, UNANSWERED
from ansible_collections.srt.slurm.plugins.module_utils.secrets.redaction import redact_argv, redact_command
from ansible_collections.srt.slurm.plugins.module_utils.slurm import remote_command
from ansible_collections.srt.slurm.plugins.plugin_utils import srun_client, srun_files
from ansible_collections.srt.slurm.plugins.plugin_utils.srun_reasons import reason

display = Display()
NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
AGAIN_S = 1.0  # before a step that slurmctld refused for the moment is tried again
NO_ASYNC = (
    "async does not work with the connection srt.slurm.srun: Slurm ends processes in the background with their step. "
    "Leave async out, and limit the task by its timeout."
)


class Connection(ConnectionBase):
    """Each command is a step of its own."""

    transport = "srt.slurm.srun"
    has_pipelining = True
    _client = None

    def _connect(self):
        """Check the options; there is nothing to connect to."""
        if not self._connected:
            self._place()
            self._connected = True
        return self

    def _place(self):
        node = str(self.get_option("node") or self._play_context.remote_addr)
        if not NODE.fullmatch(node):
            raise AnsibleError(f"ansible_srun_node: {node!r} is not the name of one node. Set Slurm's name of it.")
        job_id = self.get_option("job_id")
        if not job_id:
            raise AnsibleError(
                f"Set ansible_srun_job_id of {node}, or use an inventory of the plugin srt.slurm.slurm, which does."
            )
        try:
            job_id = run_options.job_id(job_id)
        except run_options.Unusable as error:
            raise AnsibleError(f"ansible_srun_job_id {error.problem} {error.remedy}") from None
        return remote_command.Place(
            job_id=job_id,
            node=node,
            het_group=str(self.get_option("het_group") or ""),
            image=self.get_option("container_image") or "",
            runtime=self.get_option("container_runtime"),
            container_name=self.get_option("container_name") or "",
            mounts=self.get_option("container_mounts"),
            options=self.get_option("srun_options"),
        )

    def exec_command(self, cmd, in_data=None, sudoable=True):
        """Run a shell command; return its exit code and both outputs as bytes."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if "AnsiballZ_async_wrapper" in cmd:
            raise AnsibleError(NO_ASYNC)
        become = self.become if sudoable else None
        prompt = become.prompt if become is not None else None
        if prompt and isinstance(prompt, str):
            cmd = cmd.replace(prompt, f"{prompt}\n")  # Slurm passes on whole lines
        escalation = srun_client.Escalation(become)
        heard, output = self._run(cmd, b"" if in_data is None and prompt else in_data, escalation=escalation)
        return (heard.code, *escalation.without_traces(output, heard.errors))

    def put_file(self, in_path, out_path):
        """Copy a file of the controller to the node."""
        super().put_file(in_path, out_path)
        self._log(f"PUT {in_path} TO {out_path}")
        if not os.path.isfile(to_bytes(in_path)):
            raise AnsibleFileNotFound(f"There is no file {in_path} to copy.")
        if srun_files.is_shared(out_path, self.get_option("shared_paths")):
            srun_files.copy_here(in_path, out_path)
            return
        with open(to_bytes(in_path), "rb") as source:
            heard, output = self._run(srun_files.put_command(out_path), source)
            srun_files.check_put(heard, output, os.fstat(source.fileno()).st_size, in_path, out_path)

    def fetch_file(self, in_path, out_path):
        """Copy a file of the node to the controller."""
        super().fetch_file(in_path, out_path)
        self._log(f"FETCH {in_path} TO {out_path}")
        if srun_files.is_shared(in_path, self.get_option("shared_paths")):
            srun_files.copy_here(in_path, out_path)
            return
        with srun_files.Fetched(in_path, out_path) as fetched:
            heard, _output = self._run(srun_files.fetch_command(in_path), None, sink=fetched.write)
            fetched.check(heard)

    def reset(self):
        """End the command that runs, if there is one: nothing else outlives a command."""
        self.close()

    def close(self):
        """End the command that runs, if there is one."""
        if self._client is not None:
            self._client.end()
        self._client, self._connected = None, False

    def _run(self, command, source, sink=None, escalation=None):
        """Run *command*; return what was heard, with its exit code, and its standard output.

        AnsibleConnectionFailure if it did not run to its end.
        """
        place = self._place()
        until = time.monotonic() + self.get_option("begin_timeout")
        while True:
            try:
                begin_s = max(until - time.monotonic(), AGAIN_S)
                heard, code, output = self._try(place, command, source, sink, escalation, begin_s)
            except srun_client.TooLong as error:
                raise AnsibleConnectionFailure(reason(place, error.msg)) from None
            except Error as error:
                raise AnsibleError(error.msg) from None
            if heard.code is not None:
                return heard, output
            passing = not heard.begun and (UNANSWERED.search(heard.said) or NOT_YET_FREE.search(heard.said))
            if not passing or time.monotonic() + AGAIN_S > until:
                what = "ended without an exit code" if heard.begun else "could not be started"
                said = heard.said or f"srun ended with {code} and said nothing"
                raise AnsibleConnectionFailure(reason(place, f"The command {what}: {said}"))
            time.sleep(AGAIN_S)
            if hasattr(source, "seek"):
                source.seek(0)

    def _try(self, place, command, source, sink, escalation, begin_s):
        word = secrets.token_hex(8)
        name, mark = f"ansible_{word}", f"srt-{word}"
        program = shutil.which(self.get_option("executable"))
        if not program:
            executable = self.get_option("executable")
            raise Error(f"{executable} is not on this machine's PATH. Run Ansible where Slurm's commands are.")
        argv = remote_command.argv(place, program, name, reads=source is not None)
        self._log(f"EXEC {' '.join(redact_argv(argv[: argv.index('/bin/sh')]))} -- {redact_command(command)}")
        env = remote_command.environment(command, mark, self.get_option("path"))
        self._client = srun_client.Client(argv, env, place.job_id, name, mark, source, sink, escalation)
        try:
            heard, code = self._client.talk(begin_s, self.get_option("command_timeout"))
            return heard, code, bytes(self._client.output)
        finally:
            self._client = None

    def _log(self, text):
        """Show what is done, with -vvv; secrets are not."""
        shown = "(a task with no_log)" if self._play_context.no_log else text
        display.vvv(shown, host=self._play_context.remote_addr)
