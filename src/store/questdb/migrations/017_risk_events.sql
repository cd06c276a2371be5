-- Alerts, each as it is now: acknowledged or not, and by whom.

CREATE TABLE IF NOT EXISTS risk_events (
  session_id SYMBOL CAPACITY 1024 INDEX,
  alert_id LONG,
  severity SYMBOL CAPACITY 4 INDEX,
  alert_type SYMBOL CAPACITY 64 INDEX,
  symbol SYMBOL CAPACITY 1024 INDEX,
  position_id LONG,
  message VARCHAR,
  details VARCHAR,
  acknowledged_by VARCHAR,
  acknowledged_at TIMESTAMP,
  created_at TIMESTAMP,
  rev LONG
) TIMESTAMP(created_at) PARTITION BY DAY WAL
DEDUP UPSERT KEYS(created_at, session_id, alert_id);
