#!/usr/bin/env python3
"""A scripted stand-in for OpenAI's Responses API, on the loopback only. Standard library only.

The newest user text of a request that is one of these decides the reply:

    say:TEXT          TEXT
    hold:NAME         text that streams until /_go/NAME is asked for
    esc:CMD           a call of the shell that asks to leave the sandbox, and "done" after its result
    run:CMD           the same without asking
    add:FILE TEXT     a patch that makes a file with this line
    edit:FILE OLD>NEW a patch that replaces a line of it

Anything else is answered with "ok". Requests without tools (titles) never run scripts.
The port is printed as the first line. It ends with its standard input.
"""
import json
import os
import re
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIRECTIVE = re.compile(r"(?:^|\n)\s*((?:say|hold|esc|run|add|edit):[^\n]*)\s*$")
GO, LOCK = {}, threading.Lock()
USAGE = {
    "input_tokens": 120,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 140,
}


def go(name):
    with LOCK:
        return GO.setdefault(name, threading.Event())


def asked(body):
    """What the newest directive asks for, and whether a tool has answered since."""
    answered = False
    for item in reversed(body.get("input") or []):
        if str(item.get("type", "")).endswith("_output"):
            answered = True
        if item.get("type", "message") != "message" or item.get("role") != "user":
            continue
        content = item.get("content")
        if not isinstance(content, str):
            content = "\n".join(part.get("text", "") for part in content)
        found = DIRECTIVE.search(content)
        if found:
            kind, _, argument = found.group(1).strip().partition(":")
            return kind, argument, answered
    return "", "", answered


def patch(kind, argument):
    """The command by which a model patches a file."""
    name, _, text = argument.partition(" ")
    old, _, new = text.partition(">")
    lines = [f"*** Add File: {name}", f"+{text}"]
    if kind == "edit":
        lines = [f"*** Update File: {name}", "@@", f"-{old}", f"+{new}"]
    body = "\n".join(["*** Begin Patch", *lines, "*** End Patch"])
    return f"apply_patch <<'EOF'\n{body}\nEOF"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path.startswith("/_go/"):
            go(self.path[5:]).set()
            return self.answer(200, {})
        if self.path.split("?")[0].endswith("/models"):
            return self.answer(200, {"object": "list", "models": [], "data": []})
        return self.answer(404, {})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self.path.split("?")[0].endswith("/responses"):
            return self.answer(404, {})
        try:
            self.respond(json.loads(raw))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def event(self, kind, **fields):
        data = json.dumps(dict(fields, type=kind))
        self.wfile.write(f"event: {kind}\ndata: {data}\n\n".encode())
        self.wfile.flush()

    def respond(self, body):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        response = {
            "id": "resp_" + uuid.uuid4().hex,
            "object": "response",
            "model": body.get("model"),
            "status": "in_progress",
            "output": [],
        }
        self.event("response.created", response=response)
        kind, argument, answered = asked(body) if body.get("tools") else ("say", "A title", False)
        if kind in ("esc", "run") and not answered:
            item = self.call(argument, kind == "esc")
        elif kind in ("add", "edit") and not answered:
            item = self.call(patch(kind, argument), False)
        else:
            held = argument if kind == "hold" and not answered else None
            text = argument if kind == "say" else "done" if answered else "ok"
            item = self.message(text, held)
        done = dict(response, status="completed", output=[item], usage=USAGE)
        self.event("response.completed", response=done)

    def call(self, command, asks):
        arguments = {"cmd": command}
        if asks:
            arguments["sandbox_permissions"] = "require_escalated"
            arguments["justification"] = "May I run it?"
        item = {
            "type": "function_call",
            "id": "fc_" + uuid.uuid4().hex[:20],
            "call_id": "call_" + uuid.uuid4().hex[:20],
            "name": "exec_command",
            "arguments": json.dumps(arguments),
            "status": "completed",
        }
        self.event("response.output_item.added", output_index=0, item=item)
        self.event("response.output_item.done", output_index=0, item=item)
        return item

    def message(self, text, held):
        item = {
            "type": "message",
            "role": "assistant",
            "id": "msg_" + uuid.uuid4().hex[:20],
            "status": "in_progress",
            "content": [],
        }
        self.event("response.output_item.added", output_index=0, item=item)
        part = {"type": "output_text", "text": ""}
        at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        self.event("response.content_part.added", part=part, **at)
        said = ""
        while held is not None and not go(held).wait(0.2):
            said += "on and on "
            self.event("response.output_text.delta", delta="on and on ", **at)
        self.event("response.output_text.delta", delta=text, **at)
        content = [{"type": "output_text", "text": said + text, "annotations": []}]
        item = dict(item, status="completed", content=content)
        self.event("response.output_item.done", output_index=0, item=item)
        return item


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
