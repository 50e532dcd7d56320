-- A file is named after its site: iowa_homes.txt.
select
    replace(file, '.txt', '') as site,
    `Sample` as sample,
    `pH` as ph,
    `Temperature (°C)` as temperature_c,
    `Turbidity (NTU)` as turbidity_ntu
from input
where `Sample` is not null
order by site, sample
