"""Go templates: what they print and refuse, and that kubectl prints the same."""
# ruff: noqa: E501  # a template stands beside what it prints

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import kubectl as installed
import pytest

from timonel.cli.gotemplate import Template, TemplateError

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"annotations": {"a": "b"}, "labels": {"app.k/y": "<b>", "x": "1"}, "name": "a"},
    "spec": {
        "big": 12345678,
        "containers": [{"image": "i", "name": "c"}],
        "empty": [],
        "f": 1.5,
        "n": 3,
        "nul": None,
        "on": True,
    },
}

PRINTED = {
    "{{.metadata.name}}": "a",
    "{{.nope}}": "<no value>",
    "{{.nope.nope}}": "<no value>",
    "{{.spec.nul}}": "<no value>",
    "{{.metadata.labels}}": "map[app.k/y:<b> x:1]",
    "{{.}}": "map[apiVersion:v1 kind:Pod metadata:map[annotations:map[a:b] labels:map[app.k/y:<b> x:1] name:a] spec:map[big:12345678 containers:[map[image:i name:c]] empty:[] f:1.5 n:3 nul:<nil> on:true]]",
    "{{.spec}}": "map[big:12345678 containers:[map[image:i name:c]] empty:[] f:1.5 n:3 nul:<nil> on:true]",
    "{{.spec.n}} {{.spec.big}} {{.spec.f}} {{.spec.on}}": "3 12345678 1.5 true",
    "{{eq .spec.n 3}}": "true",
    "{{eq .spec.n .spec.n}}": "true",
    '{{eq .metadata.name "a" "b"}}': "true",
    '{{eq .metadata.name "b" "a"}}': "true",
    '{{eq .nope "x"}}': "false",
    '{{eq "x" .nope}}': "false",
    "{{eq .nope .nul}}": "true",
    '{{ne .nope "x"}}': "true",
    "{{eq .spec.nul nil}}": "true",
    '{{lt 1 2}}{{le 2 1}}{{gt 1.5 .5}}{{ge "a" "b"}}': "truefalsetruefalse",
    "{{lt .spec.n 1}}": "false",
    "{{len .metadata.name}}{{len .metadata.labels}}{{len .spec.containers}}": "121",
    '{{index .metadata.labels "x"}}': "1",
    '{{index .metadata.labels "nope"}}': "<no value>",
    "{{index .spec.containers 0}}": "map[image:i name:c]",
    '{{index .spec.containers 0 "name"}}': "c",
    '{{index .metadata "labels" "x"}}': "1",
    "{{index .metadata.name 0}}": "97",
    "{{(index .spec.containers 0).name}}": "c",
    "{{(index .spec.containers 0).nope.x}}": "<no value>",
    "{{range .spec.containers}}{{.name}}={{.image}}{{end}}": "c=i",
    "{{range $i, $c := .spec.containers}}{{$i}}:{{$c.name}}{{end}}": "0:c",
    "{{range $k, $v := .metadata.labels}}{{$k}}={{$v}};{{end}}": "app.k/y=<b>;x=1;",
    "{{range .spec.empty}}x{{else}}none{{end}}": "none",
    "{{range .nope}}x{{else}}none{{end}}": "none",
    "{{if .nope}}a{{else if .spec.on}}b{{else}}c{{end}}": "b",
    '{{if and .spec.on (eq .metadata.name "a")}}yes{{end}}': "yes",
    "{{with .nope}}a{{else}}b{{end}}": "b",
    "{{with $x := .spec.n}}{{$x}}{{end}}": "3",
    "{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}": "2",
    "{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}": "1",
    '{{.metadata.name | printf "%s-%s" "x"}}': "x-a",
    '{{printf "%d %s %v %q %t %5.1f|%x" 3 "a" .spec.n "q\\"x" true .spec.f 255}}': '3 a 3 "q\\"x" true   1.5|ff',
    '{{printf "%d" .spec.n}}': "3",
    '{{printf "%s" .spec.n}}': "%!s(int64=3)",
    '{{printf "%.0f" .spec.n}}': "%!f(int64=3)",
    '{{printf "%d %d" 1}}': "1 %!d(MISSING)",
    '{{printf "%d" 1 2 "a" .spec.n}}': "1%!(EXTRA int=2, string=a, int64=3)",
    '{{printf "%s" .nope}}': "%!s(<nil>)",
    '{{printf "%v" .nope}}': "<nil>",
    '{{printf "%z" 1}}': "%!z(int=1)",
    '{{printf "%" }}': "%!(NOVERB)",
    '{{printf "%5d|%-5d|%05d|%+d|% d" 42 42 42 42 42}}': "   42|42   |00042|+42| 42",
    '{{printf "%5s|%-5s|%.2s|%5.1s|" "abc" "abc" "abc" "abc"}}': "  abc|abc  |ab|    a|",
    '{{printf "%v %s %d" .metadata.labels .spec.containers .spec.containers}}': "map[app.k/y:<b> x:1] [map[image:i name:c]] [map[%!d(string=image):%!d(string=i) %!d(string=name):%!d(string=c)]]",
    '{{printf "%T %T %T %T %T %T" 1 1.5 "a" true .spec .spec.containers}}': "int float64 string bool map[string]interface {} []interface {}",
    '{{printf "%e %E %g %G" 1.5 1.5 1e10 1e-10}}': "1.500000e+00 1.500000E+00 1e+10 1E-10",
    '{{printf "%x %X %x" "hi" "hi" -255}}': "6869 6869 -ff",
    '{{printf "%#x %#o %o %b" 255 8 8 5}}': "0xff 010 10 101",
    '{{printf "%c %U %q" 65 65 65}}': "A U+0041 'A'",
    '{{printf "%t" "a"}}': "%!t(string=a)",
    '{{printf "%q" .spec.containers}}': '[map["image":"i" "name":"c"]]',
    '{{printf "%*d|%-*d|" 5 42 5 42}}': "   42|42   |",
    '{{printf "%6.2f%%" 99.5}}': " 99.50%",
    '{{printf "%06d %6t %06.2f" -42 true -1.5}}': "-00042   true -01.50",
    '{{print 1 2 "a" "b" 3 4}}': "1 2ab3 4",
    '{{println 1 2 "a" "b"}}': "1 2 a b\n",
    "{{print .nope}}": "<nil>",
    "{{print .spec.n .spec.nul}}": "3 <nil>",
    '{{html "<a href=\'x\'>\\"&"}}': "&lt;a href=&#39;x&#39;&gt;&#34;&amp;",
    '{{js "it\'s \\"<b>\\" = \\n"}}': 'it\\\'s \\"\\u003Cb\\u003E\\" \\u003D \\u000A',
    '{{urlquery "a b&c/d~é"}}': "a+b%26c%2Fd~%C3%A9",
    "{{html .nope}}": "&lt;no value&gt;",
    "{{html 1 2}}": "1 2",
    '{{"aGVsbG8=" | base64decode}}': "hello",
    '{{exists . "metadata" "name"}} {{exists . "nope" "x"}} {{exists .spec "nul"}}': "true false false",
    '{{slice "abcdef" 1 3}}{{slice .spec.containers 0 0}}': "bc[]",
    "{{/* comment */}}x": "x",
    "  {{- /* comment */ -}}  x  {{- 1 -}}  y": "x1y",
    'a  {{- "b" }}  c': "ab  c",
    '{{"a" -}}   b': "ab",
    "{{- 3}}": "3",
    "{{-3}}": "-3",
    "{{3 -}} x": "3x",
    "{{true}}{{false}}": "truefalse",
    "{{1}}{{1.0}}{{1e3}}{{0x10}}{{'a'}}{{1e6}}{{1e20}}{{123456.7}}{{.1}}{{0.00001}}{{1e21}}": "11100016971e+061e+20123456.70.11e-051e+21",
    '{{`raw\\n`}}{{"\\t|\\x41\\u00e9"}}': "raw\\n\t|Aé",
    "{{(.metadata).name}}": "a",
    "{{(.metadata.labels).x}}{{((.metadata)).name}}": "1a",
    '{{.metadata.name | len | printf "%d"}}': "1",
    '{{template "x" .metadata}}{{define "x"}}[{{.name}}]{{end}}': "[a]",
    '{{define "x"}}[{{.}}]{{end}}{{template "x"}}': "[<no value>]",
    '{{block "y" .metadata}}<{{.name}}>{{end}}': "<a>",
    "{{$.metadata.name}}{{range .spec.containers}}{{$.metadata.name}}{{$}}{{end}}": "aamap[apiVersion:v1 kind:Pod metadata:map[annotations:map[a:b] labels:map[app.k/y:<b> x:1] name:a] spec:map[big:12345678 containers:[map[image:i name:c]] empty:[] f:1.5 n:3 nul:<nil> on:true]]",
    "{{range $i, $c := .spec.containers}}{{$c}}{{else}}{{$i}}{{end}}": "map[image:i name:c]",
    "{{.metadata.name | not | not}}": "true",
    "{{len (index .spec.containers 0)}}": "2",
    '{{if not (eq .kind "Pod")}}x{{else}}y{{end}}': "y",
    '{{ .metadata.name }}, {{ .kind | printf "%-10s|" }}': "a, Pod       |",
    '{{printf "%s" "x" | printf "%s%s" "y"}}': "yx",
    '{{"quoted" | printf "%q"}}': '"quoted"',
    "{{eq true true}}": "true",
    "{{range .spec.containers}}{{.}}{{end}}": "map[image:i name:c]",
    '{{print "a" | print "b"}}': "ba",
    '{{printf "%v" (printf "%s" "a")}}': "a",
    '{{printf "%v %v" .spec.empty .spec.nul}}': "[] <nil>",
    '{{.spec.containers | printf "%v"}}': "[map[image:i name:c]]",
    '{{printf "%08.3f" 3.14159}}': "0003.142",
    '{{printf "%+v" .spec}}': "map[big:12345678 containers:[map[image:i name:c]] empty:[] f:1.5 n:3 nul:<nil> on:true]",
    '{{printf "%s" true}}': "%!s(bool=true)",
    '{{printf "%d" true}}': "%!d(bool=true)",
    '{{printf "%5t|" true}}': " true|",
    '{{printf "%[2]s %[1]s" "a" "b"}}': "b a",
    "{{ and true .metadata.name .kind }}": "Pod",
    "{{print\n1\n}}": "1",
    "x{{/* a */}}{{/*b\nc*/}}y": "xy",
}
NEWER = {  # since kubectl 1.34
    "{{range .spec.n}}x{{end}}": "xxx",
    "{{range 3}}{{.}}{{end}}": "012",
    "{{range $i := 3}}{{$i}}{{end}}": "012",
    "{{range $i, $c := .spec.containers}}{{if eq $i 0}}{{break}}{{end}}x{{end}}": "",
    "{{range $i, $c := .spec.containers}}{{if $i}}y{{else}}{{continue}}{{end}}x{{end}}": "",
    "{{if .nope}}a{{else if .nope}}b{{else}}c{{end}}d": "cd",
    '{{and .nope .x}}|{{or .nope "d"}}|{{not .nope}}|{{or .nope .spec.nul}}': "<no value>|d|true|<no value>",
    "{{with .nope}}a{{else with .spec.n}}{{.}}{{end}}": "3",
}
REFUSED = {
    "{{.spec.nul.x}}": 'output:1:7: executing "output" at <.spec.nul.x>: nil pointer evaluating interface {}.x',
    "{{.metadata.name.foo}}": 'output:1:11: executing "output" at <.metadata.name.foo>: can\'t evaluate field foo in type interface {}',
    "{{with .metadata.name}}{{.foo}}{{end}}": 'output:1:25: executing "output" at <.foo>: can\'t evaluate field foo in type string',
    "{{$x := .metadata.name}}{{$x.foo}}": 'output:1:28: executing "output" at <$x.foo>: can\'t evaluate field foo in type string',
    "{{eq .spec.n 3.0}}": 'output:1:2: executing "output" at <eq .spec.n 3.0>: error calling eq: incompatible types for comparison: int64 and float64',
    "{{eq}}": 'output:1:2: executing "output" at <eq>: wrong number of args for eq: want at least 1 got 0',
    "{{eq .metadata.name}}": 'output:1:2: executing "output" at <eq .metadata.name>: error calling eq: missing argument for comparison',
    "{{eq .metadata .spec}}": 'output:1:2: executing "output" at <eq .metadata .spec>: error calling eq: non-comparable type map[annotations:map[a:b] labels:map[app.k/y:<b> x:1] name:a]: map[string]interface {}',
    "{{lt .nope 1}}": 'output:1:2: executing "output" at <lt .nope 1>: error calling lt: invalid type for comparison',
    "{{lt .spec.on true}}": 'output:1:2: executing "output" at <lt .spec.on true>: error calling lt: invalid type for comparison',
    "{{len .nope}}": 'output:1:2: executing "output" at <len .nope>: error calling len: len of nil pointer',
    "{{len .spec.n}}": 'output:1:2: executing "output" at <len .spec.n>: error calling len: len of type int64',
    "{{len .spec.nul}}": 'output:1:2: executing "output" at <len .spec.nul>: error calling len: len of nil pointer',
    "{{index .spec.containers 1}}": 'output:1:2: executing "output" at <index .spec.containers 1>: error calling index: index out of range: 1',
    '{{index .spec.containers "a"}}': 'output:1:2: executing "output" at <index .spec.containers "a">: error calling index: cannot index slice/array with type string',
    "{{index .metadata.labels 1}}": 'output:1:2: executing "output" at <index .metadata.labels 1>: error calling index: value has type int; should be string',
    '{{index .nope "x"}}': 'output:1:2: executing "output" at <index .nope "x">: error calling index: index of untyped nil',
    "{{index .spec.n 1}}": 'output:1:2: executing "output" at <index .spec.n 1>: error calling index: can\'t index item of type int64',
    '{{index .metadata "nope" "x"}}': 'output:1:2: executing "output" at <index .metadata "nope" "x">: error calling index: index of nil pointer',
    "{{(index .spec.containers 0).name.x}}": 'output:1:28: executing "output" at <(index .spec.containers 0).name.x>: can\'t evaluate field x in type interface {}',
    "{{range .metadata.name}}x{{end}}": 'output:1:17: executing "output" at <.metadata.name>: range can\'t iterate over a',
    "{{range $i, $j := 3}}{{$i}}{{end}}": 'output:1:18: executing "output" at <3>: can\'t use 3 to iterate over more than one variable',
    "{{range .spec.on}}x{{end}}": 'output:1:13: executing "output" at <.spec.on>: range can\'t iterate over true',
    "{{and}}": 'output:1:2: executing "output" at <and>: wrong number of args for and: want at least 1 got 0',
    "{{$y}}": 'output:1: undefined variable "$y"',
    "{{$y = 1}}": 'output:1:2: executing "output" at <$y = 1>: undefined variable: $y',
    "{{printf .nope}}": 'output:1:9: executing "output" at <.nope>: invalid value; expected string',
    "{{printf .spec.n}}": 'output:1:14: executing "output" at <.spec.n>: wrong type for value; expected string; got int64',
    "{{printf 3}}": 'output:1:9: executing "output" at <3>: expected string; found 3',
    "{{printf}}": 'output:1:2: executing "output" at <printf>: wrong number of args for printf: want at least 1 got 0',
    '{{base64decode "%%"}}': 'output:1:2: executing "output" at <base64decode "%%">: error calling base64decode: base64 decode failed: Only base64 data is allowed',
    "{{base64decode .nope}}": 'output:1:15: executing "output" at <.nope>: invalid value; expected string',
    "{{base64decode .spec.n}}": 'output:1:20: executing "output" at <.spec.n>: wrong type for value; expected string; got int64',
    '{{slice "abc" 2 1}}': 'output:1:2: executing "output" at <slice "abc" 2 1>: error calling slice: invalid slice index: 2 > 1',
    '{{slice "abc" 4}}': 'output:1:2: executing "output" at <slice "abc" 4>: error calling slice: index out of range: 4',
    "{{slice .nope 1}}": 'output:1:2: executing "output" at <slice .nope 1>: error calling slice: slice of untyped nil',
    "{{slice 1 1}}": 'output:1:2: executing "output" at <slice 1 1>: error calling slice: can\'t slice item of type int',
    "{{1 | 2}}": "output:1: non executable command in pipeline stage 2",
    '{{"a" "b"}}': 'output:1:2: executing "output" at <"a">: can\'t give argument to non-function "a"',
    '{{.metadata.name "b"}}': 'output:1:11: executing "output" at <.metadata.name>: name is not a method but has arguments',
    '{{"b" | .metadata.name}}': 'output:1:17: executing "output" at <.metadata.name>: name is not a method but has arguments',
    "{{nil}}": 'output:1:2: executing "output" at <nil>: nil is not a command',
    "{{foo}}": 'output:1: function "foo" not defined',
    "{{.metadata.name": "output:1: unclosed action",
    "{{end}}": "output:1: unexpected {{end}}",
    "{{if true}}x": "output:1: unexpected EOF",
    "{{if}}x{{end}}": "output:1: missing value for if",
    "{{}}": "output:1: missing value for command",
    "{{range}}": "output:1: missing value for range",
    "{{.a}": "output:1: bad character U+007D '}'",
    "{{.a}} }} {{": "output:1: unclosed action",
    '{{"abc}}': "output:1: unterminated quoted string",
    "{{else}}": "output:1: unexpected {{else}}",
    "{{if true}}a{{else}}b{{else}}c{{end}}": "output:1: expected end; found {{else}}",
    "{{break}}": "output:1: {{break}} outside {{range}}",
    "{{.a..b}}": "output:1: unexpected <.> in operand",
    "{{a b c}}": 'output:1: function "a" not defined',
    '{{template "nope"}}': 'output:1:11: executing "output" at <{{template "nope"}}>: template "nope" not defined',
    '{{define "r"}}{{template "r"}}{{end}}{{template "r"}}': 'output:1:25: executing "r" at <{{template "r"}}>: exceeded maximum template depth (100)',
    '{{define "x"}}{{.name.foo}}{{end}}{{template "x" .metadata}}': 'output:1:21: executing "x" at <.name.foo>: can\'t evaluate field foo in type interface {}',
    '{{define "x"}}{{$y}}{{end}}': 'output:1: undefined variable "$y"',
    '{{$x := 1}}{{define "x"}}{{$x}}{{end}}': 'output:1: undefined variable "$x"',
    "{{eq 1 1.0}}": 'output:1:2: executing "output" at <eq 1 1.0>: error calling eq: incompatible types for comparison: int and float64',
    '{{eq "a" 1}}': 'output:1:2: executing "output" at <eq "a" 1>: error calling eq: incompatible types for comparison: string and int',
    "{{not}}": 'output:1:2: executing "output" at <not>: wrong number of args for not: want 1 got 0',
    "{{not 1 2}}": 'output:1:2: executing "output" at <not>: wrong number of args for not: want 1 got 2',
    "{{len 1 2}}": 'output:1:2: executing "output" at <len>: wrong number of args for len: want 1 got 2',
    "{{index}}": 'output:1:2: executing "output" at <index>: wrong number of args for index: want at least 1 got 0',
    "{{call .metadata.name}}": 'output:1: function "call" not defined',
    '{{"a".b}}': 'output:1: unexpected . after term "\\"a\\""',
    "{{.metadata .name}}": 'output:1:2: executing "output" at <.metadata>: metadata is not a method but has arguments',
    "{{range .spec.containers}}{{.name.x}}{{end}}": 'output:1:33: executing "output" at <.name.x>: can\'t evaluate field x in type interface {}',
    "{{with .spec.containers}}{{.x}}{{end}}": 'output:1:27: executing "output" at <.x>: can\'t evaluate field x in type []interface {}',
    "{{.spec.containers.x}}": 'output:1:7: executing "output" at <.spec.containers.x>: can\'t evaluate field x in type interface {}',
    '{{(len "a").x}}': 'output:1:11: executing "output" at <(len "a").x>: can\'t evaluate field x in type int',
    "{{$x, $y := 1}}": 'output:1: undefined variable "$x"',
    "{{range $a, $b, $c := .}}{{end}}": 'output:1: undefined variable "$a"',
    "{{if $x := .spec.n}}{{$x}}{{end}}{{$x}}": 'output:1: undefined variable "$x"',
    "{{1 2}}": 'output:1:2: executing "output" at <1>: can\'t give argument to non-function 1',
    "{{/* unclosed": "output:1: unclosed comment",
    "{{/* a */ .x}}": "output:1: comment ends before closing delimiter",
    "{{.spec.on.x}}": 'output:1:7: executing "output" at <.spec.on.x>: can\'t evaluate field x in type interface {}',
    "{{.spec.n.x}}": 'output:1:7: executing "output" at <.spec.n.x>: can\'t evaluate field x in type interface {}',
}


