"""The `openai` package as it is distributed (3.54 was tried), against a running `yuan-data serve` with a chat template.

    openai_client.py http://127.0.0.1:8000/v1 [KEY]

Completions, chats, streams, log-probabilities, echo, errors: each is asked for by the client's own methods, and what it makes of the
answers is checked. Needs openai, nothing else.
"""

import asyncio
import math
import sys

import openai

url, key = sys.argv[1], (sys.argv[2:] or ["none"])[0]
client = openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=60)

models = client.models.list().data
model = models[0].id
assert client.models.retrieve(model).id == model

# Completions.
asked = dict(model=model, prompt="The river", max_tokens=12, temperature=0, seed=1)
whole = client.completions.create(**asked)
assert whole.object == "text_completion" and whole.choices[0].finish_reason in ("length", "stop")
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
streamed = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
assert "".join(part.choices[0].text for part in streamed if part.choices) == whole.choices[0].text
assert streamed[-1].usage == whole.usage and not streamed[-1].choices
many = client.completions.create(**{**asked, "prompt": ["The river", "今天"], "temperature": 1.0}, n=3)
assert [choice.index for choice in many.choices] == list(range(6))

# Log-probabilities of a prompt, and of one more token as lm-eval's local-completions asks for it.
echoed = client.completions.create(**{**asked, "max_tokens": 0}, echo=True, logprobs=2).choices[0]
assert echoed.text == "The river"
columns = echoed.logprobs
assert columns.token_logprobs[0] is None and all(number < 0 for number in columns.token_logprobs[1:])
assert "".join(columns.tokens) == "The river" and columns.text_offset[0] == 0
more = client.completions.create(**{**asked, "max_tokens": 1}, echo=True, logprobs=1).choices[0].logprobs
assert more.token_logprobs[:-1] == columns.token_logprobs
for token, own, top in list(zip(more.tokens, more.token_logprobs, more.top_logprobs))[1:]:
    assert math.isclose(top[token], own) and max(top.values()) >= own
assert max(more.top_logprobs[-1], key=more.top_logprobs[-1].get) == more.tokens[-1]

# Chats.
messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
asked = dict(model=model, messages=messages, max_completion_tokens=10, temperature=0)
chat = client.chat.completions.create(**asked, logprobs=True, top_logprobs=3)
assert chat.choices[0].message.role == "assistant"
told = chat.choices[0].logprobs.content
assert len(told) == chat.usage.completion_tokens and all(len(token.top_logprobs) == 3 for token in told)
assert b"".join(bytes(token.bytes) for token in told).decode(errors="replace") == chat.choices[0].message.content
text = ""
for part in client.chat.completions.create(**asked, stream=True):
    text += part.choices[0].delta.content or ""
assert text == chat.choices[0].message.content and part.choices[0].finish_reason == chat.choices[0].finish_reason
# What this helper returns must have ended by itself: at a character of the text.
end = [letter for letter in text if letter != "\ufffd"][-1]
with client.chat.completions.stream(**asked, stop=[end]) as stream:
    assert stream.get_final_completion().choices[0].message.content == text.split(end)[0]


# Errors are those the package knows.
def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


wrong = refused(openai.BadRequestError, lambda: client.completions.create(model=model, prompt="a", temperature=-1))
assert wrong.param == "temperature" and wrong.type == "invalid_request_error"
refused(openai.NotFoundError, lambda: client.completions.create(model="no such model", prompt="a"))
long = refused(openai.BadRequestError, lambda: client.completions.create(model=model, prompt="word " * 100_000))
assert long.code == "context_length_exceeded"
refused(openai.BadRequestError, lambda: client.chat.completions.create(**asked, tools=[{"type": "function"}]))
if key != "none":
    other = openai.OpenAI(base_url=url, api_key="wrong", max_retries=0)
    refused(openai.AuthenticationError, lambda: other.models.list())


# Many at once, some of which leave.
async def crowd():
    many = openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=120)

    async def one(number):
        stream = await many.completions.create(
            model=model, prompt=f"Number {number}", max_tokens=40, seed=number, stream=True
        )
        parts = []
        async for part in stream:
            parts.append(part.choices[0].text)
            if number % 4 == 0 and len(parts) == 3:
                await stream.close()
                return None
        return "".join(parts)

    texts = await asyncio.gather(*(one(number) for number in range(64)))
    again = await many.completions.create(model=model, prompt="Number 5", max_tokens=40, seed=5)
    assert texts[5] == again.choices[0].text
    await many.close()


asyncio.run(crowd())
print(f"openai {openai.__version__}: all of it")
