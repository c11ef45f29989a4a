# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small worker that speaks an engine's protocol, without an engine: SGLang's, and enough of the others'.

It takes the real command line and does what depends on it. Ranks meet at ``--dist-init-addr`` and the leader is
healthy once all are there. In prefill/decode mode a prefill worker holds each room open at its bootstrap port, and a
decode worker answers only after it has met its prefill worker there: a wrong port or address is seen at once.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import sys
import time

from aiohttp import web
from tokenizers import Tokenizer


class Engine:
    """One worker process."""

    def __init__(self, options):
        self.options = options
        self.ready = False
        self.rooms = {}
        self.profile = Profile()
        self.tokenizer = Tokenizer.from_file(os.path.join(options.model_path, "tokenizer.json"))
        self.name = options.served_model_name or os.path.basename(options.model_path)

    def room(self, number):
        """Return the future that is done when the prefill part of room *number* is."""
        return self.rooms.setdefault(int(number), asyncio.get_running_loop().create_future())

    # ---- ranks

    async def meet(self):
        """Wait for all ranks; a follower stays until the leader goes."""
        options = self.options
        if options.nnodes > 1:
            host, _colon, port = options.dist_init_addr.rpartition(":")
            if options.node_rank:
                reader, writer = await connect(host, int(port))
                writer.write(f"{options.node_rank}\n".encode())
                print(f"rank {options.node_rank} joined {options.dist_init_addr}", flush=True)
                await reader.read()
                raise SystemExit("the leader is gone")
            joined, everybody = set(), asyncio.Event()

            async def welcome(reader, writer):
                joined.add(int(await reader.readline()))
                if len(joined) == options.nnodes - 1:
                    everybody.set()
                await reader.read()

            await asyncio.start_server(welcome, host, int(port))
            await everybody.wait()
        self.ready = True
        print(f"{self.name} is ready, GPUs {os.environ.get('CUDA_VISIBLE_DEVICES', 'all')}", flush=True)

    # ---- prefill and decode

    async def bootstrap(self, reader, writer):
        """A decode worker asks for a room; answer when its prefill part is done."""
        room = await reader.readline()
        await self.room(room)
        writer.write(b"done\n")
        await writer.drain()
        writer.close()

    async def rendezvous(self, body):
        """Do this worker's part of a request that is split in two."""
        if self.options.disaggregation_mode == "prefill":
            self.room(body["bootstrap_room"]).set_result(True)
        elif self.options.disaggregation_mode == "decode":
            reader, writer = await connect(body["bootstrap_host"], int(body["bootstrap_port"]))
            writer.write(f"{body['bootstrap_room']}\n".encode())
            if await asyncio.wait_for(reader.readline(), 20) != b"done\n":
                raise web.HTTPServiceUnavailable(text="no such room")
            writer.close()

    # ---- HTTP

    async def health(self, _request):
        return web.Response(status=200 if self.ready else 503)

    async def info(self, _request):
        options = self.options
        return web.json_response(
            {
                "model_path": options.model_path,
                "served_model_name": self.name,
                "disaggregation_mode": options.disaggregation_mode,
                "tp_size": 1,
                "dp_size": 1,
            }
        )

    async def models(self, _request):
        return web.json_response({"object": "list", "data": [{"id": self.name, "object": "model"}]})

    async def start_profile(self, request):
        return self.answer(self.profile.start, await request.json())

    async def stop_profile(self, _request):
        return self.answer(self.profile.stop)

    def answer(self, action, *words):
        """As SGLang's server: what goes wrong is an error of the server, and its page says nothing."""
        try:
            action(*words)
            return web.Response()
        except RuntimeError as error:
            print(f"profile: {error}", flush=True)
            return web.Response(status=500, text="Internal Server Error")

    async def complete(self, request):
        body = await request.json()
        await self.rendezvous(body)
        prompt = body.get("prompt") or body.get("text") or body["messages"][-1]["content"]
        count = body.get("max_completion_tokens") or body.get("max_tokens") or 16
        tokens_in = len(prompt) if isinstance(prompt, list) else len(self.tokenizer.encode(prompt).ids)
        usage = {"prompt_tokens": tokens_in, "completion_tokens": count, "total_tokens": tokens_in + count}
        self.profile.step(count)
        print(f"[worker] Decode batch, #running-req: 1, #token: {count}, gen throughput (token/s): 1000.0", flush=True)
        if not body.get("stream"):
            choice = {"index": 0, "text": " x" * count, "finish_reason": "length"}
            return web.json_response({"id": "1", "model": self.name, "choices": [choice], "usage": usage})
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for number in range(count):
            finish = "length" if number == count - 1 else None
            choice = {"index": 0, "text": " x", "finish_reason": finish}
            chunk = {"id": "1", "object": "text_completion", "model": self.name, "choices": [choice]}
            await answer.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        last = {"id": "1", "object": "text_completion", "model": self.name, "choices": [], "usage": usage}
        await answer.write(b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n")
        return answer

    async def serve(self):
        options, app = self.options, web.Application(client_max_size=1 << 26)
        for path in ("/health", "/health_generate"):
            app.router.add_get(path, self.health)
        for path in ("/server_info", "/get_server_info", "/model_info", "/get_model_info"):
            app.router.add_get(path, self.info)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/start_profile", self.start_profile)
        app.router.add_post("/stop_profile", self.stop_profile)
        for path in ("/v1/completions", "/v1/chat/completions", "/generate"):
            app.router.add_post(path, self.complete)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, options.host, options.port).start()
        if options.disaggregation_mode == "prefill":
            await asyncio.start_server(self.bootstrap, "0.0.0.0", options.disaggregation_bootstrap_port)
        await self.meet()
        await asyncio.Event().wait()


