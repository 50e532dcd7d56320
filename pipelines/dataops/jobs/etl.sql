-- One row an order, typed; `input` holds what was crawled and not read yet.
-- Runs on DataFusion (the embedded cloud) and on Spark 3.5 (AWS Glue).
select
    cast(order_id as bigint) as order_id,
    trim(customer) as customer,
    upper(trim(country)) as country,
    cast(quantity as int) as quantity,
    cast(unit_price as double) as unit_price,
    cast(quantity as double) * cast(unit_price as double) as amount,
    cast(ordered_at as timestamp) as ordered_at,
    cast(substr(ordered_at, 1, 10) as date) as day
from input
where order_id is not null
