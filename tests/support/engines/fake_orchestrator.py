# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for ``trtllm-serve disaggregated --config FILE``: a request goes to a context, then a generation server."""

from __future__ import annotations

import asyncio
import itertools
import sys

import aiohttp
import yaml
from aiohttp import web


def main(path):
    """Serve as the configuration at *path* says."""
    with open(path, encoding="utf-8") as stream:
        config = yaml.safe_load(stream)
    turns = {key: itertools.cycle(config[key]["urls"]) for key in ("context_servers", "generation_servers")}

    async def health(_request):
        async with aiohttp.ClientSession() as session:
            for key in turns:
                for url in config[key]["urls"]:
                    try:
                        async with session.get(f"http://{url}/health") as answer:
                            if answer.status != 200:
                                return web.Response(status=503)
                    except aiohttp.ClientError:
                        return web.Response(status=503)
        return web.Response()

    async def complete(request):
        body = await request.json()
        async with aiohttp.ClientSession() as session:
            first = {**body, "max_tokens": 1, "stream": False}
            async with session.post(f"http://{next(turns['context_servers'])}{request.path}", json=first) as answer:
                await answer.read()
            url = f"http://{next(turns['generation_servers'])}{request.path}"
            async with session.post(url, json=body) as answer:
                back = web.StreamResponse(headers={"Content-Type": answer.content_type})
                await back.prepare(request)
                async for chunk in answer.content.iter_any():
                    await back.write(chunk)
                return back

    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/health", health)
    app.router.add_post("/v1/completions", complete)
    asyncio.set_event_loop(asyncio.new_event_loop())
    web.run_app(app, host=config["hostname"], port=config["port"], access_log=None, print=None)


if __name__ == "__main__":
    main(sys.argv[1])
