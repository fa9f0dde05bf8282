import tracemalloc

import pytest

from analysis.errors import PromptError
from analysis.prompts import Prompt, render, sandbox

TURNS = [{"speaker": "agent", "text": "Hi."}, {"speaker": "customer", "text": "Hello."}]
TRANSCRIPT = 'Anna Maier said: it\'s "code" 4711. ' * 300
CALL = {"call_id": "c1", "transcript": TRANSCRIPT, "turns": TURNS, "seconds": 61.5, "n": 5, "raw": b"\xff"}


def write(template, call=CALL):
    return render(Prompt(name="short", model_id="m", template=template), call)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% for t in turns %}{{ t.speaker|title }}: {{ t.text }}{{ ' ' if not loop.last }}{% endfor %}", "Agent: Hi. "
         "Customer: Hello."),
        ("{{ turns|map(attribute='text')|join(' ') }}", "Hi. Hello."),
        ("{{ ' '.join(turns|map(attribute='text')) }}", "Hi. Hello."),
        ("{{ turns|join('|', attribute='text') }}", "Hi.|Hello."),
        ("{{ '{:,.2f} {x}'.format(1234.5, x=n) }} {{ '{n}'.format_map({'n': 1}) }}", "1,234.50 5 1"),
        ("{{ '%05d' % n }} {{ '%s-%s'|format(1, 2) }}", "00005 1-2"),
        ("{{ turns[0] }}", "{'speaker': 'agent', 'text': 'Hi.'}"),
        ("{% for k, v in turns[0].items() %}{{ k }}={{ v }};{% endfor %}", "speaker=agent;text=Hi.;"),
        ("{% for g in turns|groupby('speaker') %}{{ g.grouper }}:{{ g.list|length }} {% endfor %}",
         "agent:1 customer:1 "),
        ("{% macro m(a, b='x') %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}", "<1x>"),
        ("{% set ns = namespace(t='') %}{% for t in turns %}{% set ns.t = ns.t ~ t.text %}{% endfor %}{{ ns.t }}",
         "Hi.Hello."),
        ("{% for x in [1, [2, [3]]] recursive %}{{ '<' ~ loop(x) ~ '>' if x is iterable else x }}{% endfor %}",
         "1<2<3>>"),
        ("{% filter upper %}hi {{ n }}{% endfilter %}{% for x in [] %}{% else %}none{% endfor %}", "HI 5none"),
        ("{{ 'ab' * 2 }} {{ 7 // 2 }} {{ 2 ** 10 }} {{ 7 % 4 }} {{ [1] + [2] }}", "abab 3 1024 3 [1, 2]"),
        ("{{ 'x'.center(5) }}{{ 'a-b'.replace('-', '+') }}{{ 'a\\tb'.expandtabs(4) }}", "  x  a+ba   b"),
        ("{{ 'a\nb'|indent(2) }} {{ seconds|round(0) }} {{ turns|tojson|length }}", "a\n  b 62.0 80"),
        ("{{ [1, 2, 3]|batch(2)|list }} {{ 'a b c'|wordwrap(2) }}", "[[1, 2], [3]] a\nb\nc"),
        ("{{ '<b>x</b>'|striptags }} {{ ('<i>'|safe).format() }} {{ mood|default('none') }}", "x <i> none"),
    ],
)  # fmt: skip
def test_what_prompts_do_is_done(template, text):
    assert write(template) == text


GROWING = "{% set ns = namespace(x=START) %}{% for i in range(99) %}{% set ns.x = MORE %}{% endfor %}{{ ns.x }}"
BLOCKS = "{% set x %}{{ transcript }}{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40 + "{{ x }}"


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(9) if transcript.count('a') %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}a word {% endfor %}{% endfor %}",
        "{% for a in transcript %}{% for b in transcript %}{% endfor %}{% endfor %}",
        "{% for x in range(999) recursive %}{% if loop.depth < 9 %}{{ loop(range(999)) }}{% endif %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        GROWING.replace("START", "'ab'").replace("MORE", "ns.x ~ ns.x"),
        GROWING.replace("START", "'ab'").replace("MORE", "ns.x + ns.x"),
        GROWING.replace("START", "10").replace("MORE", "ns.x * ns.x"),
        GROWING.replace("START", "[1]").replace("MORE", "[ns.x, ns.x]"),
        GROWING.replace("START", "(1, 2)").replace("MORE", "(ns.x, ns.x)"),
        GROWING.replace("START", "1").replace("MORE", "{'a': ns.x, 'b': ns.x}"),
        GROWING.replace("START", "1").replace("MORE", "dict(a=ns.x, b=ns.x)"),
        BLOCKS,
        "{{ 'a' * 10**9 }}",
        "{{ 'a' * 10**10 }}",
        "{{ [1] * 10**9 }}",
        "{{ 10**99999 }}",
        "{{ '%2000000000d' % 1 }}",
        "{{ '%*d' % (2000000000, 1) }}",
        "{{ '%2000000000d'|format(1) }}",
        "{{ '{:2000000000d}'.format(1) }}",
        "{{ '{:{w}}'.format(1, w=2000000000) }}",
        "{{ '{x:2000000000d}'.format_map({'x': 1}) }}",
        "{{ ('{:999999}' * 99).format(*[1] * 99) }}",
        "{{ 'a'.center(2000000000) }}",
        "{{ 'a'.ljust(width=2000000000) }}",
        "{{ 'a'|center(2000000000) }}",
        "{{ ['a']|map('center', 2000000000)|list }}",
        "{{ 'a\\t'.expandtabs(2000000000) }}",
        "{{ transcript.replace('', transcript) }}",
        "{{ transcript|replace('', transcript) }}",
        "{{ transcript.join(range(99999)|map('string')) }}",
        "{{ range(99999)|join(transcript) }}",
        "{{ range(99999)|map('replace', '', transcript)|list }}",
        "{{ transcript|indent(2000000000) }}",
        "{{ transcript|wordwrap(1, wrapstring=transcript) }}",
        "{{ ('x' * 1000000)|wordwrap(1) }}",
        "{{ ('<' * 1000000)|striptags }}",
        "{{ [1]|batch(1000000000, 'x')|list }}",
        "{{ [1]|slice(1000000000)|list }}",
        "{{ turns|tojson(indent=2000000000) }}",
        "{{ 1.5|round(1000000000) }}",
        "{{ (1).to_bytes(2000000000, 'big') }}",
        "{{ transcript.translate({97: transcript}) }}",
    ],
)
def test_a_template_that_would_use_up_time_or_memory_is_refused(template, monkeypatch):
    monkeypatch.setattr(sandbox, "MOST_WORK", 2_000_000)  # for a short test; memory is bounded by other numbers
    tracemalloc.start()
    try:
        with pytest.raises(PromptError, match="short: the template fails on call 'c1', "):
            write(template)
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "template",
    [
        "{{" + "(" * 5000 + "n" + ")" * 5000 + "}}",
        "{% if n %}" * 500 + "{% endif %}" * 500,
        "{% for a in turns %}" * 30 + "{% endfor %}" * 30,
        "{{ " + "n + " * 9000 + "n }}",
        "{{ " + "9" * 5000 + " }}",
    ],
)
def test_a_template_that_is_nested_too_deeply_is_refused(template):
    with pytest.raises(PromptError, match=r"short: the template cannot be compiled .*: nest it less deeply"):
        write(template)


