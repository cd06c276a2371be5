-- Milliseconds from a signal to the complete fill of its order over the last 7 days, by symbol and
-- type of order: the middle one, one in twenty, the slowest. A limit order waits for its price; the
-- time of a market order is that of the program and the exchange.
SELECT symbol, order_type, count() AS orders, approx_percentile(millis, 0.5, 5) AS p50, approx_percentile(millis, 0.95, 5) AS p95,
  max(millis) AS slowest
FROM (
  SELECT o.symbol AS symbol, o.order_type AS order_type,
    cast(datediff('u', s.created_at, o.filled_at) AS DOUBLE) / 1000 AS millis
  FROM signal_history s
  JOIN live_orders o ON o.order_id = s.order_id AND o.session_id = s.session_id
  WHERE s.created_at > dateadd('d', -7, now()) AND o.filled_at IS NOT NULL
)
ORDER BY p95 DESC;
