-- Positions that the exchange took over, newest first, with the alert that told of it and who has
-- seen it.
SELECT p.closed_at AS closed_at, p.symbol AS symbol, p.side AS side, p.quantity AS quantity, p.entry_price AS entry_price,
  p.current_price AS exit_price, a.message AS message, a.acknowledged_by AS acknowledged_by,
  a.acknowledged_at AS acknowledged_at, p.session_id AS session_id, p.position_id AS position_id
FROM (
  SELECT * FROM (SELECT * FROM live_positions LATEST ON updated_at PARTITION BY session_id, position_id)
  WHERE status = 'LIQUIDATED'
) p
LEFT JOIN (SELECT * FROM risk_events WHERE alert_type = 'LIQUIDATION_DETECTED') a
  ON a.session_id = p.session_id AND a.position_id = p.position_id
ORDER BY closed_at DESC;
