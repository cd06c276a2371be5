-- Slippage by symbol and side over the last 30 days: percent of the price that the decision was made
-- at, positive is worse for us. `cost` is what it came to, in USDT (a DOUBLE: for comparison, not for
-- the books).
SELECT symbol, side, count() AS orders, avg(slippage) AS average_pct, max(slippage) AS worst_pct,
  sum(cast(filled_quantity * average_fill_price AS DOUBLE)) AS notional,
  sum(cast(filled_quantity * average_fill_price AS DOUBLE) * slippage / 100) AS cost
FROM live_orders
WHERE created_at > dateadd('d', -30, now()) AND slippage IS NOT NULL AND filled_quantity > 0m
ORDER BY cost DESC;