@pytest.mark.parametrize("tag", ["{{ n }}", "{% if n %}", "{%- set a = 1 %}"])
def test_a_template_of_very_many_tags_is_refused(tag):
    with pytest.raises(PromptError, match="short: the template has 10,001 tags, and may have 10,000"):
        write(tag * 10_001)


@pytest.mark.parametrize(
    "template",
    [
        "{{ {}[transcript] }}",
        "{{ turns[transcript] }}",
        "{{ turns[0][transcript] }}",
        "{% include transcript %}",
        "{% import transcript as x %}",
        "{{ transcript|attr(transcript) }}",
        "{{ '{a}'.format(**{transcript: 1}) }}",
        "{{ cycler(**{transcript: 1}) }}",
        "{{ turns|map(transcript)|list }}",
        "{{ turns|map(attribute=transcript)|map('upper')|list }}",
        "{{ turns|sum(attribute=transcript) }}",
        "{{ ('%(' ~ transcript ~ ')s') % {} }}",
        "{{ [1]|tojson(indent=transcript) }}",
    ],
)
@pytest.mark.parametrize("transcript", [TRANSCRIPT, "Maier", "a' is undefined", 'it\'s "x"'])
def test_no_error_quotes_the_call(template, transcript):
    with pytest.raises(PromptError) as caught:
        write(template, CALL | {"transcript": transcript})
    assert not any(word in str(caught.value) for word in ("Maier", "is undefined", "it's"))
    assert caught.value.__suppress_context__  # a traceback would show what jinja2 said
    assert caught.value.__cause__ is None


def test_an_error_names_what_stands_in_the_template():
    with pytest.raises(PromptError, match=r"'c1', line 2: 'str object' has no attribute 'words'$"):
        write("A\n{{ transcript.words }}")
    with pytest.raises(PromptError, match="'c1', line 1: access to attribute '__class__' of 'str' object is unsafe"):
        write("{{ transcript.__class__ }}")


@pytest.mark.parametrize(
    "template",
    [
        "{{ range }}",
        "{{ transcript.upper }}",
        "{{ turns|map('upper') }}",
        "{{ cycler }}",
        "{{ cycler(1) }}",
        "{{ range ~ '' }}",
        "{{ [range] }}",
        "{{ {'a': range} }}",
        "{{ '%s' % range }}",
        "{{ range|string }}",
        "{{ range|upper }}",
        "{{ [range]|map('string')|list }}",
        "{{ [range]|string }}",
        "{{ [range]|join }}",
        "{{ '{}'.format(range) }}",
        "{{ raw }}",
        "{{ [raw] }}",
    ],
)
def test_what_every_machine_would_write_otherwise_is_no_text(template):
    with pytest.raises(PromptError, match=r"line 1: (bytes are no text|a \w+ is no text; call a method with \(\))"):
        write(template)


@pytest.mark.parametrize("name", ["lipsum()", "[1]|random", "turns|random"])
def test_a_template_has_no_chance(name):
    with pytest.raises(PromptError, match=r"no variable 'lipsum'|No filter named 'random'"):
        write(f"{{{{ {name} }}}}")


@pytest.mark.parametrize("method", ["append(1)", "clear()", "extend(turns)", "pop()", "sort()"])
def test_a_template_changes_no_call(method):
    with pytest.raises(PromptError, match=r"attribute '\w+' of 'list' object is unsafe"):
        write(f"{{{{ turns.{method} }}}}")
