"""The chat client, against a local server that speaks the protocol (and, where a test says so, breaks it)."""

import gzip
import json
import logging
import socket
import time
from contextlib import suppress

import pytest
from pydantic import ValidationError

from xmas_assets.annotation.chat_endpoint import ChatEndpoint, Prompt, Reply
from xmas_assets.annotation.quality import read_score
from xmas_assets.contracts.annotation import EndpointSettings
from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.messages import describe_invalid
from xmas_assets_tests.annotation.chat_server import KEY, Server, completion


def replies(*texts):
    """Bodies in turn, the last one again and again."""
    return Server(lambda number, body: (200, {}, texts[min(number, len(texts) - 1)]))


def ask(server, read=str, prompts=("hello",), **changes):
    settings = {"model": "judge", "backoff_seconds": 0, "n_attempts": 3, "timeout_seconds": 5, "key_variable": "KEY"}
    endpoint = ChatEndpoint(EndpointSettings(url=server.url, **(settings | changes)), {"KEY": KEY + "\n"})
    return list(endpoint.ask_all(prompts, read))


def test_the_request_is_a_chat_completion_with_the_key_in_its_header():
    with replies(completion("hi")) as server:
        answers = ask(server)
    assert [(answer.value, answer.failure) for answer in answers] == [("hi", "")]
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": "judge",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0,
        "max_tokens": 512,
    }


def test_without_a_key_variable_no_key_is_sent():
    with replies(completion("hi")) as server:
        ask(server, key_variable=None)
    assert "Authorization" not in server.requests[0][1]


def test_answers_come_in_the_order_of_the_prompts_though_several_are_under_way():
    def slow_first(number, body):
        prompt = body["messages"][0]["content"]
        time.sleep(0.1 if prompt == "0" else 0)
        return 200, {}, completion(prompt)

    with Server(slow_first) as server:
        answers = ask(server, prompts=[str(number) for number in range(8)])
    assert [answer.value for answer in answers] == [str(number) for number in range(8)]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_endpoint_is_asked_again(status):
    with Server(lambda number, body: (200, {}, completion("ok")) if number == 2 else (status, {}, "busy")) as server:
        assert ask(server)[0].value == "ok"
    assert len(server.requests) == 3


def test_the_wait_that_the_endpoint_asks_for_is_kept():
    def later(number, body):
        return (200, {}, completion("ok")) if number else (429, {"Retry-After": "1"}, "")

    with Server(later) as server:
        start = time.monotonic()
        assert ask(server)[0].value == "ok"
    assert time.monotonic() - start >= 1


def test_an_endpoint_that_stays_busy_is_given_up_with_a_message():
    with (
        Server(lambda number, body: (503, {}, "")) as server,
        pytest.raises(ModelError, match=r"did not answer in 3 attempts \(too many 503 error responses\)"),
    ):
        ask(server)
    assert len(server.requests) == 3


def test_a_silent_endpoint_times_out():
    with (
        Server(lambda number, body: lambda handler: time.sleep(0.5)) as server,
        pytest.raises(ModelError, match=r"did not answer in 2 attempts .*Read timed out"),
    ):
        ask(server, timeout_seconds=0.1, n_attempts=2)


def test_a_connection_cut_in_the_middle_is_tried_again():
    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"choices"')
        handler.close_connection = True

    with Server(lambda number, body: (200, {}, completion("ok")) if number else cut) as server:
        assert ask(server)[0].value == "ok"
    assert len(server.requests) == 2


def test_nobody_there_is_said_so():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    settings = EndpointSettings(url=f"http://127.0.0.1:{port}/v1", model="judge", n_attempts=2, backoff_seconds=0)
    with pytest.raises(ModelError, match="did not answer in 2 attempts .*refused"):
        list(ChatEndpoint(settings, {}).ask_all(["hello"], str))


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        ("not json", "not a chat completion"),
        ('{"choices": []}', "not a chat completion"),
        ("[1]", "not a chat completion"),
        (completion(""), "holds no text"),
        (completion(None), "holds no text"),
        (completion("I cannot help with that."), "holds no JSON"),
        (completion('{"score": 101}'), "no score from 0 to 100"),
        (completion('{"score": true}'), "no score from 0 to 100"),
    ],
)
def test_a_malformed_answer_is_asked_for_again_and_then_counted_never_made_up(reply, failure):
    with replies(reply) as server:
        [answer] = ask(server, read=read_score)
    assert answer.value is None
    assert failure in answer.failure
    assert len(server.requests) == 3
    with replies(reply, completion('{"score": 7.5}')) as server:
        assert ask(server, read=read_score)[0].value == 7.5


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_the_rest(status):
    """What is under way when the first refusal is seen may still be sent, the twenty prompts are not."""

    def refuse(number, body):
        time.sleep(0.02)
        return status, {}, f"no: {KEY}"

    with (
        Server(refuse) as server,
        pytest.raises(ModelError, match=f"refused the key .HTTP {status}."),
    ):
        ask(server, n_parallel=1, prompts=["hello"] * 20)
    assert len(server.requests) < 5


def test_a_redirect_does_not_carry_the_key_away():
    with replies(completion("stolen")) as other:
        moved = 302, {"Location": f"{other.url}/chat/completions"}, ""
        with Server(lambda number, body: moved) as server, pytest.raises(ModelError, match="answered HTTP 302"):
            ask(server)
    assert other.requests == []


