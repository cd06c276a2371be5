-- Signals that did not become orders in the last 7 days, and why, newest first. Signals that are only
-- recorded (Z1) are approved.
SELECT created_at, strategy_name, signal_type, symbol, side, quantity, price, rejection_reason, risk_score, signal_id,
  session_id
FROM signal_history
WHERE created_at > dateadd('d', -7, now()) AND NOT approved
ORDER BY created_at DESC;
