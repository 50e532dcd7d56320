-- The newest price of each currency.
select base, currency, amount, timestamp_utc
from (
    select base, currency, amount, timestamp_utc,
        row_number() over (partition by base, currency order by timestamp_utc desc) as n
    from prices
) as newest
where n = 1
order by base
