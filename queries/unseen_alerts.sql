-- Warnings and critical alerts of the last 7 days that nobody has acknowledged, critical ones first.
SELECT created_at, severity, alert_type, symbol, message, session_id, alert_id
FROM risk_events
WHERE created_at > dateadd('d', -7, now()) AND severity IN ('CRITICAL', 'WARNING') AND acknowledged_at IS NULL
ORDER BY severity, created_at DESC;
