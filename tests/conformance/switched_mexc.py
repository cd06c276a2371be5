#!/usr/bin/env python3
"""fake_mexc.py with switches: switched_mexc.py PORT LOGFILE.jsonl

Loads fake_mexc.py, adds POST /ctl (Python statements in the body, run with the server's names; what they put into
`out` is the answer), set answers for a path, further rows of the lists of positions and orders, and a price a second.
"""
import os

src = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fake_mexc.py')).read()


def put(old, new):
    global src
    assert src.count(old) >= 1, old
    src = src.replace(old, new, 1)


# Set answers come before everything: R['answers'] = {path prefix: [status, text, how often, content type]}.
put("    raw = await req.read(); path = req.path; q = dict(req.rel_url.query)",
    "    raw = await req.read(); path = req.path; q = dict(req.rel_url.query)\n"
    "    for prefix, a in list(R['answers'].items()):\n"
    "        if path.startswith(prefix) and a[2] > 0:\n"
    "            a[2] -= 1; return web.Response(status=a[0], text=a[1], content_type=a[3])")
put("if r == 'position/open_positions': return ok([", "if r == 'position/open_positions': return ok(list(R['positions']) + [")
put("            sym = parts[3] if len(parts) > 3 and parts[3] else q.get('symbol')\n            return ok([",
    "            sym = parts[3] if len(parts) > 3 and parts[3] else q.get('symbol')\n            return ok(list(R['orders']) + [")
put("            if m == 'sub.ticker': await send(", "            if m == 'sub.ticker': c.setdefault('tick', set()).add(s); await send(")
put("        elif m == 'login':\n",
    "        elif m == 'login' and abs(now() - int(p.get('reqTime') or 0)) > 10_000:\n"
    "            await send({'channel': 'rs.error', 'data': 'Request time is not in the window', 'ts': now()})\n"
    "        elif m == 'login':\n")
put("app = web.Application(client_max_size=1 << 20)", '''
R = dict(answers={}, positions=[], orders=[])

async def ticks():
    while True:
        await asyncio.sleep(1)
        for c in list(clients):
            for s in c.get('tick', ()):
                p = float(LAST)
                data = dict(symbol=s, lastPrice=p, fairPrice=p, bid1=p, ask1=p, fundingRate=0.0001, timestamp=now())
                try: await c['ws'].send_json({'symbol': s, 'data': data, 'channel': 'push.ticker', 'ts': now()})
                except Exception: pass

async def ctl(req):
    code = await req.text(); out = {}
    env = globals(); env['out'] = out
    exec('async def _f():\\n' + ''.join('    ' + line + '\\n' for line in code.splitlines()) + '    return None\\n', env)
    await env['_f'](); return web.json_response(out)

async def background(app): asyncio.ensure_future(ticks())

app = web.Application(client_max_size=1 << 20)
app.on_startup.append(background)
app.router.add_post('/ctl', ctl)
''')
exec(compile(src, 'fake_mexc', 'exec'))
