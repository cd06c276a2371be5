-- Open positions now, nearest to liquidation first: the last snapshot of each position that was not
-- closed in it. A margin ratio of 100 is the liquidation; the ratio falls towards it. Unknown ones
-- (before the first look at a new position) stand first.
SELECT symbol, side, quantity, entry_price, current_price, liquidation_price, margin_ratio, unrealized_pnl,
  unrealized_pnl_pct, margin, leverage, opened_at, updated_at, session_id, position_id
FROM (SELECT * FROM live_positions LATEST ON updated_at PARTITION BY session_id, position_id)
WHERE status = 'OPEN'
ORDER BY margin_ratio;
