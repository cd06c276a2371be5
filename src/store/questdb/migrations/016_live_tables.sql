-- Orders, the course of positions, and signals of every session.
--
-- Each statement can be run again at any time. Money is DECIMAL(38,18); percentages and scores are
-- DOUBLE. `rev` is the number of the last fact of the session that touched the row. A row is
-- replaced as a whole by a later one with the same keys; `session_id` is among them, so sessions
-- that replay the same recorded prices do not overwrite each other. There is no TTL on purpose: it
-- counts from the newest row, and one wrong clock would delete history.

CREATE TABLE IF NOT EXISTS live_orders (
  session_id SYMBOL CAPACITY 1024 INDEX,
  order_id VARCHAR,
  exchange_order_id VARCHAR,
  symbol SYMBOL CAPACITY 1024 INDEX,
  side SYMBOL CAPACITY 4,
  order_type SYMBOL CAPACITY 8,
  quantity DECIMAL(38,18),
  requested_price DECIMAL(38,18),
  filled_quantity DECIMAL(38,18),
  average_fill_price DECIMAL(38,18),
  status SYMBOL CAPACITY 16 INDEX,
  error_message VARCHAR,
  slippage DOUBLE,
  commission DECIMAL(38,18),
  created_at TIMESTAMP,
  updated_at TIMESTAMP,
  filled_at TIMESTAMP,
  rev LONG
) TIMESTAMP(created_at) PARTITION BY DAY WAL
DEDUP UPSERT KEYS(created_at, session_id, order_id);

CREATE TABLE IF NOT EXISTS live_positions (
  session_id SYMBOL CAPACITY 1024 INDEX,
  position_id LONG,
  symbol SYMBOL CAPACITY 1024 INDEX,
  side SYMBOL CAPACITY 4,
  quantity DECIMAL(38,18),
  entry_price DECIMAL(38,18),
  current_price DECIMAL(38,18),
  liquidation_price DECIMAL(38,18),
  unrealized_pnl DECIMAL(38,18),
  unrealized_pnl_pct DOUBLE,
  margin DECIMAL(38,18),
  leverage INT,
  margin_ratio DOUBLE,
  opened_at TIMESTAMP,
  updated_at TIMESTAMP,
  closed_at TIMESTAMP,
  status SYMBOL CAPACITY 4 INDEX,
  rev LONG
) TIMESTAMP(updated_at) PARTITION BY DAY WAL
DEDUP UPSERT KEYS(updated_at, session_id, position_id);

-- `rev` is among the keys: a sender may use an id twice, and both are on record.
CREATE TABLE IF NOT EXISTS signal_history (
  session_id SYMBOL CAPACITY 1024 INDEX,
  signal_id VARCHAR,
  signal_type SYMBOL CAPACITY 16 INDEX,
  symbol SYMBOL CAPACITY 1024 INDEX,
  side SYMBOL CAPACITY 4,
  quantity DECIMAL(38,18),
  price DECIMAL(38,18),
  confidence DOUBLE,
  strategy_name SYMBOL CAPACITY 256 INDEX,
  indicator_values VARCHAR,
  risk_score DOUBLE,
  approved BOOLEAN,
  rejection_reason VARCHAR,
  order_id VARCHAR,
  created_at TIMESTAMP,
  rev LONG
) TIMESTAMP(created_at) PARTITION BY DAY WAL
DEDUP UPSERT KEYS(created_at, session_id, signal_id, rev);
