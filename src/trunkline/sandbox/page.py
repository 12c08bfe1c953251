"""The page at `/` of a sandbox: where everything is."""

from __future__ import annotations

from html import escape

from trunkline.sandbox import recipients

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Trunkline sandbox</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c }}
code {{ font-size: .9em }} table {{ border-collapse: collapse }} td, th {{ text-align: left; vertical-align: top;
padding: .3rem 1rem .3rem 0; border-top: 1px solid #ddd }} th {{ border: 0 }} td:first-child {{ white-space: nowrap }}
@media (prefers-color-scheme: dark) {{ body {{ background: #1c1c1c; color: #eee }} a {{ color: #9cf }} }}
</style>
<h1>Trunkline sandbox</h1>
<p>The whole platform, with a simulated carrier behind it. Only webhooks to
hosts of yours leave this machine.</p>
<ul>
<li><a href="/docs/">/docs/</a>: how to use the API, with examples that run here</li>
<li><code>POST /v1/sendsms</code> sends a message; the token is in <code>sandbox.env</code>, and the literal
<code>&lt;token&gt;</code> is taken as well.</li>
<li><a href="/sandbox/webhooks">/sandbox/webhooks</a>: webhooks that were caught
(<code>?msgId=</code> for one message)</li>
<li><a href="/sandbox/recipients">/sandbox/recipients</a>: the numbers below, as JSON</li>
<li><code>POST /sandbox/mo</code> with <code>{{"from", "to", "body"}}</code>: a handset sends a message</li>
</ul>
<h2>Magic recipients</h2>
<table>
<tr><th>To</th><th>What happens</th><th>The record</th></tr>
{rows}
</table>
</html>
"""


def html() -> bytes:
    """The page, UTF-8."""
    rows = "\n".join(
        f"<tr><td><code>{one.number}</code></td><td>{escape(one.happens)}</td>"
        f"<td>{one.status.name}&nbsp;{one.error_code}</td></tr>"
        for one in recipients.TABLE
    )
    return _PAGE.format(rows=rows).encode()
