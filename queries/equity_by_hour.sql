-- Equity of each session by the hour over the last 30 days: at the end of the hour, its lowest and
-- highest, and how far the end is below the highest equity that there ever was, in percent.
SELECT created_at AS hour, session_id, last(equity) AS equity, min(equity) AS lowest, max(equity) AS highest,
  100 * (1 - cast(last(equity) AS DOUBLE) / cast(last(peak_equity) AS DOUBLE)) AS drawdown_pct
FROM account_equity
WHERE created_at > dateadd('d', -30, now())
SAMPLE BY 1h;
