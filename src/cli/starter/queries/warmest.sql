-- The warmest reading of each station.
select station, max(celsius) as celsius
from readings
group by station
order by station
