"""A local server that speaks the chat protocol (and, where a test says so, breaks it)."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-test-0123456789"


def completion(text):
    return json.dumps({"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": text}}]})


class Server:
    """Answers request number n as ``script`` says: (status, headers, body), or a function that does as it likes."""

    def __init__(self, script):
        self.requests, self._script, self._lock = [], script, threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    number = len(outer.requests)
                    outer.requests.append((self.path, dict(self.headers), body))
                reply = outer._script(number, body)
                if callable(reply):
                    reply(self)
                    return
                status, headers, text = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
