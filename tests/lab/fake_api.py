#!/usr/bin/env python3
"""A scripted stand-in for the model's API, on the loopback only. Standard library only.

The newest user text of a request that is one of these decides the reply:

    say:TEXT          TEXT
    hold:NAME         text that streams until /_go/NAME is asked for; /_said/NAME is
                      answered once some of it has been said
    stall:NAME        no word before /_go/NAME is asked for
    question          a text that ends with a question mark
    bash:CMD          a call of Bash, and "done" after its result
    bg:CMD            the same with run_in_background
    write:PATH        a call of Write
    fill:PATH         the same with more than a pipe holds
    ask               a call of AskUserQuestion
    plan              a call of ExitPlanMode; before it one of Write, if plan mode names a file
    task:PROMPT       a call of the subagent tool; the subagent is given PROMPT
    bgtask:PROMPT     the same with run_in_background
    seq:CALLS         calls of tools one after the other, and "done" after the last one's result:
                      CALLS is a JSON list of [NAME, INPUT]
    error:CODE        HTTP CODE

Anything else is answered with "ok". Requests without tools (titles, summaries) never run scripts.
The port is printed as the first line. It ends with its standard input.
"""
import json
import os
import re
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A stream that nobody lets go ends by itself after this many seconds.
HOLD_CAP = 120
# Pause between two words of a stream, in seconds.
PACE = 0.2

SCRIPT = re.compile(r"\s*(?:(say|hold|stall|bash|bg|write|fill|task|bgtask|seq|error):(.*)|(ask|plan|question))\s*", re.S)
PLAN = "# Paint it\n\n1. Open the tin\n"
# Where a version keeps the plan, by its own words.
PLAN_FILE = re.compile(r"/[^\s\"]*/plans/[\w-]+\.md")
LARGE = "".join(f"line {n} of a file that is large\n" for n in range(5000))
LOCK = threading.Lock()
EVENTS = {}


def event(kind, name):
    """`go`: a reply of this name may end; `said`: it has said some words."""
    with LOCK:
        return EVENTS.setdefault((kind, name), threading.Event())


def script(messages):
    """The newest script (its word and argument), and how many tool results came after it."""
    results = 0
    for message in reversed(messages):
        if message.get("role") != "user":
            continue
        content = message.get("content") or []
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for block in reversed(content):
            if block.get("type") == "tool_result":
                results += 1
            found = SCRIPT.fullmatch(block.get("text", "")) if block.get("type") == "text" else None
            if found:
                return found[1] or found[3], (found[2] or "").strip(), results
    return "", "", results


def call(word, argument, tools):
    """The tool that a script calls, with its input."""
    bash = {"command": argument, "description": "lab command"}
    agent = {"description": "lab subagent", "prompt": argument, "subagent_type": "general-purpose"}
    subagent = "Agent" if "Agent" in tools else "Task"
    options = [{"label": "Red", "description": "a warm one"}, {"label": "Blue", "description": "a cold one"}]
    question = {"question": "Which colour do you want?", "header": "Colour", "multiSelect": False, "options": options}
    return {
        "bash": ("Bash", bash),
        "bg": ("Bash", dict(bash, run_in_background=True)),
        "write": ("Write", {"file_path": argument, "content": "lab\n"}),
        "fill": ("Write", {"file_path": argument, "content": LARGE}),
        "writeplan": ("Write", {"file_path": argument, "content": PLAN}),
        "ask": ("AskUserQuestion", {"questions": [question]}),
        "plan": ("ExitPlanMode", {"plan": PLAN}),
        "task": (subagent, agent),
        "bgtask": (subagent, dict(agent, run_in_background=True)),
    }.get(word)


