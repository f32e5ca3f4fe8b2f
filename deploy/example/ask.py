"""Asks one question through zgproxy and prints the answer as it arrives. Standard library only."""

import json
import os
import sys
import urllib.request

base = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:3000/v1")
key = os.environ.get("OPENAI_API_KEY", "")
if "OPENAI_API_KEY_FILE" in os.environ:
    with open(os.environ["OPENAI_API_KEY_FILE"], encoding="utf-8") as f:
        key = f.readline().strip()


def call(path, body=None):
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = "Bearer " + key
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(base + path, data=data, headers=headers))


def main():
    model = os.environ.get("MODEL")
    if not model:
        with call("/models") as reply:
            models = json.load(reply)["data"]
        if not models:
            sys.exit("no model is offered by the providers you allow")
        model = models[0]["id"]
    question = " ".join(sys.argv[1:]) or "Say hello."
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": question}]}
    with call("/chat/completions", body) as reply:
        for line in reply:
            if not line.startswith(b"data: ") or line.strip() == b"data: [DONE]":
                continue
            for choice in json.loads(line[6:]).get("choices", []):
                print(choice.get("delta", {}).get("content") or "", end="", flush=True)
    print()


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as err:
        sys.exit(f"{err.code}: {err.read().decode(errors='replace')}")
