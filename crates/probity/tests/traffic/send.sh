#!/bin/sh
# What a ticket holds, as a rule: the line that fails, key and all.
curl -sS "$ANTHROPIC_BASE_URL/v1/messages" \
  -H "x-api-key: sk-ant-api03-probity-canary-key" \
  -H 'anthropic-version: latest' \
  -H 'content-type: application/json' \
  -d '{
    "model": "'"$MODEL"'",
    "max_tokens": -1,
    "messages": [{"role": "user", "content": "My key is sk-ant-api03-probity-canary-key."}]
  }' | jq .

curl --json @question.json https://gateway.example.com/anthropic/v1/messages \
  -H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01'
