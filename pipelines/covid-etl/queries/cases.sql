select rep_date, cases from covid.daily_stats order by rep_date
