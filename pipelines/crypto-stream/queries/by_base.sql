-- The newest prices of one currency: the base, and how many.
select base, currency, amount, timestamp_utc
from prices
where base = ?
order by timestamp_utc desc
limit ?
