-- The ten species that are rarest.
select speciesname, populationcount
from species
order by populationcount, speciesname
limit 10
