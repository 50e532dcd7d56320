-- Each site: how many samples, and what they are like.
select site, count(*) as samples, round(avg(ph), 3) as mean_ph, round(avg(temperature_c), 3) as mean_temperature_c,
    max(turbidity_ntu) as most_turbid
from samples
group by site
order by site
