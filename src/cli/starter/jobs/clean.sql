-- Text to types, one row a reading. `input` holds what is new in the landing bucket.
-- Runs on DataFusion (the embedded cloud) and on Spark 3.5 (AWS Glue).
select
    station,
    cast(trim(celsius) as double) as celsius,
    cast(trim(read_at) as timestamp) as read_at,
    cast(substr(trim(read_at), 1, 10) as date) as day
from input
where station is not null and read_at is not null