@pytest.mark.parametrize("status", [200, 302, 400, 401, 429, 503])
def test_the_key_is_in_no_log_and_no_message(status, caplog):
    caplog.set_level(logging.DEBUG)
    message = ""
    with Server(lambda number, body: (status, {}, f"you sent {KEY}")) as server:
        try:
            message = repr(ask(server))
        except ModelError as error:
            message = repr(error)
    assert caplog.text
    assert KEY not in caplog.text + message


@pytest.mark.parametrize(
    ("environment", "message"),
    [({}, "is not set"), ({"KEY": " "}, "is not set"), ({"KEY": "sk\r\nX: 1"}, "no key has")],
)
def test_a_missing_or_impossible_key_is_refused_before_anything_is_sent(environment, message):
    settings = EndpointSettings(url="http://127.0.0.1:9/v1", model="judge", key_variable="KEY")
    with pytest.raises(ModelError, match=message) as caught:
        ChatEndpoint(settings, environment)
    assert "sk" not in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://me:secret@host/v1", "https://host/v1?key=secret"])
def test_an_address_that_is_not_http_or_holds_a_secret_is_refused(url):
    with pytest.raises(ValidationError, match="with no key in it") as refused:
        EndpointSettings(url=url, model="judge")
    assert url not in describe_invalid(refused.value)


@pytest.mark.parametrize("key", ["sk-proj-0123", "Bearer x", "", "1A"])
def test_a_key_in_place_of_its_variable_is_refused_and_not_repeated(key):
    with pytest.raises(ValidationError, match="not a key") as refused:
        EndpointSettings(url="http://host/v1", model="judge", key_variable=key)
    assert describe_invalid(refused.value) == "key_variable: give the name of a variable, not a key"


def endless(seconds):
    """A reply of no length given that goes on until the client leaves, a kilobyte each so many seconds."""

    def reply(handler):
        handler.send_response(handler.server.status)
        handler.end_headers()
        handler.close_connection = True
        handler.server.n_sent = 0
        try:
            while handler.server.n_sent < 64 * 2**20:
                handler.wfile.write(b"x" * 1024)
                handler.server.n_sent += 1024
                time.sleep(seconds)
        except OSError:
            pass

    return reply


def served_endlessly(seconds, status):
    server = Server(lambda number, body: endless(seconds))
    server._server.status = status
    return server


@pytest.mark.parametrize("status", [200, 503, 400])
def test_a_huge_reply_is_left_after_its_first_bytes(status):
    with served_endlessly(0, status) as server:
        try:
            [answer] = ask(server, n_attempts=1)
        except ModelError as error:
            assert "503" in str(error) or "400" in str(error)
        else:
            assert (answer.value, answer.failure) == (None, "the reply is longer than 1048576 bytes")
    assert server._server.n_sent < 16 * 2**20


HEAD = b"HTTP/1.1 200 OK\r\n"
TRICKLES = {  # what is sent at once, and then again and again
    "a status line": (b"HTTP/1.1 200 ", b"O"),
    "a header": (HEAD + b"X: ", b"y"),
    "headers": (HEAD, b"X: y\r\n"),
    "heads": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": (HEAD + b"Content-Length: 10000\r\n\r\n", b"x"),
    "a body of no length": (HEAD + b"Connection: close\r\n\r\n", b"x"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "the size of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
}


@pytest.mark.parametrize("what", TRICKLES)
def test_a_reply_that_trickles_anywhere_is_given_up_in_time(what):
    first, again = TRICKLES[what]

    def reply(handler):
        handler.close_connection = True
        with suppress(OSError):
            handler.wfile.write(first)
            for _ in range(500):
                handler.wfile.write(again)
                time.sleep(0.02)

    start = time.monotonic()
    with (
        Server(lambda number, body: reply) as server,
        pytest.raises(ModelError, match=r"did not answer in 1 attempts \(.*its reply takes longer than 0.6 seconds\)"),
    ):
        ask(server, timeout_seconds=0.3, n_attempts=1)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("head", [b"no http\r\n", HEAD + b"no header\r\n\r\n", HEAD + b"X: " + b"y" * 100_000, b""])
def test_a_reply_that_is_no_http_is_one_line(head, capfd):
    def reply(handler):
        handler.close_connection = True
        handler.wfile.write(head)

    with Server(lambda number, body: reply) as server:
        try:
            [answer] = ask(server, n_attempts=1)
        except ModelError as error:
            assert "\n" not in str(error)
        else:
            assert answer.failure == "the reply is not a chat completion"
    assert capfd.readouterr().err == ""


def test_a_reply_packed_to_be_small_is_not_unpacked():
    packed = gzip.compress(completion("x" * 1000).encode())

    def reply(handler):
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(packed)))
        handler.end_headers()
        handler.wfile.write(packed)

    with Server(lambda number, body: reply) as server:
        [answer] = ask(server)
    assert answer.failure == "the reply is not a chat completion"


def test_a_talk_may_ask_as_an_instruction_and_a_temperature_say_and_learns_who_answered():
    def echo(number, body):
        return 200, {}, json.dumps(json.loads(completion("hi")) | {"model": f"judge-{number}"})

    def talk(say, subject):
        return [say(Prompt(subject, instruction="Be brief.", temperature=0.5, max_tokens=3)) for _ in range(2)]

    with Server(echo) as server:
        settings = EndpointSettings(url=server.url, model="judge")
        talks = list(ChatEndpoint(settings, {}).talk_all(["a"], talk))
    assert talks == [[Reply("hi", "judge-0"), Reply("hi", "judge-1")]]
    assert server.requests[0][2] == {
        "model": "judge",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}],
        "temperature": 0.5,
        "max_tokens": 3,
    }
