-- Text to types, one row a record. `input` holds what is new in the landing bucket.
-- Runs on DataFusion (the embedded cloud) and on Spark 3.5 (AWS Glue).
select
    currency,
    cast(amount as double) as amount,
    cast(timestamp_utc as timestamp) as timestamp_utc,
    cast(substr(timestamp_utc, 1, 10) as date) as date,
    base,
    cast(substr(timestamp_utc, 1, 4) as int) as year,
    cast(substr(timestamp_utc, 6, 2) as int) as month,
    cast(substr(timestamp_utc, 9, 2) as int) as day,
    cast(substr(timestamp_utc, 12, 2) as int) as hour
from input
where base is not null and timestamp_utc is not null
