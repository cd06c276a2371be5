#!/usr/bin/env python3
# Origin: written for this project's exchange conformance checks; kept here unchanged below this note.
"""Second independent conformance client: typed-mexc (PyPI) with its response validation switched ON.

    typed_mexc_client.py BASE_URL [--ws WS_URL] [--key K --secret S] [--symbol BTC_USDT] [--vol 5]

Unlike ccxt it (a) validates every response against a schema (types and mandatory keys), (b) uses the pre-2026 paths
POST order/submit and GET order/list/open_orders/{symbol}, (c) sends order ids as JSON numbers when cancelling.
typed-mexc 2.3.0 names every keyword below; PASS/FAIL per call, exit status = number of FAILs.
"""
import argparse, asyncio, sys
from typed_mexc import MEXC
ap = argparse.ArgumentParser(); ap.add_argument('base'); ap.add_argument('--ws'); ap.add_argument('--key', default='mx0testkey'); ap.add_argument('--secret', default='testsecret')
ap.add_argument('--symbol', default='BTC_USDT'); ap.add_argument('--vol', type=int, default=5); A = ap.parse_args()
fails = 0

async def main():
    global fails
    kw = dict(futures_base_url=A.base.rstrip('/'))
    if A.ws: kw['futures_ws_url'] = A.ws
    async with MEXC.new(A.key, A.secret, **kw) as c:
        h = c.futures.http; m, a, p, t = h.market, h.account, h.position, h.trade; S = A.symbol; ctx = {}
        async def case(name, coro, check=lambda r: None):
            global fails
            try: r = await coro; w = check(r); print('PASS  %-30s %s' % (name, w or ''), flush=True); return r
            except Exception as e: fails += 1; print('FAIL  %-30s %s: %s' % (name, type(e).__name__, str(e).replace('\n', ' ')[:400]), flush=True)
        await case('market.ping', m.ping()); await case('market.contract_info', m.contract_info(symbol=S)); tk = await case('market.ticker', m.ticker(symbol=S))
        await case('market.depth', m.depth(symbol=S)); await case('market.fair_price', m.fair_price(symbol=S)); await case('market.funding_rate', m.funding_rate(symbol=S)); await case('market.candles', m.candles(symbol=S))
        await case('account.assets', a.assets()); await case('account.asset', a.asset(currency='USDT')); await case('position.position_mode', p.position_mode()); await case('position.leverage', p.leverage(symbol=S)); await case('position.risk_limit', p.risk_limit(symbol=S)); await case('position.open', p.open(S))
        tk = tk or await m.ticker(symbol=S, validate=False); bid = float((tk['data'][0] if isinstance(tk['data'], list) else tk['data'])['bid1']); tick = 1.0 if bid > 1000 else 0.0001; price = round(bid * 0.95 / tick) * tick
        o = dict(symbol=S, price=price, vol=A.vol, leverage=20, side=1, type=1, openType=1)
        r = await case('trade.submit_order limit', t.submit_order(o), lambda r: 'data=%r' % (r['data'],)); oid = str(r['data']) if r else '0'
        await case('trade.order', t.order(order_id=oid), lambda r: 'state %s' % r['data']['state']); await case('trade.open_orders/{symbol}', t.open_orders(S, page_num=1, page_size=20), lambda r: None if any(str(x['orderId']) == oid for x in r['data']) else 1/0)
        await case('trade.cancel_order', t.cancel_order([int(oid)]), lambda r: 'errorCode %s' % r['data'][0]['errorCode'])
        await case('trade.history_orders', t.history_orders(symbol=S, page_num=1, page_size=20), lambda r: None if any(str(x['orderId']) == oid for x in r['data']) else 1/0)
        r = await case('trade.submit_order market', t.submit_order(dict(o, type=5, price=bid))); mid = str(r['data']) if r else '0'
        await asyncio.sleep(0.3)
        await case('trade.deal_details', t.deal_details(order_id=mid), lambda r: '%d deals' % len(r['data'])); await case('trade.order_deals', t.order_deals(symbol=S, page_num=1, page_size=20)); await case('position.open (long)', p.open(S), lambda r: 'liq %s' % r['data'][0]['liquidatePrice'])
        await case('trade.submit_order close', t.submit_order(dict(o, type=5, side=4, price=bid))); await asyncio.sleep(0.3); await case('position.history', p.history(symbol=S, page_num=1, page_size=20), lambda r: None if r['data'] else 1/0); await case('trade.cancel_all_orders', t.cancel_all_orders(symbol=S))
    print('TOTAL %d fail' % fails)
asyncio.run(main()); sys.exit(min(fails, 100))
