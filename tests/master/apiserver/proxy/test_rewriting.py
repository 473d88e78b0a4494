"""What becomes of the URLs in answers."""

import pytest

from master.apiserver.proxy import rewriting

PREFIX = "/api/v1/namespaces/n/services/web:80/proxy"
HOSTS = ("10.0.0.1:80", "api:6443")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/a/b/", f"{PREFIX}/a/b/"),
        ("/", f"{PREFIX}/"),
        ("/a?q=1&r=%2F#f", f"{PREFIX}/a?q=1&r=%2F#f"),
        ("http://10.0.0.1:80/a", f"{PREFIX}/a"),
        ("https://api:6443/a", f"{PREFIX}/a"),
        ("http://elsewhere/a", "http://elsewhere/a"),
        ("//elsewhere/a", "//elsewhere/a"),
        ("a/b", "a/b"),
        ("", ""),
        ("#f", "#f"),
        (f"{PREFIX}/a", f"{PREFIX}/a"),
        ("http://[bad/a", "http://[bad/a"),
        ("mailto:a@b", "mailto:a@b"),
    ],
)
def test_urls(given: str, expected: str) -> None:
    assert rewriting.url(given, PREFIX, HOSTS) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('<a href="/x">', f'<a href="{PREFIX}/x">'),
        ("<A HREF='/x' class=\"/y\">", f'<A HREF="{PREFIX}/x" class="/y">'),
        ("<img src=/i.png>", f'<img src="{PREFIX}/i.png">'),
        ('<a href="/x?a=1&amp;b=2">', f'<a href="{PREFIX}/x?a=1&amp;b=2">'),
        ('<a title="a > b" href="/x">', f'<a title="a > b" href="{PREFIX}/x">'),
        ('<p data-href="/x">/y <a>', '<p data-href="/x">/y <a>'),
        ('<script>var a = "<b" + "/x";</script>', '<script>var a = "<b" + "/x";</script>'),
        ('<script src="/s.js"></script>', f'<script src="{PREFIX}/s.js"></script>'),
        ('<a href="/unclosed', '<a href="/unclosed'),
    ],
)
def test_pages(given: str, expected: str) -> None:
    assert rewriting.page(given, PREFIX, HOSTS) == expected


def test_a_hostile_page_costs_little() -> None:
    page = "<a " + "href='/x\"" * 50_000
    assert rewriting.page(page, PREFIX, HOSTS) == page
