"""A client of the Messages API as somebody might have written it: it knows an error by its status, and takes the end of
a stream for the end of the answer."""

import json
import urllib.error
import urllib.request

__version__ = "1.0"


class AcmeError(Exception):
    def __init__(self, message, status=None, type=None, request_id=None):
        super().__init__(message)
        self.status, self.type, self.request_id = status, type, request_id


class Client:
    def __init__(self, base_url, api_key, timeout, max_retries):
        self.base_url, self.api_key, self.timeout = base_url, api_key, timeout

    def ask(self, prompt):
        """The whole answer: its text and its stop reason."""
        with self._post(prompt) as reply:
            message = json.load(reply)
        return "".join(block["text"] for block in message["content"]), message["stop_reason"]

    def stream(self, prompt):
        """The text, piece by piece."""
        with self._post(prompt, stream=True) as reply:
            for line in reply:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:]).get("delta", {}).get("text", "")

    def _post(self, prompt, **more):
        messages = [{"role": "user", "content": prompt}]
        body = {"model": "claude-sonnet-5-5", "max_tokens": 64, "messages": messages, **more}
        headers = {
            "anthropic-version": "2026-10-21",
            "content-type": "application/json",
            "x-api-key": self.api_key,
        }
        request = urllib.request.Request(f"{self.base_url}/v1/messages", json.dumps(body).encode(), headers)
        try:
            return urllib.request.urlopen(request, timeout=self.timeout)
        except urllib.error.HTTPError as refused:
            error = json.load(refused)["error"]
            request_id = refused.headers["request-id"]
            raise AcmeError(error["message"], refused.code, error["type"], request_id) from refused
