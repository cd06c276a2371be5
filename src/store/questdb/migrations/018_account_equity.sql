-- The account over time: equity (unrealised profit included) and what it is made of, each time that
-- the exchange tells of it. `rev` is among the keys: two reports can bear one time.

CREATE TABLE IF NOT EXISTS account_equity (
  session_id SYMBOL CAPACITY 1024 INDEX,
  equity DECIMAL(38,18),
  wallet DECIMAL(38,18),
  available DECIMAL(38,18),
  position_margin DECIMAL(38,18),
  order_margin DECIMAL(38,18),
  peak_equity DECIMAL(38,18),
  created_at TIMESTAMP,
  rev LONG
) TIMESTAMP(created_at) PARTITION BY DAY WAL
DEDUP UPSERT KEYS(created_at, session_id, rev);