class Profile:
    """SGLang's profiler: torch's, which writes a trace, or the switch of the range that nsys captures."""

    def __init__(self):
        self.steps, self.first, self.last, self.body, self.events = 0, None, None, None, []

    def start(self, body):
        print(f"profile {json.dumps(body, sort_keys=True)}", flush=True)
        if os.environ.get("FAKE_PROFILE") == "refuse":
            raise RuntimeError("The test says so.")
        if self.body:
            raise RuntimeError("Profiling is already in progress. Call /stop_profile first.")
        self.body, self.events = body, []
        self.first = max(body.get("start_step") or 0, self.steps)
        self.last = self.first + body["num_steps"] if body.get("num_steps") else None
        tell_nsys(body, "start")

    def step(self, count):
        """Do *count* forward passes."""
        for _pass in range(count):
            self.steps += 1
            if self.body and self.steps > self.first:
                self.events.append({"name": "forward", "ts": time.time()})
            if self.body and self.last and self.steps >= self.last:
                self.stop()

    def stop(self):
        if not self.body:
            raise RuntimeError("Profiling is not in progress. Call /start_profile first.")
        body, self.body = self.body, None
        if not tell_nsys(body, "stop"):
            path = os.path.join(body["output_dir"], f"{time.time()}-TP-0.trace.json.gz")
            with gzip.open(path, "wt") as stream:
                json.dump({"traceEvents": self.events}, stream)


def tell_nsys(body, word):
    """Begin or end the range that nsys captures; return whether it is nsys that profiles."""
    if "CUDA_PROFILER" not in body["activities"]:
        return False
    if "FAKE_NSYS" in os.environ:  # otherwise the engine does not run under it, and nobody captures anything
        with open(os.environ["FAKE_NSYS"], "w") as stream:
            stream.write(word + "\n")
    return True


async def connect(host, port):
    """Return (reader, writer) of a connection to a server that may not be there yet."""
    while True:
        try:
            return await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.05)


def main(argv):
    """Run one worker; options that change nothing here are printed."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model-path", required=True)
    parser.add_argument("--served-model-name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--disaggregation-mode", default="null")
    parser.add_argument("--disaggregation-bootstrap-port", type=int)
    parser.add_argument("--dist-init-addr")
    parser.add_argument("--nnodes", type=int, default=1)
    parser.add_argument("--node-rank", type=int, default=0)
    options, rest = parser.parse_known_args(argv)
    print(f"fake engine on port {options.port}, further options {' '.join(rest)}", flush=True)
    asyncio.run(Engine(options).serve())


if __name__ == "__main__":
    main(sys.argv[1:])
