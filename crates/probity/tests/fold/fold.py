"""Lets the installed SDK put streams together: one stream in (a JSON line on standard input), one line out.

The bytes of a stream travel as text, a character each. They are handed to the SDK in place of an answer from the
network, of which there is none.
"""

import json
import sys

import anthropic
import httpx2

KEY = "sk-ant-api03-probity-test-key"


def main():
    for line in sys.stdin:
        stream = json.loads(line)
        try:
            line = {"name": stream["name"], "message": fold(stream["body"].encode("latin-1"))}
        except Exception as error:
            line = {"name": stream["name"], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(line), flush=True)


def fold(body):
    def answer(_request):
        return httpx2.Response(200, headers={"content-type": "text/event-stream; charset=utf-8"}, content=body)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        client = anthropic.Anthropic(api_key=KEY, http_client=http, max_retries=0)
        ask = [{"role": "user", "content": "Hello."}]
        with client.messages.stream(model="claude-haiku-5-5", max_tokens=1024, messages=ask) as stream:
            return stream.get_final_message().to_dict(mode="json")


main()
