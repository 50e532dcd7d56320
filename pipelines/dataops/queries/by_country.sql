-- Orders and their worth by country.
select country, count(*) as orders, sum(amount) as amount
from orders
group by country
order by amount desc, country
