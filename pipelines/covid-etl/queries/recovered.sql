select rep_date, recovered from covid.daily_stats order by rep_date