@pytest.mark.parametrize(("template", "printed"), [*PRINTED.items(), *NEWER.items()])
def test_a_template_prints(template: str, printed: str) -> None:
    assert Template(template).render(POD) == printed


@pytest.mark.parametrize(("template", "why"), REFUSED.items())
def test_a_template_is_refused(template: str, why: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(why)):
        Template(template).render(POD)


@pytest.mark.kubectl(min="1.32")  # those of an older Go lack functions
async def test_kubectl_prints_and_refuses_the_same(tmp_path: Path) -> None:
    file = tmp_path / "pod.json"
    file.write_text(json.dumps(POD))

    async def kubectl(template: str) -> tuple[int, str]:
        # `annotate --local` prints an object of ours by any template, without a server.
        process = await asyncio.create_subprocess_exec(
            *("kubectl", "annotate", "--local", "--overwrite", "-f", str(file), "a=b", "-o", f"go-template={template}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    tables = PRINTED if installed.unfit("1.34") else {**PRINTED, **NEWER}
    joined = [template for template in tables if "define" not in template]
    border = '{{"\\n--\\n"}}'
    assert await kubectl(border.join(joined)) == (0, "\n--\n".join(tables[each] for each in joined))
    for template in list(REFUSED)[::4]:
        assert (await kubectl(template))[0] != 0, template
