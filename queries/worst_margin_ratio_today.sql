-- The worst margin ratio of each position today (UTC), and the moment it had it. Liquidation is at 100.
SELECT symbol, side, margin_ratio, updated_at AS at, current_price, liquidation_price, quantity, session_id, position_id
FROM (
  SELECT symbol, side, margin_ratio, updated_at, current_price, liquidation_price, quantity, session_id, position_id,
    row_number() OVER (PARTITION BY session_id, position_id ORDER BY margin_ratio, updated_at) AS place
  FROM live_positions
  WHERE updated_at IN today() AND margin_ratio IS NOT NULL
)
WHERE place = 1
ORDER BY margin_ratio;
