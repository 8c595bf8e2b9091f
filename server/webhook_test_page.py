"""The page of ``/webhook-test``: what came, for people. It runs no script, and nothing in a receipt becomes markup."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Collection, Mapping
from typing import Any

SHOWN_CHARACTERS = 10_000
"""Of each body: a hundred of a megabyte each would be more than a browser can show."""
SHOWN_OF_EVENT = 80
STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: 0 }
article, details { border: 1px solid color-mix(in srgb, currentColor 20%, transparent); border-radius: 8px }
article { margin: 1rem 0; padding: .75rem 1rem }
details { margin: 1rem 0; padding: .5rem 1rem }
summary { cursor: pointer }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-variant-numeric: tabular-nums }
pre { margin: .5rem 0 0; font-size: 13px; white-space: pre-wrap; unicode-bidi: plaintext; max-height: 24rem;
overflow: auto }
pre.headers, .more { opacity: .75 }
pre.headers { max-height: 8rem }
.verified { color: light-dark(#0a6b2d, #5fd38a) } .refused { color: light-dark(#b3261e, #ff8a80) }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Webhooks received</title><style>{style}</style></head><body>
<header><h1>Webhooks received</h1></header>
<p>{count}; answering <b>{answer}</b>. <a href="">Reload</a></p>
<details{open}><summary>How to use it</summary>
<p>Send webhooks to this address, as <code>WEBHOOK_URL</code>, an endpoint's <code>url</code> or a job's
<code>webhookUrl</code>:</p><pre>{url}</pre>
<p>Signatures are verified with <code>WEBHOOK_SECRET</code> and the secrets of this server's endpoints.
To see everything as JSON, to choose another answer, and to forget what came:</p>
<pre>curl {quoted}
curl -X PUT '{url}?answer=500'       # or 410, redirect, slow
curl -X DELETE {quoted}</pre></details>
{items}</body></html>
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Vary": "Accept",
}


def page(receipts: Collection[Mapping[str, Any]], *, answer: str, url: str, kept: int) -> str:
    """The page; ``url`` is its own address, ``kept`` how many receipts there can be."""
    number = len(receipts)
    count = f"{'The last ' if number == kept else ''}{number}, newest first" if number else "Nothing yet"
    address = html.escape(url)
    return PAGE.format(
        style=STYLE,
        count=count,
        answer=html.escape(answer),
        open="" if number else " open",
        url=address,
        quoted=f"'{address}'",
        items="".join(map(_article, receipts)),
    )


def _article(receipt: Mapping[str, Any]) -> str:
    verdict, headers = receipt["signature"], receipt["headers"]
    kind = "verified" if verdict == "verified" else "refused"
    text = readable(receipt["bodyText"])
    more = len(text) - SHOWN_CHARACTERS
    return (
        f"<article><header><time>{html.escape(receipt['receivedAt'])}</time>"
        f"<b>{html.escape(headers.get('webhook-event', 'no event')[:SHOWN_OF_EVENT])}</b>"
        f'<span class="{kind}">signature: {html.escape(verdict)}</span></header>'
        f'<pre class="headers" tabindex="0">{_lines(headers)}</pre>'
        f'<pre tabindex="0">{html.escape(text[:SHOWN_CHARACTERS]) or "<i>no body</i>"}</pre>'
        + (f'<p class="more">… and {more:,} more characters: the JSON has all.</p>' if more > 0 else "")
        + "</article>"
    )


def _lines(headers: Mapping[str, str]) -> str:
    return html.escape("\n".join(f"{name}: {value}" for name, value in headers.items()))


def readable(text: str) -> str:
    """JSON with a line for each value; anything else, and what would be too long to be shown, as it is."""
    if len(text) > SHOWN_CHARACTERS:
        return text
    try:
        indented = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    return indented if len(indented) <= SHOWN_CHARACTERS else text