class Reply:
    """Writes one answer, streamed or whole, as the request wants it."""

    def __init__(self, handler, body):
        self.handler = handler
        self.stream = bool(body.get("stream"))
        self.unsent = b""
        usage = {"input_tokens": 12, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        self.message = {
            "id": "msg_" + uuid.uuid4().hex[:24], "type": "message", "role": "assistant",
            "model": body.get("model", "claude-fake"), "content": [], "stop_reason": None,
            "stop_sequence": None, "usage": usage}
        if self.stream:
            handler.send_response(200)
            handler.send_header("content-type", "text/event-stream")
            handler.send_header("connection", "close")
            handler.end_headers()
            self.event("message_start", message=self.message)

    def event(self, kind, **fields):
        if self.stream:
            data = json.dumps(dict(fields, type=kind))
            self.unsent += f"event: {kind}\ndata: {data}\n\n".encode()
            # The end of a call comes in one piece with the end of its message: a CLI that gets the
            # first alone opens its dialog, and writes the call into no file before it is answered.
            if kind not in ("content_block_stop", "message_delta"):
                self.handler.wfile.write(self.unsent)
                self.handler.wfile.flush()
                self.unsent = b""

    def block(self, start, deltas, whole):
        index = len(self.message["content"])
        self.event("content_block_start", index=index, content_block=start)
        for delta in deltas:
            self.event("content_block_delta", index=index, delta=delta)
        self.event("content_block_stop", index=index)
        self.message["content"].append(whole)

    def text(self, words):
        said = []

        def deltas():
            for word in words:
                said.append(word)
                yield {"type": "text_delta", "text": word}

        whole = {"type": "text", "text": ""}
        self.block({"type": "text", "text": ""}, deltas(), whole)
        whole["text"] = "".join(said)

    def tool(self, name, arguments):
        base = {"type": "tool_use", "id": "toolu_" + uuid.uuid4().hex[:24], "name": name}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        self.block(dict(base, input={}), [delta], dict(base, input=arguments))

    def end(self, reason="end_turn"):
        self.message["stop_reason"] = reason
        self.message["usage"]["output_tokens"] = 20
        if self.stream:
            delta = {"stop_reason": reason, "stop_sequence": None}
            self.event("message_delta", delta=delta, usage=self.message["usage"])
            self.event("message_stop")
        else:
            self.handler.json(200, self.message)


def held(name):
    """Words until the reply of this name may end."""
    go, said, deadline = event("go", name), event("said", name), time.monotonic() + HOLD_CAP
    words = 0
    while not go.wait(PACE) and time.monotonic() < deadline:
        yield "streaming "
        words += 1
        if words == 3:
            said.set()
    yield "finished"


def stalled(name):
    """One word once the reply of this name may end."""
    event("go", name).wait(HOLD_CAP)
    yield "finished"


def answer(handler, body):
    tools = {tool.get("name") for tool in body.get("tools", [])}
    word, argument, results = script(body.get("messages", [])) if tools else ("title", "", 0)
    if word == "error":
        error = {"type": "api_error", "message": f"fake {argument}"}
        return handler.json(int(argument), {"type": "error", "error": error})
    plan_file = PLAN_FILE.search(json.dumps([body.get("messages"), body.get("system")]))
    if word == "plan" and plan_file:
        word, argument, results = ("writeplan", plan_file[0], 0) if results == 0 else (word, "", results - 1)
    reply = Reply(handler, body)
    calls = json.loads(argument) if word == "seq" else []
    wanted = calls[results] if results < len(calls) else None
    if results == 0 and not calls:
        wanted = call(word, argument, tools)
    if wanted:
        reply.tool(*wanted)
        return reply.end("tool_use")
    reply.text({
        "title": lambda: [json.dumps({"title": "Lab session", "isNewTopic": True})],
        "say": lambda: [argument],
        "hold": lambda: held(argument),
        "stall": lambda: stalled(argument),
        "question": lambda: ["I found two ways. ", "Which one do you prefer?"],
    }.get(word, lambda: ["done" if results else "ok"])())
    return reply.end()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def json(self, code, value):
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_GET(self):
        _, kind, *name = self.path.split("/")
        if kind == "_go":
            event("go", name[0]).set()
        if kind == "_said":
            event("said", name[0]).wait(HOLD_CAP)
        self.json(200, {"data": [], "ok": True})

    do_HEAD = do_GET

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        if path.endswith("/count_tokens"):
            return self.json(200, {"input_tokens": max(1, len(raw) // 4)})
        if not path.endswith("/v1/messages"):
            return self.json(200, {})
        try:
            body = json.loads(raw or b"{}")
            answer(self, body)
        except (BrokenPipeError, ConnectionResetError):
            body = {}
        self.close_connection = self.close_connection or bool(body.get("stream"))


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
