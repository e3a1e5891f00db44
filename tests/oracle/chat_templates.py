"""Hugging Face's chat templates as judge: writes tests/fixtures/model/generate/chat.json.

    python tests/oracle/chat_templates.py --out tests/fixtures/model/generate/chat.json

Needs a Python with transformers 5.23 and jinja2. Each case has a template, messages, options and the prompt that
`render_jinja_template`, which `apply_chat_template` calls, makes of them, or that it refuses. `qwen2` is the template of
the Qwen2 chat models; the others are written for this project in the manner of their namesakes.
"""

import argparse
import datetime
import json
import pathlib

import jinja2
from transformers.utils import chat_template_utils

QWEN2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

LLAMA3 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif message.role == "tool" %}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("After the optional system message, roles must alternate user/assistant") }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported!") }}
    {%- endif %}
{%- endfor %}
"""

THINKING = """{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not (message.content.startswith('<r>') and message.content.endswith('</r>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == "assistant" %}
        {%- set thought = '' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last or (loop.last and thought) %}
            {{- '<|a|>\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content }}
        {%- else %}
            {{- '<|a|>\\n' ~ content }}
        {%- endif %}
    {%- else %}
        {{- '<|' ~ message.role[0] ~ '|>' ~ loop.index ~ '\\n' ~ content.strip() ~ '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|a|>\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

# Blocks on lines of their own, macros, loop controls, printed values, JSON, a `generation` block.
EVERYTHING = """{# how Python prints #}
{% macro line(name, value) -%}
{{ name }}={{ value }};
{% endmacro %}
{% if tools is none %}
no tools
{% endif %}
{{ line('none', none) }}{{ line('true', true) }}{{ line('missing', missing) }}{{ line('list', [1, 'a', 2.5, none, {'k': "it's"}]) }}
{% for message in messages %}
  {% if message.role == 'skip' %}
    {% continue %}
  {% endif %}
  {% if message.role == 'end' %}
    {% break %}
  {% endif %}
  {%- generation -%}
    {{ message | tojson }}
  {% endgeneration %}
{{ message.extra | tojson(indent=2) }}
{{ message.extra | tojson(ensure_ascii=true, separators=(',', ':'), sort_keys=true) }}
{{ message['content'].replace('l', 'L').title() }} {{ message.content | upper }} {{ message.content[:3] }}
{% for key, value in message.extra.items() %}{{ key }}:{{ value }}{{ ", " if not loop.last }}{% endfor %}

{{ message.get('nothing', 'default') }} {{ 'role' in message }} {{ message.content | length }} {{ 7 // 2 }} {{ 7 / 2 }} {{ 2 ** 3 }}
{% endfor %}
{{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %j') }}
   {%+ if true %}kept{% endif %}
"""

EXTRA = {"b": [1, 2.0, 1e16, 1e-5, 0.1, -0.0], "a": {"text": "源 \"q\" <b> & 'x'\n\u2028\x7f\x01😀", "none": None, "no": False}, "c": [], "d": {}}

CHAT = [
    {"role": "user", "content": " Hello there! "},
    {"role": "assistant", "content": "<think>\n greeting \n</think>\n\nHi. 你好"},
    {"role": "user", "content": "<n>What's \"up\"?\n"},
]
SYSTEM = {"role": "system", "content": "Be brief.\n"}


def cases():
    """Name, template, messages, whether to prompt, more names."""
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    for name, template in [("qwen2", QWEN2), ("llama3", LLAMA3), ("mistral", MISTRAL), ("thinking", THINKING)]:
        for prompt in (False, True):
            yield name, template, CHAT, prompt, tokens
            yield name, template, [SYSTEM, *CHAT], prompt, tokens
            yield name, template, CHAT[:2], prompt, tokens
    yield "thinking", THINKING, CHAT, True, {"enable_thinking": False}
    yield "thinking", THINKING, [*CHAT, {"role": "user", "content": "<r>tool</r>"}], True, {}
    yield "llama3", LLAMA3, [*CHAT, {"role": "tool", "content": {"x": [1, "é"]}}], True, {**tokens, "date_string": "1 Jan 1970"}
    yield "mistral", MISTRAL, [CHAT[0], CHAT[0]], False, tokens
    yield "mistral", MISTRAL, [CHAT[0], CHAT[1], {"role": "tool", "content": "x"}], False, tokens
    messages = [
        {"role": "user", "content": "hello wörld", "extra": EXTRA},
        {"role": "skip"},
        {"role": "assistant", "content": "x", "extra": {}},
        {"role": "end"},
        {"role": "user"},
    ]
    yield "everything", EVERYTHING, messages, False, {}


class Clock(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 2, 29, 13, 4, 5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    chat_template_utils.datetime = Clock
    out = []
    for name, template, messages, prompt, extra in cases():
        case = {"name": name, "template": template, "messages": messages, "add_generation_prompt": prompt, "extra": extra}
        try:
            rendered, _ = chat_template_utils.render_jinja_template(
                [messages], chat_template=template, add_generation_prompt=prompt, **extra
            )
            case["prompt"] = rendered[0]
        except jinja2.exceptions.TemplateError as error:
            case["refused"] = str(error)
        out.append(case)
    arguments.out.write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
