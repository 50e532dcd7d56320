select rep_date, deaths from covid.daily_stats order by rep_date
