select * from totals order by amount desc
