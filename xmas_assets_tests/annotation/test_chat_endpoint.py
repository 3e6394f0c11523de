"""The chat client, against a local server that speaks the protocol (and, where a test says so, breaks it)."""

import logging
import socket
import time

import pytest

from xmas_assets.annotation.chat_endpoint import ChatEndpoint
from xmas_assets.annotation.quality import read_score
from xmas_assets.contracts.annotation import EndpointSettings
from xmas_assets.contracts.errors import ModelError
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
    with pytest.raises(ValueError, match="String should match pattern"):
        EndpointSettings(url=url, model="judge")
